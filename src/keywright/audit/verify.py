"""Check that a chain is whole: the same check for the live database and for an exported file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

from keywright.audit import store
from keywright.audit.event import event_hash, genesis_hash
from keywright.storage import ReadSession

_MEMBERS = {"seq", "at", "actor", "action", "subject", "detail", "previousHash", "hash"}


@dataclass(frozen=True, slots=True)
class BrokenChain:
    """Where a chain first breaks, and how."""

    chain: str
    seq: int
    problem: str


class ChainChecker:
    """Checks the events of one chain, fed in the order in which they happened.

    Args:
        chain: the account's ID, or `platform`.
    """

    def __init__(self, chain: str) -> None:
        self.chain = chain
        self.checked = 0
        self.last_hash = genesis_hash(chain)

    def check(self, event: dict[str, Any]) -> BrokenChain | None:
        """Check the next event.

        Args:
            event: as exported.

        Returns:
            None if it follows and is unchanged, else how the chain breaks here.
        """
        expected_seq = self.checked + 1
        if set(event) != _MEMBERS:
            return self._broken(expected_seq, "it does not have the members of an event")
        if event["seq"] != expected_seq:
            return self._broken(
                expected_seq,
                f"event {expected_seq} is missing or out of place; {event['seq']!r} is in its stead",
            )
        if event["previousHash"] != self.last_hash:
            return self._broken(expected_seq, "its previousHash is not the hash of the event before")
        try:
            actual_hash = event_hash(event)
        except ValueError:
            return self._broken(expected_seq, "it holds a number that no event holds")
        if event["hash"] != actual_hash:
            return self._broken(expected_seq, "its content is not what was hashed: the event was changed")
        self.checked += 1
        self.last_hash = actual_hash
        return None

    def finish(self, seq: int, head_hash: str) -> BrokenChain | None:
        """Check that the chain ends where its head says.

        Args:
            seq: number of the last event according to the head.
            head_hash: its hash according to the head.

        Returns:
            None if so, else how the end is broken.
        """
        if self.checked != seq:
            return self._broken(
                min(self.checked, seq) + 1, f"the chain has {self.checked} events, and its head says {seq}"
            )
        if self.last_hash != head_hash:
            return self._broken(seq, "the head of the chain carries another hash")
        return None

    def _broken(self, seq: int, problem: str) -> BrokenChain:
        return BrokenChain(self.chain, seq, problem)


@dataclass(frozen=True, slots=True)
class CheckedChain:
    """What became of checking one chain: how many events hold, counted from the first, and where it breaks, if so."""

    events: int
    broken: BrokenChain | None


async def check_stored_chain(
    session: ReadSession,
    chain: str,
    *,
    at_most: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> CheckedChain | None:
    """Check one chain in the database, with one query.

    Args:
        session: one consistent view of the database.
        chain: the account's ID, or `platform`.
        at_most: how many events the caller has time for; None checks all.
        progress: called now and then with how many events have been checked.

    Returns:
        The result; None if the chain is longer than `at_most`.
    """
    checker, head = ChainChecker(chain), None
    # One more than asked for: a head that says less than there is must not hide the rest.
    stored = store.stream_chain(session, chain, limit=None if at_most is None else at_most + 1)
    async with aclosing(stored) as batches:
        async for batch in batches:
            head = batch.head_seq or 0, batch.head_hash or genesis_hash(chain)
            if at_most is not None and head[0] > at_most:
                return None
            for event in batch.events:
                if broken := checker.check(event.public()):
                    return CheckedChain(checker.checked, broken)
            if progress is not None:
                progress(checker.checked)
    if head is None:
        head = await store.head_of(session, chain) or (0, genesis_hash(chain))
    return CheckedChain(checker.checked, checker.finish(*head))


async def check_stored_chains(
    session: ReadSession, *, chain: str | None = None, progress: Callable[[str, int], None] | None = None
) -> tuple[int, int, BrokenChain | None]:
    """Check the chains in the database.

    Args:
        session: one consistent view of the database.
        chain: only this one; None checks all.
        progress: called now and then with the chain's name and how many events have been checked in all.

    Returns:
        How many chains and how many events were checked, and the first break, or None.
    """
    names = [chain] if chain is not None else await store.chain_names(session)
    total = 0
    for number, name in enumerate(names, 1):
        told = None if progress is None else partial(_tell, progress, name, total)
        checked = await check_stored_chain(session, name, progress=told)
        assert checked is not None
        total += checked.events
        if checked.broken is not None:
            return number, total, checked.broken
    return len(names), total, None


def _tell(progress: Callable[[str, int], None], chain: str, before: int, checked: int) -> None:
    progress(chain, before + checked)
