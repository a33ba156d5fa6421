"""How much is measured, and what every part is handed."""

from __future__ import annotations

import datetime as dt
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cores import two_cores
from benchmarks.figures import Result
from benchmarks.machine import machine

COMMAND = "benchmarks/run"


@dataclass(frozen=True)
class Effort:
    """Rounds and seconds of a run; a quick one shows that everything works, and measures nothing worth keeping."""

    quick: bool
    folder: Path  # for everything that the run writes beside its results

    @property
    def rounds(self) -> int:
        return 2 if self.quick else 5

    @property
    def seconds(self) -> int:
        """That wrk asks one contestant in one round."""
        return 1 if self.quick else 3

    def room(self, name: str) -> Path:
        """A new folder."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        return folder

    def result(self, part: str, title: str, how: str) -> Result:
        """An empty result of a part."""
        command = f"{COMMAND} --only {part}{' --quick' if self.quick else ''}"
        today = dt.datetime.now(dt.UTC).date().isoformat()
        return Result(part, title, command, self.quick, today, machine(), how)


@dataclass
class Progress:
    """Says on stderr what is going on; on a terminal in one line that changes."""

    part: str

    def say(self, text: str) -> None:
        """Say what happens now."""
        stamp = time.strftime("%H:%M:%S")
        if sys.stderr.isatty():
            print(f"\r\033[K{stamp} {self.part}: {text}", end="", file=sys.stderr, flush=True)
        else:
            print(f"{stamp} {self.part}: {text}", file=sys.stderr, flush=True)

    def done(self) -> None:
        """End the line."""
        if sys.stderr.isatty():
            print(file=sys.stderr)


def server_core() -> int:
    """The core of whoever is measured."""
    return two_cores()[0]


def client_core() -> int:
    """The core of whoever asks."""
    return two_cores()[1]
