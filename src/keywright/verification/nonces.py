"""What a memory of used nonces is, whichever it is: the host's own files, or Valkey for many hosts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Protocol

# Name, description, and what returns the number: `Metrics.watch`.
Watch = Callable[[str, str, Callable[[], float]], None]
UNPROVABLE_METRIC = (
    "keywright_nonces_unprovable_through",
    "Signatures created up to then, seconds since 1970 UTC, are refused as nonce_unprovable.",
)


class ReplayVerdict(Enum):
    """What the memory says of a signature."""

    FRESH = "fresh"
    REPLAYED = "replayed"
    UNPROVABLE = "unprovable"


class NonceStore(Protocol):
    """Remembers nonces: `EmbeddedNonceStore` answers at once, `ValkeyNonceStore` is awaited.

    Whoever asks looks at the answer: only if it is none yet, it is awaited. So the store of the host costs no more than
    a call, and one way through the verifier serves both.
    """

    def remember(
        self,
        client_id: str,
        nonce: str,
        created: int,
        credential_created_at: float,
        now: float,
        *,
        is_by_end: bool = False,
    ) -> ReplayVerdict | Awaitable[ReplayVerdict]:
        """Judge a signature that holds, and remember it if it is fresh; see `EmbeddedNonceStore.remember`."""

    def check(self) -> Awaitable[None] | None:
        """Make sure that questions can be answered now; raises Unavailable if not."""

    def show(self, watch: Watch) -> None:
        """Hand over what is to be seen of the memory in /metrics."""

    def close(self) -> Awaitable[None] | None:
        """Let go of what is open; what is remembered stays."""


async def done(answer: Awaitable[None] | None) -> None:
    """Wait for what `check` and `close` of either store return.

    Args:
        answer: what was returned.
    """
    if answer is not None:
        await answer
