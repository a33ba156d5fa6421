"""An account's users, with whether they have come."""

from __future__ import annotations

from keywright.accounts import Account, Permission, Principal, authorize, authorize_platform
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


async def list_users_for_operator(
    session: ReadSession, principal: Principal, account: Account, *, limit: int, person_id: str = ""
) -> UserPage:
    """Return the first users of an account to those who may see every account's.

    Args:
        session: where to read.
        principal: the caller: an operator.
        account: the account, as it was found a moment ago.
        limit: most users on the page.
        person_id: a user wanted in any case; empty for nobody.

    Returns:
        The users.

    Raises:
        Forbidden: the caller is no operator.
    """
    authorize_platform(principal)
    manager = MANAGER_ROLE[account.type]
    return await user_store.users_of(
        session, account.account_id, manager=manager, limit=limit, after=None, person_id=person_id
    )
