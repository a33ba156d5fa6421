"""Stores on a real Valkey, and signatures that can be provable without waiting."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from keywright.valkey.address import parse_valkey_url
from keywright.verification.nonces import ReplayVerdict
from keywright.verification.valkey_nonces import ValkeyNonceStore

AGE, AHEAD = 300, 30
# Later than whatever a memory that began just now makes unprovable (33 s, in a cluster 40 s).
LATER = 60


@dataclass
class Stores:
    """Stores that are closed with the test."""

    url: str
    opened: list[ValkeyNonceStore] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    failures: int = 0

    def open(self, url: str | None = None, *, age: int = AGE, ahead: int = AHEAD, **more: object) -> ValkeyNonceStore:
        def count() -> None:
            self.failures += 1

        store = ValkeyNonceStore(
            parse_valkey_url(url or self.url), max_age_seconds=age, max_ahead_seconds=ahead, count_failure=count, **more
        )
        self.opened.append(store)
        return store

    async def close(self) -> None:
        while self.opened:
            await self.opened.pop().close()


async def use(
    store: ValkeyNonceStore,
    nonce: str = "nonce",
    *,
    client_id: str = "ck_one",
    created: float = LATER,
    key_age: float = 1e6,
) -> ReplayVerdict:
    """Present a nonce; `created` and the key's age in seconds from now."""
    now = time.time()
    return await store.remember(client_id, nonce, int(now + created), now - key_age, now)
