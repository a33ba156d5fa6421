"""Queries on the audit tables. Nothing here updates or deletes an event."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.engine import Row

from keywright.audit.event import AuditEvent, canonical
from keywright.audit.filter import EventFilter
from keywright.storage import ReadSession, WriteSession
from keywright.storage.tables import audit_events, audit_heads

_BATCH = 500
EVERYTHING = EventFilter()


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
    session: ReadSession, chain: str, *, before_seq: int | None, limit: int, only: EventFilter = EVERYTHING
) -> list[AuditEvent]:
    """Return a page of a chain, newest first.

    Args:
        session: where to read.
        chain: the account's ID, or `platform`.
        before_seq: only events older than this number; None starts with the newest.
        limit: most events to return.
        only: which events.

    Returns:
        The events.
    """
    query = select(audit_events).where(*_of(chain, only)).order_by(audit_events.c.seq.desc()).limit(limit)
    if before_seq is not None:
        query = query.where(audit_events.c.seq < before_seq)
    return [_event(row) for row in await session.execute(query)]


async def events_oldest_first(
    session: ReadSession, chain: str, *, after_seq: int, limit: int, only: EventFilter = EVERYTHING
) -> list[AuditEvent]:
    """Return a page of a chain in the order in which it happened."""
    query = (
        select(audit_events)
        .where(*_of(chain, only), audit_events.c.seq > after_seq)
        .order_by(audit_events.c.seq)
        .limit(limit)
    )
    return [_event(row) for row in await session.execute(query)]


@dataclass(frozen=True, slots=True)
class Stored:
    """Some events of a chain, and what its head says of its end; None for a head that is not there."""

    events: list[AuditEvent]
    head_seq: int | None
    head_hash: str | None


async def stream_chain(session: ReadSession, chain: str, *, limit: int | None) -> AsyncGenerator[Stored]:
    """Read a chain in the order in which it happened, with one query, however long it is.

    Args:
        session: where to read.
        chain: the account's ID, or `platform`.
        limit: most events to read; None reads all.

    Yields:
        Batches of events, each with the head; nothing for a chain without events.
    """
    head = select(audit_heads).where(audit_heads.c.chain == chain).subquery()
    query = (
        select(audit_events, head.c.seq.label("head_seq"), head.c.hash.label("head_hash"))
        .outerjoin(head, head.c.chain == audit_events.c.chain)
        .where(audit_events.c.chain == chain)
        .order_by(audit_events.c.seq)
        .limit(limit)
    )
    async with aclosing(session.stream(query, batch=_BATCH)) as batches:
        async for rows in batches:
            yield _stored(rows)


async def chain_names(session: ReadSession) -> list[str]:
    """Return the names of all chains, of those that lost their head or their events too."""
    heads = select(audit_heads.c.chain)
    events = select(audit_events.c.chain).distinct()
    return sorted(row.chain for row in await session.execute(heads.union(events)))


def _of(chain: str, only: EventFilter) -> list[ColumnElement[bool]]:
    """The conditions of a filter. All but the chain are asked of its events one by one, from the page's end on."""
    column = audit_events.c
    conditions = [column.chain == chain]
    if only.kind:
        conditions.append(column.action.startswith(f"{only.kind}.", autoescape=True))
    if only.actor:
        # The actor is JSON with sorted keys: behind `name` there is at most `onBehalfOf`.
        quoted = json.dumps(only.actor, ensure_ascii=False)[1:-1].lower()
        for special in "!%_":
            quoted = quoted.replace(special, f"!{special}")
        conditions.append(func.lower(column.actor).like(f'%"name":"%{quoted}%', escape="!"))
    if only.since:
        conditions.append(column.at >= only.since)
    if only.before:
        conditions.append(column.at < only.before)
    return conditions


def _stored(rows: Sequence[Row[Any]]) -> Stored:
    return Stored([_event(row) for row in rows], rows[0].head_seq, rows[0].head_hash)


def _event(row: Row[Any]) -> AuditEvent:
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
