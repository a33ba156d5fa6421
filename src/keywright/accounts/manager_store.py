"""Whom to tell of what happens to an account's users."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from keywright.accounts.models import Role
from keywright.storage import ReadSession
from keywright.storage.tables import memberships, passwords, people


async def emails_of_managers(
    session: ReadSession, account_id: str, manager: Role, *, but: Collection[str], limit: int
) -> list[str]:
    """Return the addresses of those who manage an account's users and can sign in, the longest there first.

    Args:
        session: where to read.
        account_id: the account.
        manager: the role that manages users there.
        but: IDs of people who are left out.
        limit: most addresses to return.

    Returns:
        The addresses.
    """
    query = (
        select(people.c.email)
        .join(memberships, memberships.c.person_id == people.c.id)
        .join(passwords, passwords.c.person_id == people.c.id)
        .where(
            memberships.c.account_id == account_id,
            memberships.c.role == manager.value,
            people.c.id.not_in(list(but)),
        )
        .order_by(memberships.c.created_at, people.c.id)
        .limit(limit)
    )
    return list((await session.execute(query)).scalars())
