"""Revocations: noted in the transaction that makes them, so that verifiers know when what they cached has ended.

Deleting a key and switching an account's API access off are one kind of event. On one host every verification looks at
the committed state of the database (`verification/keys.py`), so a revocation is in force everywhere as soon as its
transaction is committed, and the receipt counts the host's shared database as the one verifier that confirmed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import select, update

from keywright.storage import ReadSession, WriteSession
from keywright.storage.tables import revocation_counter


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


async def note_revocation(session: WriteSession, subject: str) -> None:
    """Note that keys stop working.

    Args:
        session: the transaction that makes it so.
        subject: the key, or the account whose keys stop.
    """
    await _step(session, subject, revocations=1)


async def note_new_key(session: WriteSession, subject: str) -> None:
    """Note that keys begin to work: verifiers then start from what is there, whatever was there before.

    Without it, a key that a restored backup does not know could go on working from a cache.

    Args:
        session: the transaction that makes it so.
        subject: the key, or the account whose keys begin to work.
    """
    await _step(session, subject, revocations=0)


async def key_state(session: ReadSession) -> tuple[int, str]:
    """Tell which history of keys this is. While it is the same, the keys that worked still do.

    Args:
        session: where to read.

    Returns:
        How many revocations there have been, and the token of all changes up to now. To be compared for equality.
    """
    row = (await session.execute(select(revocation_counter.c.number, revocation_counter.c.token))).one()
    return row.number, row.token


async def _step(session: WriteSession, subject: str, *, revocations: int) -> None:
    number, token = await key_state(session)
    following = hashlib.sha256(f"{token}\n{session.now_ms}\n{subject}\n{revocations}".encode()).hexdigest()
    await session.execute(update(revocation_counter).values(number=number + revocations, token=following))


def receipt_of_shared_database(took_ms: float) -> Receipt:
    """Make the receipt of a committed revocation where all verifiers share the database.

    Args:
        took_ms: milliseconds from the request to the end of the commit.

    Returns:
        The receipt.
    """
    return Receipt(confirmed=1, expired=0, took_ms=round(took_ms, 3))
