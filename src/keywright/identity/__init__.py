"""Who is calling us: sessions, passwords, invitations, operator tokens -> a Principal."""

from keywright.identity.authenticate import authenticate_session, authenticate_token
from keywright.identity.factor_store import Passkey, SecondFactors
from keywright.identity.invitations import Invited, accept_invitation, check_password, find_invitation, invite
from keywright.identity.operator_store import Operator, OperatorToken
from keywright.identity.operator_tokens import (
    create_operator_token,
    delete_operator_token,
    list_operator_tokens,
)
from keywright.identity.operators import add_operator, list_operators, remove_operator
from keywright.identity.password_reset import (
    change_password,
    find_password_reset,
    request_password_reset,
    reset_password,
)
from keywright.identity.passwords import Passwords
from keywright.identity.recovery_codes import renew_recovery_codes
from keywright.identity.removal import remove_user
from keywright.identity.second_factor import (
    HalfSignIn,
    begin_second_factor,
    find_half_sign_in,
    finish_with_code,
    list_second_factors,
    open_session_with_code,
)
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
from keywright.identity.totp import (
    TotpSetup,
    begin_totp,
    check_totp_secrets,
    confirm_totp,
    remove_totp,
    reseal_totp_secrets,
    waiting_totp,
)

__all__ = [
    "HalfSignIn",
    "Invited",
    "OpenSession",
    "Opening",
    "Operator",
    "OperatorToken",
    "Passkey",
    "Passwords",
    "Reset",
    "SecondFactorRequired",
    "SecondFactors",
    "SignIn",
    "TotpSetup",
    "accept_invitation",
    "add_operator",
    "authenticate_session",
    "authenticate_token",
    "begin_second_factor",
    "begin_totp",
    "change_password",
    "check_password",
    "check_totp_secrets",
    "close_session",
    "confirm_totp",
    "create_operator_token",
    "delete_operator_token",
    "end_all_sessions",
    "end_session",
    "find_half_sign_in",
    "find_invitation",
    "find_own_sign_in",
    "find_password_reset",
    "find_sign_in",
    "finish_with_code",
    "invite",
    "list_operator_tokens",
    "list_operators",
    "list_second_factors",
    "list_sessions",
    "open_session",
    "open_session_with_code",
    "prove",
    "remove_operator",
    "remove_totp",
    "remove_user",
    "renew_recovery_codes",
    "request_password_reset",
    "reseal_totp_secrets",
    "reset_password",
    "waiting_totp",
]
