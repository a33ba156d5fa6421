"""Queries on the platform's own people and tokens."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update

from keywright.storage import ReadSession, WriteSession
from keywright.storage.tables import operator_tokens, operators, passwords, people


@dataclass(frozen=True, slots=True)
class OperatorToken:
    """A token of the platform's own people and programs. Times in milliseconds since 1970 UTC."""

    token_id: str
    name: str
    scope: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Operator:
    """A relationship manager. Times in milliseconds since 1970 UTC.

    Args:
        person_id: the person.
        email: their address.
        name: what they are called.
        created_at: since when.
        has_password: whether they have set one, so that they can sign in.
    """

    person_id: str
    email: str
    name: str
    created_at: int
    has_password: bool


async def insert_operator(session: WriteSession, operator: Operator) -> None:
    """Make a person a relationship manager."""
    await session.execute(
        insert(operators).values(person_id=operator.person_id, name=operator.name, created_at=operator.created_at)
    )


async def operators_by_email(session: ReadSession, email: str | None = None) -> list[Operator]:
    """Return the relationship managers by email, or the one with this (lower-case) email."""
    query = (
        select(operators, people.c.email, passwords.c.hash)
        .join(people, people.c.id == operators.c.person_id)
        .outerjoin(passwords, passwords.c.person_id == operators.c.person_id)
        .order_by(people.c.email)
    )
    if email is not None:
        query = query.where(people.c.email == email)
    return [
        Operator(row.person_id, row.email, row.name, row.created_at, has_password=row.hash is not None)
        for row in await session.execute(query)
    ]


async def delete_operator(session: WriteSession, person_id: str) -> None:
    """Let a person be no relationship manager any more."""
    await session.execute(delete(operators).where(operators.c.person_id == person_id))


async def insert_operator_token(session: WriteSession, token: OperatorToken, token_hash: bytes) -> None:
    """Add an operator token."""
    await session.execute(
        insert(operator_tokens).values(
            id=token.token_id,
            name=token.name,
            scope=token.scope,
            token_hash=token_hash,
            created_at=token.created_at,
        )
    )


async def operator_token_by_hash(session: ReadSession, token_hash: bytes) -> OperatorToken | None:
    """Return the token with this hash, unless it was deleted."""
    query = select(operator_tokens).where(
        operator_tokens.c.token_hash == token_hash, operator_tokens.c.deleted_at.is_(None)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else OperatorToken(row.id, row.name, row.scope, row.created_at)


async def operator_tokens_by_name(session: ReadSession) -> list[OperatorToken]:
    """Return the operator tokens that work, by name."""
    query = select(operator_tokens).where(operator_tokens.c.deleted_at.is_(None)).order_by(operator_tokens.c.name)
    return [OperatorToken(row.id, row.name, row.scope, row.created_at) for row in await session.execute(query)]


async def operator_token_named(session: ReadSession, name: str) -> OperatorToken | None:
    """Return the working token of this name, or None."""
    query = select(operator_tokens).where(operator_tokens.c.name == name, operator_tokens.c.deleted_at.is_(None))
    row = (await session.execute(query)).one_or_none()
    return None if row is None else OperatorToken(row.id, row.name, row.scope, row.created_at)


async def mark_operator_token_deleted(session: WriteSession, token_id: str) -> None:
    """End an operator token."""
    await session.execute(
        update(operator_tokens).where(operator_tokens.c.id == token_id).values(deleted_at=session.now_ms)
    )
