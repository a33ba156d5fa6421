"""Who may do what: one table for roles, one for everyone else, one function that asks them."""

from __future__ import annotations

from enum import Enum, auto

from keywright.accounts import store
from keywright.accounts.models import Account, Role
from keywright.accounts.principal import Principal, PrincipalKind, TokenScope
from keywright.errors import Forbidden, NotFound, ProofRequired
from keywright.storage import ReadSession

# How long a password or passkey counts as just given.
PROOF_LASTS_MS = 600_000
NO_SUCH_ACCOUNT = "there is no such account, or it is not yours; check the Account ID"


class Permission(Enum):
    """What can be allowed."""

    VIEW_ACCOUNT = auto()
    VIEW_CREDENTIALS = auto()
    CREATE_CREDENTIALS = auto()
    DELETE_CREDENTIALS = auto()
    REQUEST_API_ACCESS = auto()
    VIEW_AUDIT = auto()
    MANAGE_USERS = auto()
    OPERATE = auto()  # create accounts, see them all, decide on API access


_MEMBER = frozenset({Permission.VIEW_ACCOUNT})
_KEY_MANAGER = _MEMBER | {
    Permission.VIEW_CREDENTIALS,
    Permission.CREATE_CREDENTIALS,
    Permission.DELETE_CREDENTIALS,
    Permission.REQUEST_API_ACCESS,
    Permission.VIEW_AUDIT,
}

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: _KEY_MANAGER | {Permission.MANAGE_USERS},
    Role.ADMIN: _KEY_MANAGER,
    Role.EXECUTOR: _MEMBER,
    Role.PREPARER: _MEMBER,
    Role.VIEWER: _MEMBER,
    Role.PARTNER_ADMIN: _KEY_MANAGER | {Permission.MANAGE_USERS},
    Role.ONBOARDING_AGENT: _MEMBER,
}

KEY_MANAGER_ROLES = frozenset(
    role for role, allowed in ROLE_PERMISSIONS.items() if Permission.CREATE_CREDENTIALS in allowed
)

# A relationship manager deletes keys in an incident, and never sees a secret: so no creating.
_OPERATOR = frozenset(Permission) - {Permission.CREATE_CREDENTIALS, Permission.REQUEST_API_ACCESS}
SCOPE_PERMISSIONS: dict[TokenScope, frozenset[Permission]] = {
    TokenScope.OPERATOR: _OPERATOR,
    TokenScope.PLATFORM: frozenset(Permission),
}

_HOW_TO: dict[Permission, str] = {
    Permission.CREATE_CREDENTIALS: "creating API keys takes an Owner, Admin or Partner Admin, or a platform token",
    Permission.VIEW_CREDENTIALS: "API keys are shown to an Owner, Admin or Partner Admin of the account",
    Permission.DELETE_CREDENTIALS: "deleting API keys takes an Owner, Admin or Partner Admin of the account",
    Permission.REQUEST_API_ACCESS: "API access is requested by an Owner, Admin or Partner Admin of the account",
    Permission.VIEW_AUDIT: "the audit trail is shown to an Owner, Admin or Partner Admin of the account",
    Permission.MANAGE_USERS: "users are managed by an Owner or Partner Admin of the account",
    Permission.OPERATE: "this takes an operator token of the platform",
}


async def authorize(session: ReadSession, principal: Principal, account_id: str, permission: Permission) -> Account:
    """Let the caller through to an account, or not.

    Args:
        session: where to look; for a change, its own transaction.
        principal: the caller.
        account_id: the account they name.
        permission: what they want to do there.

    Returns:
        The account.

    Raises:
        NotFound: there is no such account, or the caller has no part in it: alike.
        Forbidden: the caller has a part in it, and not this one.
    """
    if principal.kind is PrincipalKind.PERSON:
        account, role = await store.account_and_role(session, account_id, principal.id) or (None, None)
        if account is None or role is None:
            raise NotFound(NO_SUCH_ACCOUNT)
        allowed = ROLE_PERMISSIONS[role]
    else:
        account = await store.account_by_id(session, account_id)
        if account is None:
            raise NotFound(NO_SUCH_ACCOUNT)
        allowed = _permissions_without_role(principal)
    if permission not in allowed:
        raise Forbidden(_HOW_TO.get(permission, "your role does not allow this"))
    return account


def authorize_platform(principal: Principal) -> None:
    """Let the caller through to what concerns all accounts, or not.

    Args:
        principal: the caller.

    Raises:
        Forbidden: the caller is not the platform's own.
    """
    if Permission.OPERATE not in _permissions_without_role(principal):
        raise Forbidden(_HOW_TO[Permission.OPERATE])


def require_fresh_proof(principal: Principal, now_ms: int) -> None:
    """Let someone with a session go on only if they proved a moment ago who they are.

    A session that was left open, or stolen, must not be enough to create or delete keys, or to switch a customer off.

    Args:
        principal: the caller.
        now_ms: milliseconds since 1970 UTC.

    Raises:
        ProofRequired: the last proof is older than ten minutes.
    """
    if principal.proved_at is not None and not 0 <= now_ms - principal.proved_at < PROOF_LASTS_MS:
        raise ProofRequired(
            "you proved who you are more than 10 minutes ago; give your password again, or sign in anew"
        )


def _permissions_without_role(principal: Principal) -> frozenset[Permission]:
    if principal.kind in {PrincipalKind.LOCAL, PrincipalKind.OPERATOR}:
        return _OPERATOR
    if principal.scope is None:
        return frozenset()
    return SCOPE_PERMISSIONS[principal.scope]
