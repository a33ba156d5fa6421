"""Queries on an account's users with what lets them in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, or_, select, tuple_

from keywright.accounts import Member, Person, Role
from keywright.accounts.cursor import write_cursor
from keywright.storage import ReadSession
from keywright.storage.tables import invitations, memberships, passwords, people


@dataclass(frozen=True, slots=True)
class User:
    """A member of an account, as those who manage its users see them. Times in milliseconds since 1970 UTC.

    Args:
        member: the member.
        has_come: whether they have a password, so that they can sign in.
        invited_until: how long the invitation that waits for them holds; None if none does.
    """

    member: Member
    has_come: bool
    invited_until: int | None


@dataclass(frozen=True, slots=True)
class UserPage:
    """Some users of an account, in the order in which they came.

    Args:
        users: those of this page.
        next_cursor: where the next page begins; None if this is the last.
        asked_for: the user that was asked for besides, on this page or not; None if there is no such user.
        managers: how many members with the managing role the account has.
    """

    users: list[User]
    next_cursor: str | None
    asked_for: User | None
    managers: int


async def users_of(
    session: ReadSession, account_id: str, *, manager: Role, limit: int, after: tuple[int, str] | None, person_id: str
) -> UserPage:
    """Return a page of an account's users, one more of them if asked for, and the number of managers: in one query.

    Args:
        session: where to read.
        account_id: the account.
        manager: the role whose members are counted.
        limit: most users on the page.
        after: joining time and person behind which to begin; None begins with the first.
        person_id: a user wanted in any case; empty for nobody.

    Returns:
        The page.
    """
    page, counted = memberships.alias(), memberships.alias()
    ids = (
        select(page.c.person_id)
        .where(page.c.account_id == account_id)
        .order_by(page.c.created_at, page.c.person_id)
        .limit(limit + 1)
    )
    if after is not None:
        ids = ids.where(tuple_(page.c.created_at, page.c.person_id) > tuple_(*after))
    managers = (
        select(func.count())
        .select_from(counted)
        .where(counted.c.account_id == account_id, counted.c.role == manager.value)
        .scalar_subquery()
    )
    query = (
        select(
            memberships,
            people.c.email,
            people.c.created_at.label("person_created_at"),
            passwords.c.changed_at.label("password_at"),
            invitations.c.expires_at.label("invited_until"),
            managers.label("managers"),
        )
        .join(people, people.c.id == memberships.c.person_id)
        .outerjoin(passwords, passwords.c.person_id == memberships.c.person_id)
        .outerjoin(
            invitations,
            (invitations.c.person_id == memberships.c.person_id) & (invitations.c.account_id == account_id),
        )
        .where(memberships.c.account_id == account_id)
        .where(or_(memberships.c.person_id.in_(ids), memberships.c.person_id == person_id))
        .order_by(memberships.c.created_at, memberships.c.person_id)
    )
    rows = (await session.execute(query)).all()
    listed = [row for row in rows if after is None or (row.created_at, row.person_id) > after]
    asked_for = next((_user(row) for row in rows if row.person_id == person_id), None)
    users, count = [_user(row) for row in listed[:limit]], rows[0].managers if rows else 0
    next_cursor = None
    if len(listed) > limit:
        next_cursor = write_cursor(users[-1].member.created_at, users[-1].member.person.person_id)
    return UserPage(users, next_cursor, asked_for, count)


def _user(row: Row[Any]) -> User:
    person = Person(row.person_id, row.email, row.person_created_at)
    member = Member(row.account_id, person, row.name, Role(row.role), row.created_at)
    return User(member, has_come=row.password_at is not None, invited_until=row.invited_until)
