"""What was asked of verifiers and what became of keys, each with its time, to be held against one another."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

ACCEPTED = "accepted"
NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True)
class Question:
    """One question and its answer. Times are seconds of this process's monotonic clock.

    Args:
        node: which verifier was asked.
        client_id: whose request it was.
        nonce: of the signature; None if it was a bearer token.
        started_at: before anything was sent.
        ended_at: when the answer was there.
        code: `accepted`, why not, or that there was no answer.
    """

    node: str
    client_id: str
    nonce: str | None
    started_at: float
    ended_at: float
    code: str


@dataclass(frozen=True)
class Spell:
    """Questions in a row, to one verifier, that had the same answer."""

    code: str
    started_at: float
    ended_at: float
    count: int

    def told(self, zero_at: float) -> str:
        begin, end = self.started_at - zero_at, self.ended_at - zero_at
        return f"{self.code} for {end - begin:.2f} s (from {begin:+.2f} to {end:+.2f} s, {self.count} questions)"


@dataclass
class Ledger:
    """Everything that happened; any thread may write."""

    questions: list[Question] = field(default_factory=list)
    deleted_at: dict[str, float] = field(default_factory=dict)  # when the delete had returned
    account_of: dict[str, str] = field(default_factory=dict)
    # Of an account whose API access was off: when switching it off had returned, and when switching it on was sent.
    off: list[tuple[str, float, float]] = field(default_factory=list)
    receipts: list[dict[str, float]] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)  # answers of the control plane that should not be

    def note_deleted(self, client_id: str) -> None:
        self.deleted_at.setdefault(client_id, time.monotonic())

    def accepted(self) -> list[Question]:
        return [each for each in list(self.questions) if each.code == ACCEPTED]

    def accepted_after_delete(self) -> list[Question]:
        """Acceptances that started after the key's delete had returned: there must be none."""
        return [each for each in self.accepted() if each.started_at > self.deleted_at.get(each.client_id, float("inf"))]

    def accepted_while_off(self) -> list[Question]:
        """Acceptances that lie within a time in which the account's access was off: there must be none."""
        return [
            each
            for each in self.accepted()
            for account, since, until in self.off
            if self.account_of.get(each.client_id) == account and since < each.started_at and each.ended_at < until
        ]

    def accepted_twice(self) -> list[tuple[str, str]]:
        """Nonces that were accepted more than once: there must be none."""
        counts = Counter((each.client_id, each.nonce) for each in self.accepted() if each.nonce is not None)
        return [nonce for nonce, count in counts.items() if count > 1]

    def assert_safe(self) -> None:
        """What must hold whatever happened."""
        late, while_off, twice = self.accepted_after_delete(), self.accepted_while_off(), self.accepted_twice()
        assert not late, f"{len(late)} accepted after their delete had returned: {late[:3]}"
        assert not while_off, f"{len(while_off)} accepted while access was off: {while_off[:3]}"
        assert not twice, f"{len(twice)} nonces accepted more than once: {twice[:3]}"

    def counts(self) -> dict[str, int]:
        """How many answers of each kind there were, of signatures and of tokens."""
        found = Counter(f"{'bearer' if each.nonce is None else 'signed'} {each.code}" for each in list(self.questions))
        return dict(sorted(found.items()))

    def spells(self, node: str, keys: Iterable[str], *, since: float = 0.0) -> list[Spell]:
        """What a verifier said of these keys, in the order in which the questions were put."""
        wanted = set(keys)
        asked = [
            each
            for each in list(self.questions)
            if each.node == node and each.client_id in wanted and each.ended_at > since
        ]
        asked.sort(key=lambda each: each.started_at)
        return [
            Spell(code, run[0].started_at, max(each.ended_at for each in run), len(run))
            for code, group in groupby(asked, key=lambda each: each.code)
            for run in [list(group)]
        ]

    def has_accepted(self, node: str, client_id: str, *, after: float) -> bool:
        """Tell whether a verifier has accepted a key in a question that was put after this time."""
        return any(
            each.node == node and each.client_id == client_id and each.started_at > after for each in self.accepted()
        )

    def first_accepted(self, node: str, client_id: str, *, after: float) -> float:
        """When a verifier's first acceptance of a key was there, of the questions put after this time."""
        return min(
            each.ended_at
            for each in self.accepted()
            if each.node == node and each.client_id == client_id and each.started_at > after
        )

    def last_accepted(self, client_id: str, *, node: str | None = None) -> float:
        """When the last question was put that was accepted; 0 if none was."""
        return max(
            (
                each.started_at
                for each in self.accepted()
                if each.client_id == client_id and (node is None or each.node == node)
            ),
            default=0.0,
        )
