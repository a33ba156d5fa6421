"""Queries on the audit tables. Nothing here updates or deletes an event."""

from __future__ import annotations

import json

from sqlalchemy import insert, select, update
from sqlalchemy.engine import Row

from keywright.audit.event import AuditEvent, canonical
from keywright.storage import ReadSession, WriteSession
from keywright.storage.tables import audit_events, audit_heads


async def head_of(session: ReadSession, chain: str) -> tuple[int, str] | None:
    """Return the number and hash of a chain's last event, or None for an empty chain."""
    row = (
        await session.execute(select(audit_heads.c.seq, audit_heads.c.hash).where(audit_heads.c.chain == chain))
    ).one_or_none()
    return None if row is None else (row.seq, row.hash)


async def append(session: WriteSession, chain: str, event: AuditEvent) -> None:
    """Add an event and move the chain's head to it."""
    if event.seq == 1:
        await session.execute(insert(audit_heads).values(chain=chain, seq=event.seq, hash=event.hash))
    else:
        await session.execute(
            update(audit_heads).where(audit_heads.c.chain == chain).values(seq=event.seq, hash=event.hash)
        )
    await session.execute(
        insert(audit_events).values(
            chain=chain,
            seq=event.seq,
            at=event.at,
            actor=canonical(event.actor),
            action=event.action,
            subject=canonical(event.subject),
            detail=canonical(event.detail),
            previous_hash=event.previous_hash,
            hash=event.hash,
        )
    )


async def events_newest_first(
    session: ReadSession, chain: str, *, before_seq: int | None, limit: int
) -> list[AuditEvent]:
    """Return a page of a chain, newest first.

    Args:
        session: where to read.
        chain: the account's ID, or `platform`.
        before_seq: only events older than this number; None starts with the newest.
        limit: most events to return.

    Returns:
        The events.
    """
    query = select(audit_events).where(audit_events.c.chain == chain).order_by(audit_events.c.seq.desc()).limit(limit)
    if before_seq is not None:
        query = query.where(audit_events.c.seq < before_seq)
    return [_event(row) for row in await session.execute(query)]


async def events_oldest_first(session: ReadSession, chain: str, *, after_seq: int, limit: int) -> list[AuditEvent]:
    """Return a page of a chain in the order in which it happened."""
    query = (
        select(audit_events)
        .where(audit_events.c.chain == chain, audit_events.c.seq > after_seq)
        .order_by(audit_events.c.seq)
        .limit(limit)
    )
    return [_event(row) for row in await session.execute(query)]


async def chain_names(session: ReadSession) -> list[str]:
    """Return the names of all chains, of those that lost their head or their events too."""
    heads = select(audit_heads.c.chain)
    events = select(audit_events.c.chain).distinct()
    return sorted(row.chain for row in await session.execute(heads.union(events)))


def _event(row: Row[tuple[object, ...]]) -> AuditEvent:
    return AuditEvent(
        seq=row.seq,
        at=row.at,
        actor=_object(row.actor),
        action=row.action,
        subject=_object(row.subject),
        detail=_object(row.detail),
        previous_hash=row.previous_hash,
        hash=row.hash,
    )


def _object(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except ValueError:
        # Only tampering leaves unreadable text here; shown as it is, its hash cannot hold.
        value = None
    return value if isinstance(value, dict) else {"unreadable": text}
