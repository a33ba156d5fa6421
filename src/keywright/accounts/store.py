"""Queries on accounts, people and memberships."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update
from sqlalchemy.engine import Row

from keywright.accounts.models import AccessRequest, Account, AccountType, ApiAccess, Member, Person, Role
from keywright.storage import ReadSession, WriteSession
from keywright.storage.tables import accounts, memberships, operators, people


async def insert_account(session: WriteSession, account: Account, *, request_hash: bytes | None = None) -> None:
    """Add an account without keys or members."""
    await session.execute(
        insert(accounts).values(
            id=account.account_id,
            name=account.name,
            name_folded=account.name.casefold(),
            type=account.type.value,
            api_access=account.api_access.value,
            created_at=account.created_at,
            request_hash=request_hash,
        )
    )


async def account_of_request(session: ReadSession, request_hash: bytes) -> Account | None:
    """Return the account that a request has made, or None."""
    row = (await session.execute(select(accounts).where(accounts.c.request_hash == request_hash))).one_or_none()
    return None if row is None else account_of_row(row)


async def account_by_id(session: ReadSession, account_id: str) -> Account | None:
    """Return an account, or None."""
    row = (await session.execute(select(accounts).where(accounts.c.id == account_id))).one_or_none()
    return None if row is None else account_of_row(row)


async def account_and_role(session: ReadSession, account_id: str, person_id: str) -> tuple[Account, Role | None] | None:
    """Return an account and a person's role in it, which may be none; or None if there is no such account."""
    query = (
        select(accounts, memberships.c.role)
        .outerjoin(memberships, and_(memberships.c.account_id == accounts.c.id, memberships.c.person_id == person_id))
        .where(accounts.c.id == account_id)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (account_of_row(row), None if row.role is None else Role(row.role))


async def places_by_name(
    session: ReadSession, person_id: str, *, limit: int, after: tuple[str, str] | None
) -> list[tuple[Account, Role]]:
    """Return the accounts of a person with their role in each, by folded name and ID, beginning behind `after`."""
    query = (
        select(accounts, memberships.c.role)
        .join(memberships, memberships.c.account_id == accounts.c.id)
        .where(memberships.c.person_id == person_id)
        .order_by(accounts.c.name_folded, accounts.c.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(_behind(after))
    return [(account_of_row(row), Role(row.role)) for row in await session.execute(query)]


async def accounts_oldest_first(
    session: ReadSession, *, after: tuple[int, str] | None, limit: int, member_id: str | None
) -> list[Account]:
    """Return accounts by creation time and ID, all or those of one person, beginning behind `after`."""
    query = select(accounts).order_by(accounts.c.created_at, accounts.c.id).limit(limit)
    if member_id is not None:
        query = query.join(memberships, memberships.c.account_id == accounts.c.id).where(
            memberships.c.person_id == member_id
        )
    if after is not None:
        created_at, account_id = after
        query = query.where(
            or_(
                accounts.c.created_at > created_at,
                and_(accounts.c.created_at == created_at, accounts.c.id > account_id),
            )
        )
    return [account_of_row(row) for row in await session.execute(query)]


async def update_api_access(session: WriteSession, account_id: str, status: ApiAccess, reason: str | None) -> None:
    """Decide on an account's API access; a waiting request is answered by it."""
    await session.execute(
        update(accounts)
        .where(accounts.c.id == account_id)
        .values(
            api_access=status.value,
            api_access_reason=reason,
            api_access_changed_at=session.now_ms,
            api_access_message=None,
            api_access_requested_by=None,
            api_access_requested_at=None,
        )
    )


async def update_access_request(session: WriteSession, account_id: str, message: str | None, requested_by: str) -> None:
    """Note that an account asks for API access."""
    await session.execute(
        update(accounts)
        .where(accounts.c.id == account_id)
        .values(
            api_access=ApiAccess.REQUESTED.value,
            api_access_reason=None,
            api_access_changed_at=session.now_ms,
            api_access_message=message,
            api_access_requested_by=requested_by,
            api_access_requested_at=session.now_ms,
        )
    )


async def access_requests_oldest_first(
    session: ReadSession, *, after: tuple[int, str] | None, limit: int
) -> list[AccessRequest]:
    """Return the accounts that wait for a decision, the longest waiting first."""
    query = (
        select(accounts)
        .where(accounts.c.api_access == ApiAccess.REQUESTED.value)
        .order_by(accounts.c.api_access_requested_at, accounts.c.id)
        .limit(limit)
    )
    if after is not None:
        requested_at, account_id = after
        query = query.where(
            or_(
                accounts.c.api_access_requested_at > requested_at,
                and_(accounts.c.api_access_requested_at == requested_at, accounts.c.id > account_id),
            )
        )
    return [access_request_of_row(row) for row in await session.execute(query)]


async def person_by_email(session: ReadSession, email: str) -> Person | None:
    """Return the person with this (lower-case) email, or None."""
    row = (await session.execute(select(people).where(people.c.email == email))).one_or_none()
    return None if row is None else _person(row)


async def is_operator(session: ReadSession, person_id: str) -> bool:
    """Tell whether a person is a relationship manager of the platform."""
    query = select(operators.c.person_id).where(operators.c.person_id == person_id)
    return (await session.execute(query)).one_or_none() is not None


async def insert_person(session: WriteSession, person: Person) -> None:
    """Add a person, who belongs to no account yet."""
    await session.execute(insert(people).values(id=person.person_id, email=person.email, created_at=person.created_at))


async def insert_membership(session: WriteSession, member: Member) -> None:
    """Make a person a member of an account."""
    await session.execute(
        insert(memberships).values(
            account_id=member.account_id,
            person_id=member.person.person_id,
            name=member.name,
            role=member.role.value,
            created_at=member.created_at,
        )
    )


async def members_of(session: ReadSession, account_id: str) -> list[Member]:
    """Return an account's members, in the order in which they came."""
    query = _member_query(account_id).order_by(memberships.c.created_at, people.c.id)
    return [_member(row) for row in await session.execute(query)]


async def member_by_id(session: ReadSession, account_id: str, person_id: str) -> Member | None:
    """Return one member of an account, or None."""
    row = (await session.execute(_member_query(account_id).where(people.c.id == person_id))).one_or_none()
    return None if row is None else _member(row)


async def count_role(session: ReadSession, account_id: str, role: Role) -> int:
    """Count an account's members with a role."""
    query = (
        select(func.count())
        .select_from(memberships)
        .where(memberships.c.account_id == account_id, memberships.c.role == role.value)
    )
    return int((await session.execute(query)).scalar_one())


async def emails_of_roles(session: ReadSession, account_id: str, roles: Iterable[Role], limit: int) -> list[str]:
    """Return the addresses of an account's members with one of these roles, the longest there first."""
    query = (
        select(people.c.email)
        .join(memberships, memberships.c.person_id == people.c.id)
        .where(memberships.c.account_id == account_id, memberships.c.role.in_([role.value for role in roles]))
        .order_by(memberships.c.created_at, people.c.id)
        .limit(limit)
    )
    return list((await session.execute(query)).scalars())


async def emails_of_operators(session: ReadSession, limit: int) -> list[str]:
    """Return the addresses of the platform's relationship managers, the longest there first."""
    query = (
        select(people.c.email)
        .join(operators, operators.c.person_id == people.c.id)
        .order_by(operators.c.created_at, people.c.id)
        .limit(limit)
    )
    return list((await session.execute(query)).scalars())


async def update_role(session: WriteSession, account_id: str, person_id: str, role: Role) -> None:
    """Give a member another role."""
    await session.execute(
        update(memberships)
        .where(memberships.c.account_id == account_id, memberships.c.person_id == person_id)
        .values(role=role.value)
    )


async def delete_membership(session: WriteSession, account_id: str, person_id: str) -> None:
    """End a membership."""
    await session.execute(
        delete(memberships).where(memberships.c.account_id == account_id, memberships.c.person_id == person_id)
    )


def _behind(place: tuple[str, str]) -> ColumnElement[bool]:
    """The accounts behind a place in the list by folded name and ID."""
    name, account_id = place
    return or_(accounts.c.name_folded > name, and_(accounts.c.name_folded == name, accounts.c.id > account_id))


def _member_query(account_id: str) -> Any:
    return (
        select(
            memberships.c.account_id,
            memberships.c.name,
            memberships.c.role,
            memberships.c.created_at,
            people.c.id,
            people.c.email,
            people.c.created_at.label("person_created_at"),
        )
        .join(people, people.c.id == memberships.c.person_id)
        .where(memberships.c.account_id == account_id)
    )


def account_of_row(row: Row[Any]) -> Account:
    """Read an account from a row with all columns of its table."""
    return Account(
        account_id=row.id,
        name=row.name,
        type=AccountType(row.type),
        api_access=ApiAccess(row.api_access),
        api_access_reason=row.api_access_reason,
        api_access_changed_at=row.api_access_changed_at,
        created_at=row.created_at,
    )


def access_request_of_row(row: Row[Any]) -> AccessRequest:
    """Read a waiting request from a row of the accounts' table."""
    return AccessRequest(
        account_id=row.id,
        account_name=row.name,
        account_type=AccountType(row.type),
        message=row.api_access_message,
        requested_by=row.api_access_requested_by,
        requested_at=row.api_access_requested_at,
    )


def _person(row: Row[Any]) -> Person:
    return Person(person_id=row.id, email=row.email, created_at=row.created_at)


def _member(row: Row[Any]) -> Member:
    return Member(
        account_id=row.account_id,
        person=Person(person_id=row.id, email=row.email, created_at=row.person_created_at),
        name=row.name,
        role=Role(row.role),
        created_at=row.created_at,
    )
