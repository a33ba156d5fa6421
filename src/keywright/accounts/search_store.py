"""Queries for those who look at all accounts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, tuple_

from keywright.accounts.models import AccessRequest, Account, AccountType, ApiAccess
from keywright.accounts.store import access_request_of_row, account_of_row
from keywright.storage import ReadSession
from keywright.storage.tables import accounts, memberships, people


async def accounts_by_name(
    session: ReadSession,
    *,
    text: str,
    account_id: str | None,
    api_access: ApiAccess | None,
    account_type: AccountType | None,
    behind: tuple[str, str] | None,
    backwards: bool,
    limit: int,
) -> list[tuple[Account, int]]:
    """Return accounts with the number of their active keys, by folded name and ID, or the other way round.

    Both columns are compared as one row value (`(a, b) > (x, y)`): that is what lets the index find a page's start.
    """
    by = (accounts.c.name_folded, accounts.c.id)
    query = select(accounts).order_by(*(column.desc() if backwards else column for column in by)).limit(limit)
    if behind is not None:
        query = query.where(tuple_(*by) < tuple_(*behind) if backwards else tuple_(*by) > tuple_(*behind))
    if text:
        query = query.where(_fits(text))
    if account_id is not None:
        query = query.where(accounts.c.id == account_id)
    if api_access is not None:
        query = query.where(accounts.c.api_access == api_access.value)
    if account_type is not None:
        query = query.where(accounts.c.type == account_type.value)
    return [(account_of_row(row), row.active_credentials) for row in await session.execute(query)]


async def place_of(session: ReadSession, account_id: str) -> tuple[str, str] | None:
    """Return where an account stands in the list by name, or None if there is no such account."""
    query = select(accounts.c.name_folded, accounts.c.id).where(accounts.c.id == account_id)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (row.name_folded, row.id)


async def count_access_requests(session: ReadSession, most: int) -> int:
    """Count the accounts that wait for a decision, up to a number: nobody reads a larger one."""
    return int((await session.execute(select(_waiting(most)))).scalar_one())


async def account_with_request(
    session: ReadSession, account_id: str, most_counted: int
) -> tuple[Account, int, AccessRequest | None, int] | None:
    """Return an account, its number of active keys, what it asks for, and how many accounts wait; or None."""
    query = select(accounts, _waiting(most_counted).label("waiting")).where(accounts.c.id == account_id)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    request = access_request_of_row(row) if row.api_access == ApiAccess.REQUESTED.value else None
    return account_of_row(row), row.active_credentials, request, row.waiting


def _fits(text: str) -> ColumnElement[bool]:
    """Whatever a text can mean: a part of the name, else the whole of an Account ID or of someone's email."""
    ways: list[ColumnElement[bool]] = [
        accounts.c.name_folded.contains(text.casefold(), autoescape=True),
        accounts.c.id == text.lower(),
    ]
    if "@" in text:
        theirs = (
            select(memberships.c.account_id)
            .join(people, people.c.id == memberships.c.person_id)
            .where(people.c.email == text.lower())
        )
        ways.append(accounts.c.id.in_(theirs))
    return or_(*ways)


def _waiting(most: int) -> Any:
    some = select(accounts.c.id).where(accounts.c.api_access == ApiAccess.REQUESTED.value).limit(most).subquery()
    return select(func.count()).select_from(some).scalar_subquery()
