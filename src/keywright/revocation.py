"""Revocations: noted in the transaction that makes them, so that verifiers know when what they cached has ended.

Deleting a key and switching an account's API access off are one kind of event. On one host every verification looks at
the committed state of the database (`verification/keys.py`), so a revocation is in force everywhere as soon as its
transaction is committed, and the receipt counts the host's shared database as the one verifier that confirmed. Where
verifiers on other hosts keep caches of their own, `freshness/receipt.py` waits for them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import delete, insert, select, update

from keywright.storage import ReadSession, WriteSession
from keywright.storage.tables import revocation_counter, revocations, verifiers

CHANNEL = "keywright_revoked"
_KEPT_MS = 24 * 3600 * 1000
_PRUNE_EACH = 64


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a revocation.

    Args:
        confirmed: verifiers that confirmed it.
        expired: verifiers that were cut off, and whose lease ran out instead.
        took_ms: milliseconds from the request to certainty.
    """

    confirmed: int
    expired: int
    took_ms: float

    def public(self) -> dict[str, int | float]:
        """The receipt as it is shown."""
        return {"confirmed": self.confirmed, "expired": self.expired, "tookMs": self.took_ms}


@dataclass(frozen=True, slots=True)
class LiveVerifier:
    """A verifier with a cache of its own, as the database knows it.

    Args:
        id: of its registration.
        lease_seconds: how long it trusts its cache after it last asked.
        applied: the last revocation that it applied.
    """

    id: str
    lease_seconds: float
    applied: int


@dataclass(frozen=True, slots=True)
class Revocation:
    """A revocation that was noted, and is to be waited for once its transaction is committed.

    Args:
        number: its place among all.
        verifiers: whom it has to reach: all that were registered before it. Who registers later begins with it applied.
        server: that holds it; what another one says of those verifiers tells nothing.
        is_new: whether it was made now; one of before is waited for again where its receipt may never have been had.
    """

    number: int
    verifiers: tuple[LiveVerifier, ...]
    server: str = ""
    is_new: bool = True


async def note_revocation(session: WriteSession, kind: Literal["credential", "account"], subject: str) -> Revocation:
    """Note that keys stop working.

    Args:
        session: the transaction that makes it so.
        kind: what the subject is.
        subject: the key, or the account whose keys stop.

    Returns:
        The revocation. It is in force everywhere when its receipt was had, not before.
    """
    number = await _step(session, subject, count=1)
    await session.execute(insert(revocations).values(number=number, kind=kind, subject=subject, at=session.now_ms))
    if number % _PRUNE_EACH == 0:
        await session.execute(delete(revocations).where(revocations.c.at < session.now_ms - _KEPT_MS))
    # Only now, while the counter's row is ours: verifiers take it to register, so none can slip in between.
    found = await _live_verifiers(session)
    await session.notify(CHANNEL)
    return Revocation(number, found, session.server)


async def last_revocation(session: ReadSession) -> Revocation:
    """Return the last revocation that was committed, which may still be on its way to the verifiers.

    Args:
        session: where to read. Verifiers are looked for after the number, so one that is not seen registered later.

    Returns:
        The revocation.
    """
    number, _ = await key_state(session)
    return Revocation(number, await _live_verifiers(session), session.server, is_new=False)


async def note_new_key(session: WriteSession, subject: str) -> None:
    """Note that keys begin to work: verifiers then start from what is there, whatever was there before.

    Without it, a key that a restored backup does not know could go on working from a cache.

    Args:
        session: the transaction that makes it so.
        subject: the key, or the account whose keys begin to work.
    """
    await _step(session, subject, count=0)


async def key_state(session: ReadSession) -> tuple[int, str]:
    """Tell which history of keys this is. While it is the same, the keys that worked still do.

    Args:
        session: where to read.

    Returns:
        How many revocations there have been, and the token of all changes up to now. To be compared for equality.
    """
    row = (await session.execute(select(revocation_counter.c.number, revocation_counter.c.token))).one()
    return row.number, row.token


async def _live_verifiers(session: ReadSession) -> tuple[LiveVerifier, ...]:
    query = select(verifiers.c.id, verifiers.c.lease_ms, verifiers.c.applied).where(verifiers.c.state == "live")
    rows = await session.execute(query)
    return tuple(LiveVerifier(row.id, row.lease_ms / 1000, row.applied) for row in rows)


async def _step(session: WriteSession, subject: str, *, count: int) -> int:
    number, token = await key_state(session)
    number += count
    following = hashlib.sha256(f"{token}\n{session.now_ms}\n{subject}\n{count}".encode()).hexdigest()
    await session.execute(update(revocation_counter).values(number=number, token=following))
    return number


def receipt_of_shared_database(took_ms: float) -> Receipt:
    """Make the receipt of a committed revocation where all verifiers share the database.

    Args:
        took_ms: milliseconds from the request to the end of the commit.

    Returns:
        The receipt.
    """
    return Receipt(confirmed=1, expired=0, took_ms=round(took_ms, 3))
