"""What each mail says: plain text, short, with the address of the page where one goes on."""

from keywright.mail.letters.access import access_declined, access_disabled, access_enabled, access_requested
from keywright.mail.letters.keys import KeyNews, key_created, key_deleted
from keywright.mail.letters.letter import Letter
from keywright.mail.letters.people import (
    added_to_account,
    invitation,
    operator_added,
    password_reset,
    sign_in_changed,
)
from keywright.mail.letters.users import (
    UserNews,
    user_added,
    user_invited_again,
    user_removed,
    user_role_changed,
    you_were_removed,
    your_role_changed,
)

__all__ = [
    "KeyNews",
    "Letter",
    "UserNews",
    "access_declined",
    "access_disabled",
    "access_enabled",
    "access_requested",
    "added_to_account",
    "invitation",
    "key_created",
    "key_deleted",
    "operator_added",
    "password_reset",
    "sign_in_changed",
    "user_added",
    "user_invited_again",
    "user_removed",
    "user_role_changed",
    "you_were_removed",
    "your_role_changed",
]
