"""Revocations: counted in the transaction that makes them, so that verifiers know when what they cached has ended.

Deleting a key and switching an account's API access off are one kind of event. On one host every verification looks at
the committed state of the database (`verification/keys.py`), so a revocation is in force everywhere as soon as its
transaction is committed, and the receipt counts the host's shared database as the one verifier that confirmed.
"""

from __future__ import annotations

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


async def note_revocation(session: WriteSession) -> None:
    """Count a revocation.

    Args:
        session: the transaction that makes it.
    """
    await session.execute(update(revocation_counter).values(number=revocation_counter.c.number + 1))


async def revocation_number(session: ReadSession) -> int:
    """Tell how many revocations there have been. While it is unchanged, keys that were valid still are.

    Args:
        session: where to read.

    Returns:
        A number that only grows.
    """
    return int((await session.execute(select(revocation_counter.c.number))).scalar_one())


def receipt_of_shared_database(took_ms: float) -> Receipt:
    """Make the receipt of a committed revocation where all verifiers share the database.

    Args:
        took_ms: milliseconds from the request to the end of the commit.

    Returns:
        The receipt.
    """
    return Receipt(confirmed=1, expired=0, took_ms=round(took_ms, 3))
