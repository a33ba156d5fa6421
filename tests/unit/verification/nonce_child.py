"""A process to kill, stop or starve."""

from __future__ import annotations

import os
import signal
import struct
import threading
from collections.abc import Callable

REPORT = struct.Struct("=qq")  # number of the nonce, created


class Child:
    """A forked process that runs `work(report)` and is no more when it ends."""

    def __init__(self, work: Callable[[Callable[[int, int], None]], None]) -> None:
        self._read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                work(lambda number, created: os.write(write, REPORT.pack(number, created)) and None)
                status = 0
            finally:
                os._exit(status)
        os.close(write)
        self._chunks: list[bytes] = []
        self._reader = threading.Thread(target=self._drain)
        self._reader.start()

    def _drain(self) -> None:
        while chunk := os.read(self._read, 1 << 16):
            self._chunks.append(chunk)
        os.close(self._read)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Its exit status: 0 well, -9 killed."""
        _, status = os.waitpid(self.pid, 0)
        self._reader.join()
        return os.waitstatus_to_exitcode(status)

    def reports(self) -> list[tuple[int, int]]:
        raw = b"".join(self._chunks)
        return list(REPORT.iter_unpack(raw[: len(raw) // REPORT.size * REPORT.size]))
