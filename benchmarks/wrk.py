"""Runs wrk with prepared requests."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cores import cpu_seconds, on_cores
from benchmarks.machine import tool

CONNECTIONS = 16
_SCRIPT = Path(__file__).parent / "prepared.lua"


@dataclass(frozen=True)
class Prepared:
    """A file of requests, and how many are in it."""

    file: Path
    count: int


@dataclass(frozen=True)
class Rate:
    """What one run of wrk found."""

    per_second: float
    cpu_us: float  # of the server, for each request


def prepare(file: Path, requests: Iterable[bytes]) -> Prepared:
    """Write requests, all of one length, into a file that prepared.lua reads.

    Args:
        file: where to.
        requests: each as it goes over the wire.

    Returns:
        The file.
    """
    lengths, count = set(), 0
    pieces = []
    for each in requests:
        lengths.add(len(each))
        pieces.append(each)
        count += 1
    if len(lengths) != 1:
        raise SystemExit(f"prepared requests must all be of one length, and are of {sorted(lengths)} bytes")
    with file.open("wb") as out:
        out.write(b"%d\n" % lengths.pop())
        out.writelines(pieces)
    return Prepared(file, count)


def start(url: str, prepared: Prepared, *, seconds: int, first: int, count: int) -> subprocess.Popen[str]:
    """Start wrk with one thread; see `finish`.

    Args:
        url: scheme and authority of the server.
        prepared: what to send.
        seconds: for how long.
        first: number of the first request to send.
        count: how many may be sent.

    Returns:
        The process.
    """
    command = [tool("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "20s", "-s", str(_SCRIPT)]
    order = [url, "--", str(prepared.file), str(first), str(count)]
    return subprocess.Popen([*command, *order], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(name: str, process: subprocess.Popen[str], most: int | None) -> tuple[int, float]:
    """Wait for wrk.

    Args:
        name: whose turn it is, for messages.
        process: as started.
        most: how many requests it may send; None where it may begin again.

    Returns:
        Requests answered, and the seconds that took.
    """
    output, _ = process.communicate(timeout=300)
    try:
        said = json.loads(output.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise SystemExit(f"{name}: wrk said: {output[-2000:]}") from None
    # One more is made than sent: wrk looks at it before it begins.
    if most is not None and said["sent"] > most + 1:
        raise SystemExit(
            f"{name}: {most} prepared requests were too few, raise the rate that is expected of it: {said}"
        )
    if said["refused"] or said["broken"] or not said["requests"]:
        raise SystemExit(
            f"{name}: {said['refused']} refused and {said['broken']} broken of {said['requests']} requests"
        )
    return said["requests"], said["seconds"]


def rate(name: str, url: str, prepared: Prepared, *, once: bool, seconds: int, core: int, server: int) -> Rate:
    """Warm a server up for a second, then measure it.

    Args:
        name: whose turn it is, for messages.
        url: scheme and authority.
        prepared: what to send.
        once: whether each request may be sent once only; a part in proportion is then for warming up.
        seconds: to measure.
        core: that wrk runs on.
        server: process whose processor time counts, with its descendants.

    Returns:
        Requests per second, and the server's processor time for each.
    """
    warm = prepared.count // (seconds + 1) if once else prepared.count
    first = warm if once else 0
    count = prepared.count - first
    with on_cores(core):
        finish(name, start(url, prepared, seconds=1, first=0, count=warm), warm if once else None)
        before = cpu_seconds(server)
        process = start(url, prepared, seconds=seconds, first=first, count=count)
        answered, took = finish(name, process, count if once else None)
        used = cpu_seconds(server) - before
    return Rate(answered / took, used / answered * 1e6)
