"""Which core does what: servers on one, whoever asks them on another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def two_cores() -> tuple[int, int]:
    """The servers' core and the other one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit(
            "benchmarks/run needs two cores, one for the servers and one for wrk; this process may use one"
        )
    return cores[0], cores[1]


@contextmanager
def on_cores(*cores: int) -> Iterator[None]:
    """Run what this process starts meanwhile on these cores; children inherit that, as with taskset(1)."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def process_tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        fields = _stat(folder)
        if fields:
            parents.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [root]
    for each in found:
        found += parents.get(each, [])
    return found


def cpu_seconds(root: int) -> float:
    """Processor time that a process and its descendants have used, user and system, in steps of 10 ms."""
    fields = [_stat(Path(f"/proc/{each}")) for each in process_tree(root)]
    return sum(int(each[11]) + int(each[12]) for each in fields if each) / _TICKS


def _stat(folder: Path) -> list[str]:
    """The fields behind the name, from the state on (proc(5)); none if the process has ended."""
    try:
        return (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
