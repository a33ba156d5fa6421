"""The activity as a file: CSV to read, JSON lines to check. Read and sent in pieces, however long it is.

Each piece is read in a transaction of its own, so that a slow download holds no connection to the database. What is
recorded meanwhile is not in the file: the end is fixed before the first piece.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable

from keywright.audit import AuditEvent, EventFilter, events_newest_first, events_oldest_first
from keywright.audit.event import FORMAT
from keywright.audit.store import head_of
from keywright.storage import Database, ReadSession
from keywright.web.sentences import plain, sentence, writable

_PIECE = 500
_COLUMNS = (
    *("Number", "Time (UTC)", "What happened", "Action", "Actor kind", "Actor", "On behalf of"),
    *("Subject kind", "Subject", "Detail", "Previous hash", "Hash"),
)
# A spreadsheet takes a cell that begins so for a formula, and runs it.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


async def as_json(database: Database, chain: str, only: EventFilter) -> AsyncIterator[bytes]:
    """Write events as JSON lines, oldest first.

    Args:
        database: where they are.
        chain: the account's ID.
        only: which events. All of them make a file that `keywright audit verify` checks; a part of them cannot be
            checked, and its first line says so.

    Yields:
        The file, piece by piece.
    """
    async with database.read() as session:
        seq, head_hash = await head_of(session, chain) or (0, None)
        last_seq = await _last_seq(session, chain)
    head: dict[str, object] = {"format": FORMAT, "chain": chain, "events": seq, "head": head_hash}
    if only:
        chosen = {"kind": only.kind, "actor": only.actor, "since": only.since, "before": only.before}
        head = {"partOf": FORMAT, "chain": chain, "filter": {name: value for name, value in chosen.items() if value}}
    yield f"{json.dumps(head, ensure_ascii=False)}\n".encode()
    async for events in _pieces(database, chain, only, last_seq):
        yield "".join(f"{_json(event)}\n" for event in events).encode()


async def as_csv(database: Database, chain: str, only: EventFilter) -> AsyncIterator[bytes]:
    """Write events as CSV (RFC 4180) with a sentence for each, oldest first.

    Args:
        database: where they are.
        chain: the account's ID.
        only: which events.

    Yields:
        The file, piece by piece.
    """
    async with database.read() as session:
        last_seq = await _last_seq(session, chain)
    # Spreadsheets take a file for UTF-8 only if it begins with this mark.
    yield b"\xef\xbb\xbf" + _csv([_COLUMNS])
    async for events in _pieces(database, chain, only, last_seq):
        yield _csv(_cells(event) for event in events)


async def _last_seq(session: ReadSession, chain: str) -> int:
    """The last event that is there; what the head says is another matter, which checking the file brings to light."""
    newest = await events_newest_first(session, chain, before_seq=None, limit=1)
    return newest[0].seq if newest else 0


async def _pieces(database: Database, chain: str, only: EventFilter, last_seq: int) -> AsyncIterator[list[AuditEvent]]:
    after_seq = 0
    while after_seq < last_seq:
        async with database.read() as session:
            events = await events_oldest_first(session, chain, after_seq=after_seq, limit=_PIECE, only=only)
        if not events:
            return
        after_seq = events[-1].seq
        yield [event for event in events if event.seq <= last_seq]


def _json(event: AuditEvent) -> str:
    text = json.dumps(event.public(), ensure_ascii=False)
    # Half a character, which only tampering leaves: written as an escape, so that the check sees what is there.
    return text if writable(text) == text else json.dumps(event.public())


def _cells(event: AuditEvent) -> tuple[str, ...]:
    actor, subject = event.actor, event.subject
    return (
        str(event.seq),
        event.at,
        plain(sentence(event)),
        event.action,
        *(str(actor.get(name, "")) for name in ("kind", "name", "onBehalfOf")),
        *(str(subject.get(name, "")) for name in ("kind", "id")),
        json.dumps(event.detail, ensure_ascii=False) if event.detail else "",
        event.previous_hash,
        event.hash,
    )


def _csv(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_harmless(cell) for cell in row] for row in rows)
    return writable(text.getvalue()).encode()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
