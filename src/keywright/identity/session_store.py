"""Queries on sessions, password resets and challenges: what comes and goes with signing in."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import delete, exists, insert, or_, select, update

from keywright.storage import ReadSession, WriteSession
from keywright.storage.tables import challenges, operators, passkeys, password_resets, people, sessions


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
    has_passkey: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """A link to set a new password that was not used yet. Times in milliseconds since 1970 UTC."""

    person_id: str
    email: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Challenge:
    """What waits for an answer. Times in milliseconds since 1970 UTC.

    Args:
        purpose: what an answer is good for.
        person_id: who must answer; None for whoever can.
        challenge: what a passkey must sign.
        expires_at: until when.
    """

    purpose: str
    person_id: str | None
    challenge: bytes = field(repr=False)
    expires_at: int


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
        select(
            people.c.id,
            people.c.email,
            sessions.c.id.label("session_id"),
            sessions.c.proved_at,
            operators.c.name,
            exists().where(passkeys.c.person_id == people.c.id).label("has_passkey"),
        )
        .join(sessions, sessions.c.person_id == people.c.id)
        .outerjoin(operators, operators.c.person_id == people.c.id)
        .where(sessions.c.token_hash == token_hash, sessions.c.expires_at > session.now_ms)
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    return Visitor(
        row.id,
        row.email,
        row.session_id,
        row.proved_at,
        is_operator=row.name is not None,
        has_passkey=bool(row.has_passkey),
    )


async def sessions_of(session: ReadSession, person_id: str) -> list[OpenSession]:
    """Return a person's running sessions, newest first."""
    query = (
        select(sessions)
        .where(sessions.c.person_id == person_id, sessions.c.expires_at > session.now_ms)
        .order_by(sessions.c.created_at.desc(), sessions.c.id)
    )
    return [
        OpenSession(row.id, row.person_id, row.address, row.user_agent, row.created_at, row.expires_at)
        for row in await session.execute(query)
    ]


async def address_of_session(session: ReadSession, session_id: str) -> str | None:
    """Return the network address from which a session was opened; None if it has ended or none was known."""
    query = select(sessions.c.address).where(sessions.c.id == session_id)
    return (await session.execute(query)).scalar_one_or_none() or None


async def delete_session_of(session: WriteSession, person_id: str, session_id: str) -> bool:
    """End a session of a person; whether there was one."""
    statement = delete(sessions).where(sessions.c.person_id == person_id, sessions.c.id == session_id)
    return (await session.execute(statement)).rowcount == 1


async def update_proved_at(session: WriteSession, person_id: str, session_id: str) -> bool:
    """Note that a session's person has just proved who they are; whether the session runs."""
    statement = (
        update(sessions)
        .where(sessions.c.person_id == person_id, sessions.c.id == session_id, sessions.c.expires_at > session.now_ms)
        .values(proved_at=session.now_ms)
    )
    return (await session.execute(statement)).rowcount == 1


async def delete_session(session: WriteSession, token_hash: bytes) -> None:
    """End a session."""
    await session.execute(delete(sessions).where(sessions.c.token_hash == token_hash))


async def delete_sessions_of(session: WriteSession, person_id: str, *, but: str | None = None) -> None:
    """End all sessions of a person, or all but the one with this ID."""
    statement = delete(sessions).where(sessions.c.person_id == person_id)
    await session.execute(statement if but is None else statement.where(sessions.c.id != but))


async def replace_reset(session: WriteSession, token_hash: bytes, person_id: str, expires_at: int) -> None:
    """Let a person set a new password; an earlier link of theirs ends, and so do those that have run out."""
    await session.execute(
        delete(password_resets).where(
            or_(password_resets.c.person_id == person_id, password_resets.c.expires_at <= session.now_ms)
        )
    )
    await session.execute(
        insert(password_resets).values(
            token_hash=token_hash, person_id=person_id, created_at=session.now_ms, expires_at=expires_at
        )
    )


async def reset_by_hash(session: ReadSession, token_hash: bytes) -> Reset | None:
    """Return a link to set a password that still works, or None."""
    query = (
        select(password_resets.c.person_id, password_resets.c.expires_at, people.c.email)
        .join(people, people.c.id == password_resets.c.person_id)
        .where(password_resets.c.token_hash == token_hash, password_resets.c.expires_at > session.now_ms)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Reset(row.person_id, row.email, row.expires_at)


async def delete_resets_of(session: WriteSession, person_id: str) -> None:
    """End a person's links to set a password."""
    await session.execute(delete(password_resets).where(password_resets.c.person_id == person_id))


async def insert_challenge(session: WriteSession, token_hash: bytes, challenge: Challenge) -> None:
    """Add what waits for an answer; those that have run out are cleared away."""
    await session.execute(delete(challenges).where(challenges.c.expires_at <= session.now_ms))
    await session.execute(
        insert(challenges).values(
            token_hash=token_hash,
            purpose=challenge.purpose,
            person_id=challenge.person_id,
            challenge=challenge.challenge,
            expires_at=challenge.expires_at,
        )
    )


async def challenge_by_hash(session: ReadSession, token_hash: bytes, purpose: str) -> Challenge | None:
    """Return what waits for an answer of this purpose, or None."""
    query = select(challenges).where(
        challenges.c.token_hash == token_hash,
        challenges.c.purpose == purpose,
        challenges.c.expires_at > session.now_ms,
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Challenge(row.purpose, row.person_id, row.challenge, row.expires_at)


async def delete_challenge(session: WriteSession, token_hash: bytes) -> bool:
    """Take away what was answered; whether it was still there."""
    return (await session.execute(delete(challenges).where(challenges.c.token_hash == token_hash))).rowcount == 1


async def delete_challenges_of(session: WriteSession, person_id: str) -> None:
    """Take away all that waits for a person's answer."""
    await session.execute(delete(challenges).where(challenges.c.person_id == person_id))
