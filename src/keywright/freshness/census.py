"""Counts the verifiers once in a while, for a control node's metrics."""

from __future__ import annotations

import asyncio
import contextlib

from keywright.errors import KeywrightError
from keywright.freshness import store
from keywright.storage import Database

_EACH_SECONDS = 5


class Census:
    """How many verifiers there are, as of a moment ago.

    Args:
        database: where their rows are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._task: asyncio.Task[None] | None = None
        self.by_state: dict[str, int] = {"live": 0, "expired": 0}

    def start(self) -> None:
        """Begin to count, where verifiers have rows."""
        if self._database.is_shared:
            self._task = asyncio.get_running_loop().create_task(self._count())

    async def stop(self) -> None:
        """Count no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _count(self) -> None:
        while True:
            # What cannot be counted now keeps its last number.
            with contextlib.suppress(KeywrightError):
                async with self._database.read() as session:
                    self.by_state = await store.count_by_state(session)
            await asyncio.sleep(_EACH_SECONDS)
