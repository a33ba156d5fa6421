"""Who is calling us: sessions, passwords, invitations, operator tokens -> a Principal."""

from keywright.identity.authenticate import authenticate_session, authenticate_token
from keywright.identity.invitations import Invited, accept_invitation, check_password, find_invitation, invite
from keywright.identity.operator_tokens import (
    create_operator_token,
    delete_operator_token,
    list_operator_tokens,
)
from keywright.identity.passwords import Passwords
from keywright.identity.removal import remove_user
from keywright.identity.sessions import close_session, find_sign_in, open_session
from keywright.identity.store import OperatorToken
from keywright.identity.throttle import Throttle

__all__ = [
    "Invited",
    "OperatorToken",
    "Passwords",
    "Throttle",
    "accept_invitation",
    "authenticate_session",
    "authenticate_token",
    "check_password",
    "close_session",
    "create_operator_token",
    "delete_operator_token",
    "find_invitation",
    "find_sign_in",
    "invite",
    "list_operator_tokens",
    "open_session",
    "remove_user",
]
