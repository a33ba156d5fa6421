"""Find accounts."""

from __future__ import annotations

from keywright.accounts import store
from keywright.accounts.cursor import read_cursor, write_cursor
from keywright.accounts.models import Account, Page
from keywright.accounts.policy import KEY_MANAGER_ROLES, Permission, authorize, authorize_platform
from keywright.accounts.principal import Principal, PrincipalKind
from keywright.storage import ReadSession

# Whoever has more is not told one by one.
MOST_TOLD = 50


async def key_manager_emails(session: ReadSession, account_id: str) -> list[str]:
    """Return the addresses of those who manage an account's keys, at most fifty: to mail them what concerns keys."""
    return await store.emails_of_roles(session, account_id, KEY_MANAGER_ROLES, MOST_TOLD)


async def find_account(session: ReadSession, principal: Principal, account_id: str) -> Account:
    """Return one account.

    Raises:
        NotFound: there is none, or the caller has no part in it.
    """
    return await authorize(session, principal, account_id, Permission.VIEW_ACCOUNT)


async def list_accounts(session: ReadSession, principal: Principal, *, limit: int, cursor: str | None) -> Page[Account]:
    """Return a page of accounts, oldest first: all for operators, their own for people.

    Args:
        session: where to read.
        principal: the caller.
        limit: most accounts to return.
        cursor: `next_cursor` of the page before, or None.

    Returns:
        The accounts and where the next page begins.

    Raises:
        InvalidRequest: the cursor is none of ours.
        Forbidden: the caller is neither an operator nor a person.
    """
    if principal.kind is not PrincipalKind.PERSON:
        authorize_platform(principal)
    found = await store.accounts_oldest_first(
        session,
        after=read_cursor(cursor),
        limit=limit + 1,
        member_id=principal.id if principal.kind is PrincipalKind.PERSON else None,
    )
    items = found[:limit]
    more = len(found) > limit
    return Page(items, write_cursor(items[-1].created_at, items[-1].account_id) if more else None)
