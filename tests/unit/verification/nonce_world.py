"""A host to try the nonce store on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from keywright.verification.nonce_place import Machine
from keywright.verification.replay import EmbeddedNonceStore, ReplayVerdict

START = 1_800_000_000.0


@dataclass
class World:
    """A host with a clock to set, which can be switched off and on, and the store on it."""

    directory: Path
    now: float = START
    up: float = 50_000.0
    boots: int | None = 1
    stores: list[EmbeddedNonceStore] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def open(
        self, *, max_age_seconds: int = 300, max_ahead_seconds: int = 30, capacity: int = 100_000
    ) -> EmbeddedNonceStore:
        store = EmbeddedNonceStore.open(
            self.directory,
            clock=lambda: self.now,
            max_age_seconds=max_age_seconds,
            max_ahead_seconds=max_ahead_seconds,
            capacity=capacity,
            machine=Machine(None if self.boots is None else f"boot-{self.boots}", lambda: self.up),
        )
        self.stores.append(store)
        return store

    def settled(self) -> EmbeddedNonceStore:
        """A store that has been open for longer than a signature lives."""
        store = self.open()
        self.pass_time(1000)
        return store

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.up += seconds

    def reboot(self) -> None:
        self.close()
        assert self.boots is not None
        self.boots += 1
        self.up = 5.0

    def close(self) -> None:
        while self.stores:
            self.stores.pop().close()

    def use(
        self,
        store: EmbeddedNonceStore,
        nonce: str | None = None,
        *,
        client_id: str = "ck_one",
        created: int | None = None,
        key_age: float = 1e6,
    ) -> ReplayVerdict:
        nonce = nonce or f"nonce-{next(self.numbers)}"
        created = int(self.now) if created is None else created
        return store.remember(client_id, nonce, created, self.now - key_age, self.now)
