"""Has this signature been used before? The memory that all verifiers of a deployment share, in Valkey.

Every question is one script, run by the server that has the nonce's bucket (`valkey_nonces.lua`): the marker of the
bucket tells since when it remembers, and by which process of which server. Any other process, any promotion and any
flush means that the memory begins now; what could have been used before is then unprovable. Why that is sound, and what
Valkey must be set to, is in docs/decisions/0010-replay-on-valkey.md.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from keywright.errors import Unavailable
from keywright.valkey.address import ValkeyAddress
from keywright.valkey.client import Script, ValkeyClient
from keywright.verification.nonces import UNPROVABLE_METRIC, ReplayVerdict, Watch
from keywright.verification.valkey_buckets import Buckets, clock_fault, nonce_script
from keywright.verification.valkey_watch import MemoryWatch, ValkeyNonceStatistics

# To the script of a nonce, a marker of another server is a loss of memory; what else the marker knows is kept.
_VOUCH_NO_LONGER = Script(
    "if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'id', '') end return 1"
)
_VERDICTS = {1: ReplayVerdict.FRESH, 2: ReplayVerdict.REPLAYED, 3: ReplayVerdict.UNPROVABLE}


class ValkeyNonceStore:
    """Remembers nonces in Valkey. Used from one event loop.

    Args:
        address: where Valkey is.
        max_age_seconds: how old an accepted signature may be.
        max_ahead_seconds: how far in the future it may be dated.
        clock: tells the wall time, seconds since 1970 UTC.
        count_failure: called for each question that got no answer.
    """

    def __init__(
        self,
        address: ValkeyAddress,
        *,
        max_age_seconds: int,
        max_ahead_seconds: int,
        clock: Callable[[], float] = time.time,
        count_failure: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = ValkeyClient(address, "the memory of used nonces")
        self._buckets = Buckets(
            is_cluster=address.is_cluster, max_age_seconds=max_age_seconds, max_ahead_seconds=max_ahead_seconds
        )
        self._watch = MemoryWatch(self._client, self._buckets, clock=clock, count_failure=count_failure)
        self._clock = clock
        self._count_failure = count_failure

    async def remember(
        self,
        client_id: str,
        nonce: str,
        created: int,
        credential_created_at: float,
        now: float,
        *,
        is_by_end: bool = False,
    ) -> ReplayVerdict:
        """Judge a signature that holds, and remember it if it is fresh.

        Args:
            client_id: who signed.
            nonce: the signature's `nonce`.
            created: the signature's `created`, seconds since 1970, found to be within the window.
            credential_created_at: when the key was made, seconds since 1970, not rounded up.
            now: the time by which the window was judged, seconds since 1970.
            is_by_end: whether `created` is not what the signer said, but `max_age_seconds` before the end that they
                said; a node with another `max_age_seconds` has another `created` for it.

        Returns:
            FRESH: it was not used before, and is now. REPLAYED: it was used before. UNPROVABLE: it could have been used
            at a time of which the memory knows nothing.

        Raises:
            Unavailable: there was no answer (it may have been remembered all the same, so that another try with the
                same nonce is refused), the clock differs from Valkey's, or Valkey is set so that it may forget.

        Source: RFC 9421 section 7.2.2 (signature replay).
        """
        watch = self._watch
        if not watch.is_running:
            watch.start()
        if not watch.is_asked:
            fault = await watch.look()
            if fault is not None and not watch.is_asked:
                raise fault
        if watch.unfit is not None:
            raise watch.unfit
        made = int(credential_created_at * 1000)
        # The attempt's own name, since the client sends it again if the connection breaks before the answer.
        arguments = (int(now * 1000), *self._buckets.window, created * 1000, made, os.urandom(12), int(is_by_end))
        try:
            answer = await self._client.run(nonce_script(), self._buckets.keys_of(client_id, nonce), arguments)
            if answer < 0:
                raise clock_fault(-answer / 1000, now, self._clock())
        except Unavailable:
            self._count_failure()
            raise
        return _VERDICTS[answer]

    async def check(self) -> None:
        """Make sure that questions can be answered now; for a readiness check.

        Raises:
            Unavailable: no bucket can be asked, Valkey may forget, or the clock differs.
        """
        await self._watch.check()

    async def begin(self) -> None:
        """Begin the memory before the first key is made: a key that is made afterwards can be used at once.

        Raises:
            Unavailable: as for `check`, with the private reason in the message: it is the operator who starts us.
        """
        try:
            await self._watch.check()
        except Unavailable as error:
            reason = f"; valkey_url or what is there is to be mended: {error.private}" if error.private else ""
            raise Unavailable(error.message + reason, private=error.private) from error
        await self._watch.settle()

    async def begin_anew(self) -> None:
        """Vouch no longer for what was before: it was remembered elsewhere, in a memory that is being left.

        Raises:
            Unavailable: not every bucket was told.
        """
        for bucket in range(len(self._buckets)):
            await self._client.run(_VOUCH_NO_LONGER, (self._buckets.marker(bucket),), ())

    def statistics(self) -> ValkeyNonceStatistics:
        """Tell what was seen at the last look, about a second ago."""
        return self._watch.statistics()

    def show(self, watch: Watch) -> None:
        """Hand over what is to be seen of the memory in /metrics."""
        watch(*UNPROVABLE_METRIC, lambda: self.statistics().unprovable_through)
        watch(
            "keywright_nonce_memory_known",
            "1 while Valkey answers for all nonces and remembers whatever could be signed now, else 0.",
            lambda: self.statistics().is_known,
        )
        watch("keywright_nonce_buckets", "Parts into which the memory is divided.", lambda: len(self._buckets))
        watch("keywright_nonce_buckets_answering", "Those that answer.", lambda: self.statistics().answering)

    async def close(self) -> None:
        """Close the connections; what Valkey remembers stays."""
        await self._watch.close()
        await self._client.close()
