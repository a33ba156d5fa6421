"""Looks after the memory of nonces in Valkey: is it there, may it forget, since when does it remember?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from keywright.errors import Unavailable
from keywright.valkey.client import ValkeyClient
from keywright.verification.valkey_buckets import (
    KEY_SKEW_SECONDS,
    SKEW_SECONDS,
    Buckets,
    clock_fault,
    nonce_script,
)

_EVERY_SECONDS = 1.0
_WHOLE_SECONDS = 4.0
_AT_ONCE = 8  # buckets that are looked after at the same time; the other connections are for requests
_log = structlog.get_logger("keywright.verification")


@dataclass(frozen=True, slots=True)
class ValkeyNonceStatistics:
    """What is known of the memory, for /metrics.

    Args:
        buckets: into how many it is divided.
        answering: how many of them answered when they were last looked at.
        began_at: when the youngest bucket's memory began, seconds since 1970; 0 before the first look.
        unprovable_through: signatures created up to then, seconds since 1970, are refused by some bucket.
        is_known: whether every bucket answered and nothing that is signed now is unprovable.
    """

    buckets: int
    answering: int
    began_at: float
    unprovable_through: float
    is_known: bool


class MemoryWatch:
    """Looks at every bucket's marker once a second, so that a loss is noticed then, and not at the next request.

    Args:
        client: the connections.
        buckets: what to look at.
        clock: tells the wall time, seconds since 1970 UTC.
        count_failure: called for each bucket that did not answer.
    """

    def __init__(
        self, client: ValkeyClient, buckets: Buckets, *, clock: Callable[[], float], count_failure: Callable[[], None]
    ) -> None:
        self._client = client
        self._buckets = buckets
        self._clock = clock
        self._count_failure = count_failure
        # Of each bucket: what is unprovable there, seconds since 1970, or None if it did not answer; when it began.
        self._through: list[float | None] = [None] * len(buckets)
        self._began: list[float] = [0.0] * len(buckets)
        self.is_running = False
        self.is_asked = False  # whether anything ever answered
        self.unfit: Unavailable | None = None  # why Valkey, as it is set, may forget
        self._was_away = False
        self._running: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[Unavailable | None] | None = None
        self._is_closed = False

    def start(self) -> None:
        """Begin to look regularly, on the running event loop.

        Raises:
            Unavailable: it was closed.
        """
        if self._is_closed:
            raise Unavailable("the memory of used nonces is closed")
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())
            self.is_running = True

    async def look(self) -> Unavailable | None:
        """Look now, or await the look that is under way.

        Returns:
            Why some bucket did not answer, if one did not.
        """
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look_at_all())
        return await asyncio.shield(self._looking)

    async def check(self) -> None:
        """Make sure that questions can be answered now.

        Raises:
            Unavailable: no bucket can be asked, Valkey may forget, or the clock differs.
        """
        self.start()
        fault = await self.look()
        if self.unfit is not None:
            raise self.unfit
        # That one node of a cluster is lost must not stop what the others have.
        if fault is not None and self.statistics().answering == 0:
            raise fault

    async def settle(self) -> None:
        """If the memory has only just begun, wait until a key that is made now can be used at once."""
        wait = max(self._began) + KEY_SKEW_SECONDS - self._clock()
        if 0 < wait <= KEY_SKEW_SECONDS + SKEW_SECONDS:
            await asyncio.sleep(wait + 0.01)

    def statistics(self) -> ValkeyNonceStatistics:
        """Tell what was seen at the last look."""
        answering = [each for each in self._through if each is not None]
        through = max(answering, default=0.0)
        is_whole = len(answering) == len(self._buckets) and self.unfit is None
        return ValkeyNonceStatistics(
            buckets=len(self._buckets),
            answering=len(answering),
            began_at=max(self._began),
            unprovable_through=through,
            is_known=is_whole and through + 1 <= self._clock(),  # created is in whole seconds
        )

    async def close(self) -> None:
        """Cease to look."""
        self._is_closed = True
        self.is_running = False
        for task in (self._running, self._looking):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(_EVERY_SECONDS)

    async def _look_at_all(self) -> Unavailable | None:
        faults: list[Unavailable] = []
        unfit: list[Unavailable] = []
        todo = iter(range(len(self._buckets)))

        async def work() -> None:
            for bucket in todo:
                self._through[bucket] = None
                try:
                    await self._look_at(bucket, unfit)
                except Unavailable as error:
                    faults.append(error)

        try:
            async with asyncio.timeout(_WHOLE_SECONDS):
                await asyncio.gather(*(work() for _ in range(min(_AT_ONCE, len(self._buckets)))))
        except TimeoutError:
            faults.append(Unavailable("the memory of used nonces takes too long to answer; try again in a moment"))
            for bucket in todo:
                self._through[bucket] = None
        if any(each is not None for each in self._through):
            # While nothing answers, nothing new is known: what it was found to be stays.
            self.unfit = unfit[0] if unfit else None
            self.is_asked = True
        self._tell(faults + unfit)
        return faults[0] if faults else None

    async def _look_at(self, bucket: int, unfit: list[Unavailable]) -> None:
        now = self._clock()
        arguments = (int(now * 1000), *self._buckets.window)
        answer = await self._client.run(nonce_script(), (self._buckets.marker(bucket),), arguments)
        if not isinstance(answer, list):
            raise clock_fault(-answer / 1000, now, self._clock())
        since, lost, forgot = (value / 1000 for value in answer[1:4])
        policy, mode = (value.decode() for value in answer[4:6])
        if policy != "noeviction":
            unfit.append(_unfit(f"maxmemory-policy is {policy or 'unknown'}: it may forget; set it to noeviction"))
        if (mode == "cluster") != self._buckets.is_cluster:
            unfit.append(_unfit("valkey-cluster:// is for a cluster, and valkey:// for a single server: change one"))
        if since != self._began[bucket]:
            if self._began[bucket]:
                _log.warning("nonce_memory_began_anew", bucket=bucket, unprovable_through=lost)
            self._began[bucket] = since
        self._through[bucket] = max(lost, forgot)

    def _tell(self, faults: list[Unavailable]) -> None:
        for _ in faults:
            self._count_failure()
        if faults and not self._was_away:
            _log.error("nonce_memory_away", faults=len(faults), reason=faults[0].private or faults[0].message)
        if self._was_away and not faults:
            _log.warning("nonce_memory_is_back")
        self._was_away = bool(faults)


def _unfit(reason: str) -> Unavailable:
    return Unavailable("Valkey is not set up to remember nonces; the verifier's log says why", private=reason)
