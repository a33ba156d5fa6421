"""The freshness protocol: who may trust a cached key for how long, and when a revocation is certain to be in force.

Two small state machines, without I/O and without a clock: rows and times go in, decisions come out. What talks to the
database drives them (`keeper.py`, `receipt.py`), and the model check in tests/unit/freshness drives the very same
classes through every order of events. The argument why they are sound is docs/decisions/0009-freshness-many-nodes.md.

Times are seconds of one machine's own clock, which never goes back and counts the time in which it was suspended. Two
machines' clocks are never compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

# How much shorter a verifier takes its lease than a control node does: clocks of two machines may run at rates that
# differ by that much. Crystals differ by a ten-thousandth.
MARGIN = 0.05
_NEVER = float("-inf")

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Revoked:
    """One revocation.

    Args:
        number: its place among all, counted without a gap in the order of commits.
        subject: the key, or the account whose keys stopped.
    """

    number: int
    subject: str


@dataclass(frozen=True, slots=True)
class Round:
    """A renewal under way.

    Args:
        registration: the row that it renews.
        renewals: how many renewals that row must have had.
        started_seconds: the time before anything was sent.
    """

    registration: str
    renewals: int
    started_seconds: float


class Lease(Generic[Entry]):
    """A verifier's half: its cache, and until when that may be trusted.

    Args:
        lease_seconds: how long a renewal is good for, by the row in the database.
        size: most entries to keep.
        most_marks: most revoked subjects to remember.
    """

    def __init__(self, *, lease_seconds: float, size: int, most_marks: int = 10_000) -> None:
        self.lease_seconds = lease_seconds
        self.trusted_until_seconds = _NEVER
        self.registration: str | None = None
        self.applied = 0
        self.renewals = 0
        self._size = size
        self._most_marks = most_marks
        self._entries: dict[str, tuple[str, Entry]] = {}
        self._of_account: dict[str, set[str]] = {}
        # Revocations are counted here as they are applied, and a fill notes the count at its start. A mark says at
        # which count its subject was revoked: fills that started before it came too late.
        self._count = 0
        self._marks: dict[str, int] = {}
        # Fills that started before this count are too late, whatever they filled.
        self._floor = 0

    def __len__(self) -> int:
        """How many entries are kept."""
        return len(self._entries)

    def cached(self, client_id: str, now_seconds: float) -> Entry | None:
        """Return an entry that is true now.

        Args:
            client_id: the key.
            now_seconds: the time, taken after the request came.

        Returns:
            The entry; None if there is none or it may not be trusted.
        """
        if now_seconds >= self.trusted_until_seconds:
            return None
        found = self._entries.get(client_id)
        return None if found is None else found[1]

    def begin_fill(self) -> int:
        """Note that the database is about to be read.

        Returns:
            What `store` wants to know of the beginning.
        """
        return self._count

    def store(self, begun: int, client_id: str, account_id: str, entry: Entry) -> bool:
        """Keep what was read, unless it may have been revoked since it was read.

        Args:
            begun: what `begin_fill` said before the read was sent.
            client_id: the key.
            account_id: its account.
            entry: what was read.

        Returns:
            Whether it was kept.
        """
        late = self._floor > begun or self._marks.get(client_id, 0) > begun or self._marks.get(account_id, 0) > begun
        if late:
            return False
        if client_id not in self._entries and len(self._entries) >= self._size:
            self._evict(next(iter(self._entries)))
        self._entries[client_id] = account_id, entry
        self._of_account.setdefault(account_id, set()).add(client_id)
        return True

    def forget(self) -> None:
        """Trust nothing any more, keep nothing, and take nothing from fills under way."""
        self.trusted_until_seconds = _NEVER
        self.registration = None
        self._empty()

    def registered(self, registration: str, number: int) -> None:
        """Begin anew, with a row of our own that is committed. That alone gives no trust: a round has to follow.

        Args:
            registration: the row's id, never used before.
            number: the number of revocations when the row was made.
        """
        self.forget()
        self.registration, self.applied, self.renewals = registration, number, 0

    def begin_round(self, now_seconds: float) -> Round:
        """Begin a renewal.

        Args:
            now_seconds: the time, taken before anything of this round is sent.

        Returns:
            The round.
        """
        assert self.registration is not None, "a verifier registers before it renews"
        return Round(self.registration, self.renewals, now_seconds)

    def apply(self, number: int, revoked: Sequence[Revoked]) -> bool:
        """Evict what was revoked, and remember that it was.

        Args:
            number: how many revocations there have been.
            revoked: those after `applied`, in order, of one look at the database together with `number`.

        Returns:
            Whether the round may go on, to tell the database of `applied`. If not, all was forgotten: register anew.
        """
        if number < self.applied:
            self.forget()  # another database, or an older state of it
            return False
        if [each.number for each in revoked] == list(range(self.applied + 1, number + 1)):
            for each in revoked:
                self._revoke(each.subject)
        else:
            self._empty()  # some are no longer listed; they may have been any
        self.applied = number
        return True

    def renewed(self, this: Round, updated: int) -> bool:
        """End a renewal whose commit was answered.

        Args:
            this: the round.
            updated: how many rows had the round's id and number of renewals, were live, and are now renewed.

        Returns:
            Whether the cache is trusted. If not, all was forgotten: register anew.
        """
        if updated != 1 or this.registration != self.registration:
            self.forget()  # we were declared expired, or the database is another or older one
            return False
        self.renewals = this.renewals + 1
        self.trusted_until_seconds = this.started_seconds + self.lease_seconds * (1 - MARGIN)
        return True

    def _revoke(self, subject: str) -> None:
        self._count += 1
        for client_id in (subject, *self._of_account.get(subject, ())):
            self._evict(client_id)
        self._marks.pop(subject, None)  # so that the oldest mark is always the first
        self._marks[subject] = self._count
        if len(self._marks) > self._most_marks:
            self._floor = max(self._floor, self._marks.pop(next(iter(self._marks))))

    def _evict(self, client_id: str) -> None:
        account_id, _ = self._entries.pop(client_id, (None, None))
        if account_id is not None:
            others = self._of_account[account_id]
            others.discard(client_id)
            if not others:
                del self._of_account[account_id]

    def _empty(self) -> None:
        self._count += 1
        self._floor = self._count
        self._marks.clear()
        self._entries.clear()
        self._of_account.clear()


@dataclass(frozen=True, slots=True)
class VerifierRow:
    """What the database knows of one registration of a verifier.

    Args:
        applied: the last revocation that it applied.
        lease_seconds: how long it trusts its cache from the start of a renewal.
        live: whether it may renew. If not, its lease is over for good.
    """

    applied: int
    lease_seconds: float
    live: bool = True


class Confirmation:
    """A control node's half: whom a committed revocation waits for, and until when.

    Args:
        number: the revocation's.
        verifiers: all live rows as the revoking transaction saw them while it held the counter. Rows that are made
            later begin with this revocation applied.
        committed_seconds: the time, taken after the commit was answered.
    """

    def __init__(self, number: int, verifiers: Mapping[str, VerifierRow], committed_seconds: float) -> None:
        self.number = number
        self.confirmed = 0
        self.expired = 0
        # A renewal that did not see the revocation began before this time: its lease is over then.
        self._over_at_seconds = {each: committed_seconds + row.lease_seconds for each, row in verifiers.items()}

    @property
    def waiting(self) -> list[str]:
        """Ids of the rows that are waited for."""
        return list(self._over_at_seconds)

    def look(self, rows: Mapping[str, VerifierRow]) -> None:
        """Take in what the database says of the rows that are waited for.

        Args:
            rows: by id; a row that is not there was taken away by its verifier, which had stopped verifying before.
        """
        for each in self.waiting:
            row = rows.get(each)
            if row is not None and row.live and row.applied < self.number:
                continue
            del self._over_at_seconds[each]
            if row is not None and row.applied >= self.number:
                self.confirmed += 1
            elif row is not None:
                self.expired += 1

    def remaining_seconds(self, now_seconds: float) -> float:
        """Tell how long there is still to wait if nobody else confirms.

        Args:
            now_seconds: the time.

        Returns:
            Seconds; 0 when the revocation is in force everywhere.
        """
        return max((at - now_seconds for at in self._over_at_seconds.values() if at > now_seconds), default=0.0)

    def give_up(self, now_seconds: float) -> list[str]:
        """Count those whose lease is over as expired.

        Args:
            now_seconds: the time.

        Returns:
            Their ids: rows to declare expired, unless they applied the revocation meanwhile.
        """
        over = [each for each, at in self._over_at_seconds.items() if at <= now_seconds]
        for each in over:
            del self._over_at_seconds[each]
        self.expired += len(over)
        return over
