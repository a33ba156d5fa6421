"""When keys were last used: gathered in memory, written aside, so that verifying writes nothing to the database."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from keywright.credentials import note_last_used
from keywright.errors import Unavailable
from keywright.storage import Database

FLUSH_SECONDS = 1.0
# A key that is used all the time is written this often: a first use is seen at once, the last one soon, and a busy
# deployment does not write a row for every key and second.
AGAIN_SECONDS = 10.0
_log = structlog.get_logger("keywright.verification")


class LastUsed:
    """Gathers uses and writes them once in a while.

    Args:
        database: where they go.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._used_at: dict[str, float] = {}
        self._written_at: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, client_id: str, now: float) -> None:
        """Note that a key was used.

        Args:
            client_id: the key.
            now: seconds since 1970 UTC.
        """
        self._used_at[client_id] = now

    async def flush(self, *, everything: bool = True) -> None:
        """Write what was gathered; what cannot be written now is kept for the next time.

        Args:
            everything: also keys of which a use was written a moment ago.
        """
        known, self._used_at = self._used_at, {}
        gathered = known if everything else self._due(known)
        if not gathered:
            return
        try:
            async with self._database.write(alone=False) as session:
                await note_last_used(session, {key: int(at * 1000) for key, at in gathered.items()})
                await session.commit()
        except asyncio.CancelledError:
            self._keep(gathered)
            raise
        except Unavailable as error:
            self._keep(gathered)
            _log.warning("last_used_not_written", reason=error.private or error.message)

    def _keep(self, gathered: dict[str, float]) -> None:
        self._used_at = {**gathered, **self._used_at}
        for client_id in gathered:
            self._written_at.pop(client_id, None)

    def _due(self, known: dict[str, float]) -> dict[str, float]:
        """Those to be written now; the others are gathered further, with whatever comes."""
        if not known:
            return {}
        newest = max(known.values())
        self._written_at = {key: at for key, at in self._written_at.items() if abs(newest - at) < AGAIN_SECONDS}
        due = {key: at for key, at in known.items() if key not in self._written_at}
        self._used_at = {key: at for key, at in known.items() if key not in due} | self._used_at
        self._written_at |= due
        return due

    def start(self) -> None:
        """Begin to write regularly, on the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Write what is left and end."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self.flush()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush(everything=False)
