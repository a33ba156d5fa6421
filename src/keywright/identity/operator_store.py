"""Queries on the platform's own people and tokens."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import insert, select, update

from keywright.storage import ReadSession, WriteSession
from keywright.storage.tables import operator_tokens


@dataclass(frozen=True, slots=True)
class OperatorToken:
    """A token of the platform's own people and programs. Times in milliseconds since 1970 UTC."""

    token_id: str
    name: str
    scope: str
    created_at: int


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
