"""Waiting for a committed revocation to be in force everywhere: bounded by the lease, with or without a database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from keywright.errors import Conflict, KeywrightError, NotFound
from keywright.freshness import store
from keywright.freshness.clock import boot_seconds
from keywright.freshness.protocol import Confirmation, VerifierRow
from keywright.revocation import Receipt, Revocation, last_revocation, receipt_of_shared_database
from keywright.storage import Database

# Verifiers are asked after so many seconds, then at ever longer intervals up to this.
_FIRST_LOOK_SECONDS = 0.002
_LONGEST_INTERVAL_SECONDS = 0.02
# To declare verifiers expired saves the next revocations a wait; it is not worth more than this.
_DECLARE_SECONDS = 1.0


class Receipts:
    """Waits for revocations, in a control node or a command.

    Args:
        database: the truth.
        clock: tells the time, seconds, counting suspend.
        observe: is told how long each receipt took, in seconds.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], float] = boot_seconds,
        observe: Callable[[float], None] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._observe = observe
        self._abandoned: set[asyncio.Task[Any]] = set()

    def now(self) -> float:
        """The time that `wait` wants to know of the request's start."""
        return self._clock()

    async def wait(self, revocation: Revocation | None, started_seconds: float) -> Receipt:
        """Wait until no verifier anywhere accepts what was revoked.

        Args:
            revocation: noted in a transaction whose commit has been answered; None if nothing had to stop.
            started_seconds: `now` when the request came.

        Returns:
            The receipt.
        """
        committed_seconds = self._clock()
        if not self._database.is_shared:
            receipt = receipt_of_shared_database((committed_seconds - started_seconds) * 1000)
        elif revocation is None:
            receipt = Receipt(0, 0, round((committed_seconds - started_seconds) * 1000, 3))
        else:
            found = await self._confirm(revocation, committed_seconds)
            receipt = Receipt(found.confirmed, found.expired, round((self._clock() - started_seconds) * 1000, 3))
        if self._observe is not None and revocation is not None:
            self._observe(receipt.took_ms / 1000)
        return receipt

    @contextlib.asynccontextmanager
    async def gone_everywhere(self) -> AsyncIterator[None]:
        """Let NotFound and Conflict out of a block only when what was revoked before is refused everywhere.

        Whoever deletes a key twice, since the first answer was lost, takes "not found" for the word that it is dead; so
        does whoever is told that access was switched off meanwhile.
        """
        try:
            yield
        except (NotFound, Conflict):
            if self._database.is_shared:
                async with self._database.read() as session:
                    revocation = await last_revocation(session)
                await self._confirm(revocation, self._clock())
            raise

    async def _confirm(self, revocation: Revocation, committed_seconds: float) -> Confirmation:
        rows = {each.id: VerifierRow(each.applied, each.lease_seconds) for each in revocation.verifiers}
        confirmation = Confirmation(revocation.number, rows, committed_seconds)
        interval, is_server_known = _FIRST_LOOK_SECONDS, True

        async def look() -> None:
            nonlocal is_server_known
            async with self._database.read() as session:
                rows = await store.rows_of(session, confirmation.waiting)
            if session.server == revocation.server:
                confirmation.look(rows)
            elif is_server_known:
                # A connection from before a fail-over: there, who registered since would seem to have left. If it is
                # not that, the server was restarted since the commit, and the leases have to run out.
                is_server_known = False
                await self._database.reconnect()

        while (remaining := confirmation.remaining_seconds(self._clock())) > 0:
            await asyncio.sleep(min(interval, remaining))
            interval = min(interval * 2, _LONGEST_INTERVAL_SECONDS)
            await self._bounded(look(), remaining)
        lost = confirmation.give_up(self._clock())
        if lost:
            await self._bounded(self._declare(lost, revocation), _DECLARE_SECONDS)
        return confirmation

    async def _declare(self, lost: list[str], revocation: Revocation) -> None:
        async with self._database.write(alone=False) as session:
            if session.server == revocation.server:
                await store.declare_expired(session, lost, revocation.number)
                await session.commit()

    async def _bounded(self, work: Coroutine[Any, Any, None], seconds: float) -> None:
        """Ask the database; if it does not answer, the leases run out all the same, and the asking is left behind."""
        task = asyncio.ensure_future(work)
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            task.cancel()
            self._abandoned.add(task)
            task.add_done_callback(self._abandoned.discard)
            return
        with contextlib.suppress(KeywrightError):
            task.result()
