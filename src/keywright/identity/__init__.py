"""Who is calling us: sessions, passwords, invitations, operator tokens -> a Principal."""

from keywright.identity.authenticate import authenticate_session, authenticate_token
from keywright.identity.invitations import Invited, accept_invitation, check_password, find_invitation, invite
from keywright.identity.operator_store import OperatorToken
from keywright.identity.operator_tokens import (
    create_operator_token,
    delete_operator_token,
    list_operator_tokens,
)
from keywright.identity.password_reset import (
    change_password,
    find_password_reset,
    request_password_reset,
    reset_password,
)
from keywright.identity.passwords import Passwords
from keywright.identity.removal import remove_user
from keywright.identity.session_store import OpenSession, Reset
from keywright.identity.sessions import (
    Opening,
    SecondFactorRequired,
    close_session,
    end_all_sessions,
    end_session,
    find_own_sign_in,
    find_sign_in,
    list_sessions,
    open_session,
    prove,
)
from keywright.identity.store import SignIn
from keywright.identity.throttle import Throttle

__all__ = [
    "Invited",
    "OpenSession",
    "Opening",
    "OperatorToken",
    "Passwords",
    "Reset",
    "SecondFactorRequired",
    "SignIn",
    "Throttle",
    "accept_invitation",
    "authenticate_session",
    "authenticate_token",
    "change_password",
    "check_password",
    "close_session",
    "create_operator_token",
    "delete_operator_token",
    "end_all_sessions",
    "end_session",
    "find_invitation",
    "find_own_sign_in",
    "find_password_reset",
    "find_sign_in",
    "invite",
    "list_operator_tokens",
    "list_sessions",
    "open_session",
    "prove",
    "remove_user",
    "request_password_reset",
    "reset_password",
]
