"""The accounts that a person belongs to, each with what they may do there: what pages offer and hide."""

from __future__ import annotations

from dataclasses import dataclass

from keywright.accounts import store
from keywright.accounts.models import Account, Role
from keywright.accounts.policy import NO_SUCH_ACCOUNT, ROLE_PERMISSIONS, Permission
from keywright.accounts.principal import Principal
from keywright.errors import NotFound
from keywright.storage import ReadSession


@dataclass(frozen=True, slots=True)
class Place:
    """An account as one of its users sees it."""

    account: Account
    role: Role

    def may(self, permission: Permission) -> bool:
        """Tell whether the person's role allows something here; services ask again when it is done."""
        return permission in ROLE_PERMISSIONS[self.role]


async def list_places(
    session: ReadSession, principal: Principal, *, limit: int, after: tuple[str, str] | None = None
) -> list[Place]:
    """Return the accounts that a person belongs to, by name.

    Args:
        session: where to read.
        principal: the caller.
        limit: most accounts to return.
        after: name and ID of the account behind which to begin, or None.

    Returns:
        The accounts, each with the person's role.
    """
    behind = None if after is None else (after[0].casefold(), after[1])
    found = await store.places_by_name(session, principal.id, limit=limit, after=behind)
    return [Place(account, role) for account, role in found]


async def find_place(session: ReadSession, principal: Principal, account_id: str) -> Place:
    """Return an account that a person belongs to.

    Args:
        session: where to read.
        principal: the caller.
        account_id: the account.

    Returns:
        The account with the person's role.

    Raises:
        NotFound: there is no such account, or they have no part in it: alike.
    """
    account, role = await store.account_and_role(session, account_id, principal.id) or (None, None)
    if account is None or role is None:
        raise NotFound(NO_SUCH_ACCOUNT)
    return Place(account, role)
