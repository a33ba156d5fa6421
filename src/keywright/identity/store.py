"""Queries on passwords, sessions, invitations and operator tokens."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update

from keywright.storage import ReadSession, WriteSession
from keywright.storage.tables import (
    invitations,
    memberships,
    operator_tokens,
    operators,
    passwords,
    people,
    sessions,
)


@dataclass(frozen=True, slots=True)
class SignIn:
    """What is needed to check a sign-in."""

    person_id: str
    password_hash: str | None


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session as its owner sees it. Times in milliseconds since 1970 UTC."""

    session_id: str
    person_id: str
    address: str
    user_agent: str
    created_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who a session belongs to, and when they last proved it (milliseconds since 1970 UTC)."""

    person_id: str
    email: str
    session_id: str
    proved_at: int
    is_operator: bool


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation that was not accepted yet. Times in milliseconds since 1970 UTC."""

    person_id: str
    account_id: str
    email: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class OperatorToken:
    """A token of the platform's own people and programs. Times in milliseconds since 1970 UTC."""

    token_id: str
    name: str
    scope: str
    created_at: int


async def sign_in_by_email(session: ReadSession, email: str) -> SignIn | None:
    """Return the person with this (lower-case) email and their password's hash, or None."""
    query = (
        select(people.c.id, passwords.c.hash)
        .outerjoin(passwords, passwords.c.person_id == people.c.id)
        .where(people.c.email == email)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else SignIn(row.id, row.hash)


async def password_hash(session: ReadSession, person_id: str) -> str | None:
    """Return the hash of a person's password, or None if they have set none."""
    query = select(passwords.c.hash).where(passwords.c.person_id == person_id)
    return (await session.execute(query)).scalar_one_or_none()


async def delete_password(session: WriteSession, person_id: str) -> None:
    """Forget a person's password."""
    await session.execute(delete(passwords).where(passwords.c.person_id == person_id))


async def is_member_anywhere(session: ReadSession, person_id: str) -> bool:
    """Tell whether a person belongs to any account."""
    query = select(memberships.c.account_id).where(memberships.c.person_id == person_id).limit(1)
    return (await session.execute(query)).one_or_none() is not None


async def put_password(session: WriteSession, person_id: str, password_hash: str) -> None:
    """Set or replace a person's password."""
    await delete_password(session, person_id)
    await session.execute(insert(passwords).values(person_id=person_id, hash=password_hash, changed_at=session.now_ms))


async def insert_session(session: WriteSession, token_hash: bytes, opened: OpenSession) -> None:
    """Open a session; sessions that have ended are cleared away."""
    await session.execute(delete(sessions).where(sessions.c.expires_at <= session.now_ms))
    await session.execute(
        insert(sessions).values(
            token_hash=token_hash,
            id=opened.session_id,
            person_id=opened.person_id,
            address=opened.address[:60],
            user_agent=opened.user_agent[:300],
            proved_at=opened.created_at,
            created_at=opened.created_at,
            expires_at=opened.expires_at,
        )
    )


async def visitor_by_session(session: ReadSession, token_hash: bytes) -> Visitor | None:
    """Return the person whose running session this is, or None."""
    query = (
        select(people.c.id, people.c.email, sessions.c.id.label("session_id"), sessions.c.proved_at, operators.c.name)
        .join(sessions, sessions.c.person_id == people.c.id)
        .outerjoin(operators, operators.c.person_id == people.c.id)
        .where(sessions.c.token_hash == token_hash, sessions.c.expires_at > session.now_ms)
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    return Visitor(row.id, row.email, row.session_id, row.proved_at, is_operator=row.name is not None)


async def delete_session(session: WriteSession, token_hash: bytes) -> None:
    """End a session."""
    await session.execute(delete(sessions).where(sessions.c.token_hash == token_hash))


async def delete_sessions_of(session: WriteSession, person_id: str) -> None:
    """End all sessions of a person."""
    await session.execute(delete(sessions).where(sessions.c.person_id == person_id))


async def replace_invitation(
    session: WriteSession, token_hash: bytes, person_id: str, account_id: str, expires_at: int
) -> None:
    """Invite a person to an account; an earlier invitation to it ends."""
    await delete_invitations(session, person_id, account_id)
    await session.execute(
        insert(invitations).values(
            token_hash=token_hash,
            person_id=person_id,
            account_id=account_id,
            created_at=session.now_ms,
            expires_at=expires_at,
        )
    )


async def invited_at(session: ReadSession, person_id: str, account_id: str) -> int | None:
    """Return when a person was invited to an account, or None if no invitation waits for them."""
    query = select(invitations.c.created_at).where(
        invitations.c.person_id == person_id, invitations.c.account_id == account_id
    )
    return (await session.execute(query)).scalar_one_or_none()


async def delete_invitations(session: WriteSession, person_id: str, account_id: str | None = None) -> None:
    """End a person's invitations: all, or those to one account."""
    query = delete(invitations).where(invitations.c.person_id == person_id)
    if account_id is not None:
        query = query.where(invitations.c.account_id == account_id)
    await session.execute(query)


async def invitation_by_hash(session: ReadSession, token_hash: bytes) -> Invitation | None:
    """Return an invitation that can still be accepted, or None."""
    query = (
        select(invitations, people.c.email)
        .join(people, people.c.id == invitations.c.person_id)
        # Someone who was removed meanwhile is no longer invited.
        .join(
            memberships,
            (memberships.c.person_id == invitations.c.person_id)
            & (memberships.c.account_id == invitations.c.account_id),
        )
        .where(invitations.c.token_hash == token_hash, invitations.c.expires_at > session.now_ms)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Invitation(row.person_id, row.account_id, row.email, row.expires_at)


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
