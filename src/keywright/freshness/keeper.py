"""Keeps a verifier's lease: the task that tells the database how far this process has come, and learns of revocations.

It has one connection of its own, so that nothing else this process does can starve it, and a registration for each
connection: one that is lost takes its registration with it, and the cache is emptied before the next begins. Between
the two the lease runs on, so an outage shorter than a lease is ridden out.

    connect, listen -> register -> round, round, round ... (each third of a lease, and when woken)
       ^                                      |
       +---- anything that goes wrong --------+
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import structlog

from keywright.formats import RandomBytes
from keywright.freshness import store
from keywright.freshness.protocol import Lease
from keywright.revocation import CHANNEL

_log = structlog.get_logger()
_LEAVE_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 1.0
_MOST_ROWS = 20


class _BeginAnewError(Exception):
    """The row is not as we left it: we were declared expired, or the database is another or an older one."""


class Keeper:
    """Keeps one lease, from `start` to `stop`.

    Args:
        lease: what it keeps.
        connect: opens a connection to the database, as asyncpg does.
        clock: tells the time, seconds; it must count suspend (`clock.boot_seconds`).
        random_bytes: unpredictable bytes, for IDs.
        node: names this process to operators.
        version: of this software, shown to operators.
    """

    def __init__(
        self,
        lease: Lease[Any],
        connect: Callable[[], Awaitable[Any]],
        clock: Callable[[], float],
        random_bytes: RandomBytes,
        *,
        node: str,
        version: str,
    ) -> None:
        self._lease = lease
        self._connect = connect
        self._clock = clock
        self._random_bytes = random_bytes
        self._node = node[:200]
        self._version = version
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._connection: Any = None
        self._server: str | None = None  # that keeps the lease
        self._renewed = asyncio.Event()
        # Rows that are or may be ours: more than one only when a registration was not answered.
        self._rows: deque[str] = deque(maxlen=_MOST_ROWS)
        self._is_ending = False
        self._is_told = False

    def start(self) -> None:
        """Begin, on the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._live())

    async def stop(self) -> None:
        """Stop trusting the cache, then take leave, in bounded time: with that, no receipt waits for us."""
        self._lease.forget()
        if self._task is None:
            return
        self._is_ending = True
        self._wake.set()
        await asyncio.wait({self._task}, timeout=_LEAVE_SECONDS)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            async with asyncio.timeout(_LEAVE_SECONDS):
                await store.leave(connection, self._rows)
                await connection.close()
        connection.terminate()

    @property
    def is_trusted(self) -> bool:
        """Whether what is cached may be used now."""
        return self.remaining_seconds > 0

    @property
    def remaining_seconds(self) -> float:
        """How long that will be so if nothing is heard of the database."""
        return max(0.0, self._lease.trusted_until_seconds - self._clock())

    @property
    def applied(self) -> int:
        """The last revocation that was applied."""
        return self._lease.applied

    async def vouches_for(self, server: str) -> bool:
        """Tell whether what a server said, to whoever asked it before this call, was the truth.

        A primary that was replaced may still answer questions, and knows nothing of deletions since. But it cannot
        renew a lease where its commits need a standby, and a deletion waits for the lease that its successor knows of.

        Args:
            server: that was asked.

        Returns:
            Whether it is the one that keeps the lease, which lasts now. While there is no lease, one is waited for;
            whoever calls bounds that.
        """
        await self.trusted()
        return server == self._server

    async def trusted(self) -> None:
        """Wait for a lease, if there is none; whoever calls bounds that."""
        while not self.is_trusted:
            await self._renewed.wait()

    async def _live(self) -> None:
        wait = _shortest_wait(self._lease)
        while not self._is_ending:
            began = self._clock()
            try:
                await self._keep()
                break  # with its connection, to take leave
            except Exception as error:  # noqa: BLE001 - nobody would start this task again
                # Not only what a lost connection raises: the driver has errors of its own for an address that leads
                # to a standby for a while, a host without a name, or a protocol that was cut short.
                self._tell(error)
            if self._connection is not None:
                self._connection.terminate()
                self._connection = None
            # After a connection that did its work, the next one is tried soon.
            if self._clock() - began > self._lease.lease_seconds:
                wait = _shortest_wait(self._lease)
            await asyncio.sleep(wait * random.uniform(0.5, 1))  # noqa: S311 - so that nodes do not come all at once
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS, self._lease.lease_seconds)

    async def _keep(self) -> None:
        """Keep the lease for as long as one connection lasts."""
        self._connection = connection = await self._connect()
        async with self._bounded():
            await store.prepare(connection, timeout_seconds=self._lease.lease_seconds)
            connection.add_termination_listener(self._woken)
            await connection.add_listener(CHANNEL, self._woken)
        await self._register(connection)
        while not self._is_ending:
            self._wake.clear()  # before the look, so that what comes during it is looked for again
            async with self._bounded():
                await self._renew(connection)
            if self._is_told:
                _log.info("lease_is_kept_again")
                self._is_told = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._lease.lease_seconds / 3):
                    await self._wake.wait()

    async def _register(self, connection: Any) -> None:
        lease = self._lease
        # Nothing is trusted from here on, so the rows that we had may go.
        lease.forget()
        id_ = f"vrf_{self._random_bytes(16).hex()}"
        before = tuple(self._rows)
        self._rows.append(id_)
        async with self._bounded():
            connection.warning = None
            lease_ms = int(lease.lease_seconds * 1000)
            number = await store.register(
                connection, id_, before, node=self._node, version=self._version, lease_ms=lease_ms
            )
        _check_commit(connection)
        # Those before are gone, also any that there was no room to remember beside this one.
        self._rows.clear()
        self._rows.append(id_)
        if not self._is_ending:
            lease.registered(id_, number)

    async def _renew(self, connection: Any) -> None:
        lease = self._lease
        this = lease.begin_round(self._clock())
        if not lease.apply(*await store.revoked_since(connection, lease.applied)):
            raise _BeginAnewError("the database has seen fewer revocations than this verifier")
        connection.warning = None
        updated = await store.renew(connection, this, lease.applied)
        _check_commit(connection)
        if not lease.renewed(this, updated):
            if self._is_ending:
                return  # `stop` came in between, and takes leave over this connection
            raise _BeginAnewError("the database no longer has this verifier as it was")
        self._server = connection.server
        self._renewed.set()  # and for whoever waits from now on:
        self._renewed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def _bounded(self) -> Any:
        """No round takes longer than a lease: a statement that hangs costs us the connection."""
        async with asyncio.timeout(self._lease.lease_seconds):
            yield

    def _woken(self, *_: Any) -> None:
        self._wake.set()

    def _tell(self, error: Exception) -> None:
        """Log the first of several."""
        if not self._is_told and not self._is_ending:
            _log.warning("lease_is_not_kept", reason=str(error) or type(error).__name__)
            self._is_told = True


def _check_commit(connection: Any) -> None:
    """Take a commit that a standby may lack for none: if that takes over, it does not know what was told."""
    if connection.warning is not None:
        raise asyncpg.InterfaceError(connection.warning)


def _shortest_wait(lease: Lease[Any]) -> float:
    return min(0.05, lease.lease_seconds / 10)
