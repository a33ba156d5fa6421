"""Waiting for the lock on the memory of nonces: briefly, and never for long behind a process that hangs."""

from __future__ import annotations

import fcntl
import itertools
import os
import time
from pathlib import Path

from keywright.errors import Unavailable

LOCK_NOW = fcntl.LOCK_EX | fcntl.LOCK_NB
_PATIENCE_SECONDS = 1.0
# After one wait in vain the next calls give up sooner, or a queue of them would stop this worker altogether.
_SHORT_PATIENCE_SECONDS = 0.005
# The lock is held for microseconds, and the shortest sleep takes sixty: so first only let others run.
_YIELDS = 20
_FIRST_PAUSE_SECONDS = 0.00002
_LONGEST_PAUSE_SECONDS = 0.001


class LockPatience:
    """How long this process waits for the lock."""

    def __init__(self) -> None:
        self._seconds = _PATIENCE_SECONDS

    def wait_for(self, descriptor: int, file: Path) -> None:
        """Takes the lock as soon as whoever has it lets go.

        Args:
            descriptor: of the locked file.
            file: its name, for the log.

        Raises:
            Unavailable: another process keeps it.
            OSError: it cannot be had at all.
        """
        pause, waited = _FIRST_PAUSE_SECONDS, 0.0
        for attempt in itertools.count():
            try:
                fcntl.flock(descriptor, LOCK_NOW)
            except BlockingIOError:
                if waited >= self._seconds:
                    break
            else:
                self._seconds = _PATIENCE_SECONDS
                return
            if attempt < _YIELDS:
                os.sched_yield()
                continue
            time.sleep(pause)
            waited += pause
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
        self._seconds = _SHORT_PATIENCE_SECONDS
        raise Unavailable(
            "the memory of used nonces is held by another process; try again",
            private=f"{file} is locked; is a worker process stopped?",
        )
