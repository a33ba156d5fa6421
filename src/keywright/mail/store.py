"""Queries on mail that waits to be sent."""

from __future__ import annotations

from sqlalchemy import insert

from keywright.storage import WriteSession
from keywright.storage.tables import outgoing_mail


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
