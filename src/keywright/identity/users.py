"""An account's users, with whether they have come."""

from __future__ import annotations

from keywright.accounts import Permission, Principal, authorize
from keywright.accounts.cursor import read_cursor
from keywright.accounts.models import MANAGER_ROLE
from keywright.identity import user_store
from keywright.identity.user_store import UserPage
from keywright.storage import ReadSession


async def list_users(
    session: ReadSession,
    principal: Principal,
    account_id: str,
    *,
    limit: int,
    cursor: str | None = None,
    person_id: str = "",
) -> UserPage:
    """Return a page of an account's users, in the order in which they came.

    Args:
        session: where to read.
        principal: the caller.
        account_id: the account.
        limit: most users on the page.
        cursor: `next_cursor` of the page before; None begins with the first.
        person_id: a user wanted in any case, on this page or not; empty for nobody.

    Returns:
        The page.

    Raises:
        NotFound: no such account for this caller.
        Forbidden: the caller does not manage users.
        InvalidRequest: the cursor is none of ours.
    """
    account = await authorize(session, principal, account_id, Permission.MANAGE_USERS)
    after = read_cursor(cursor)
    manager = MANAGER_ROLE[account.type]
    return await user_store.users_of(
        session, account_id, manager=manager, limit=limit, after=after, person_id=person_id
    )
