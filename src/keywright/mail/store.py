"""Queries on mail that waits to be sent."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import delete, func, insert, select, update

from keywright.storage import ReadSession, WriteSession
from keywright.storage.tables import outgoing_mail


@dataclass(frozen=True, slots=True)
class WaitingMail:
    """A mail that waits. Times in milliseconds since 1970 UTC."""

    letter_id: str
    recipient: str
    sealed_message: bytes = field(repr=False)
    attempts: int
    next_attempt_at: int
    created_at: int


async def insert_mail(session: WriteSession, letter_id: str, recipient: str, sealed_message: bytes) -> None:
    """Add a mail that is due at once."""
    await session.execute(
        insert(outgoing_mail).values(
            id=letter_id,
            recipient=recipient,
            sealed_message=sealed_message,
            attempts=0,
            next_attempt_at=session.now_ms,
            created_at=session.now_ms,
        )
    )


async def due_mail(session: ReadSession, limit: int) -> list[WaitingMail]:
    """Return mail whose time has come, the longest due first."""
    query = (
        select(outgoing_mail)
        .where(outgoing_mail.c.next_attempt_at <= session.now_ms)
        .order_by(outgoing_mail.c.next_attempt_at, outgoing_mail.c.id)
        .limit(limit)
    )
    return [
        WaitingMail(
            letter_id=row.id,
            recipient=row.recipient,
            sealed_message=row.sealed_message,
            attempts=row.attempts,
            next_attempt_at=row.next_attempt_at,
            created_at=row.created_at,
        )
        for row in await session.execute(query)
    ]


async def count_mail(session: ReadSession) -> int:
    """Count all mail that waits."""
    return int((await session.execute(select(func.count()).select_from(outgoing_mail))).scalar_one())


async def claim_mail(session: WriteSession, mail: WaitingMail, *, until: int) -> bool:
    """Begin an attempt that nobody else makes before `until`; False if someone has begun one already."""
    claimed = await session.execute(
        update(outgoing_mail)
        .where(
            outgoing_mail.c.id == mail.letter_id,
            outgoing_mail.c.attempts == mail.attempts,
            outgoing_mail.c.next_attempt_at == mail.next_attempt_at,
        )
        .values(attempts=mail.attempts + 1, next_attempt_at=until)
    )
    return claimed.rowcount == 1


async def postpone_mail(session: WriteSession, letter_id: str, next_attempt_at: int) -> None:
    """Set when a mail is tried again."""
    await session.execute(
        update(outgoing_mail).where(outgoing_mail.c.id == letter_id).values(next_attempt_at=next_attempt_at)
    )


async def delete_mail(session: WriteSession, letter_id: str) -> None:
    """Be done with a mail."""
    await session.execute(delete(outgoing_mail).where(outgoing_mail.c.id == letter_id))
