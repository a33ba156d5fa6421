"""One and two gateway workers on two cores, and what it costs them to share."""

from __future__ import annotations

import time
from contextlib import ExitStack

from benchmarks.contestants import Contestant, check
from benchmarks.cores import cpu_seconds, on_cores, two_cores
from benchmarks.deployment import ED25519, HMAC, Deployment, deployment
from benchmarks.effort import Effort, Progress
from benchmarks.figures import Result
from benchmarks.message import as_asked, signed
from benchmarks.turns import sign_round
from benchmarks.wrk import Prepared, finish, start

PART = "workers"
_MOST_PER_SECOND = {HMAC: 56_000, ED25519: 34_000}
HOW = (
    "Servers and two wrk processes on the same two cores, so wrk takes its share of both. Two workers of one "
    "server share the memory of nonces (mapped files, under a lock), the database with its change signal, and the"
    " files of the metrics; two servers with one worker each share nothing, and are what two workers are held "
    "against. Processor time is that of the servers alone, for each request."
)


def measure(effort: Effort) -> Result:
    """Let one worker, two workers, and two servers take turns."""
    result, progress = effort.result(PART, "Gateway workers on two cores", HOW), Progress(PART)
    progress.say("starting the servers")
    with ExitStack() as stack:
        names = {"one": 1, "two": 2, "first": 1, "second": 1}
        servers = {
            name: stack.enter_context(deployment(effort.room(f"{PART}-{name}"), *two_cores(), workers=workers))
            for name, workers in names.items()
        }
        contest = [
            ("one-worker", "one worker", [servers["one"]]),
            ("two-workers", "two workers", [servers["two"]]),
            ("two-servers", "two servers that share nothing", [servers["first"], servers["second"]]),
        ]
        for name, each in servers.items():
            for algorithm in (HMAC, ED25519):
                good = next(signed(each.keys[algorithm], as_asked, 1))
                who = Contestant(name, f"server {name}", each.gateway, each.process_id, algorithm, remembers=True)
                check(who, good, good.replace(b"currency=EUR", b"currency=USD"))
        for number in range(effort.rounds):
            for key, label, asked in contest:
                progress.say(f"round {number + 1} of {effort.rounds}: {label}")
                prepared = [
                    sign_round(each.server.data_dir.parent, each, as_asked, _most(len(asked)), effort.seconds)
                    for each in asked
                ]
                for algorithm, shown in ((HMAC, "HMAC"), (ED25519, "Ed25519")):
                    files = [each[algorithm] for each in prepared]
                    per_second, cpu_us = _asked_by_two(label, asked, files, effort.seconds)
                    result.add(f"{key}/{algorithm}", f"{label}, {shown}", "requests/s", per_second, cpu_us)
    progress.done()
    return result


def _most(servers: int) -> dict[str, int]:
    # One of two gets half of the requests, or a little more.
    return {algorithm: most * 3 // 4 if servers > 1 else most for algorithm, most in _MOST_PER_SECOND.items()}


def _asked_by_two(label: str, servers: list[Deployment], files: list[Prepared], seconds: int) -> tuple[float, float]:
    """Ask with two wrk processes, both of one server or one of each; requests per second, processor time for each."""
    halves = [(server, file) for server, file in zip(servers * 2, files * 2, strict=True)][:2]
    # Each has a part of its own of the file that both send from, and within it one to warm up.
    share = 1 / (2 if len(servers) == 1 else 1)
    parts = [
        (int(file.count * share) * (at if share < 1 else 0), int(file.count * share))
        for at, (_, file) in enumerate(halves)
    ]
    with on_cores(*two_cores()):
        for of_warming, lasting in ((True, 1), (False, seconds)):
            runs = []
            before = sum(cpu_seconds(each.process_id) for each in servers)
            for (server, file), (first, count) in zip(halves, parts, strict=True):
                warm = count // (seconds + 1)
                begin, many = (first, warm) if of_warming else (first + warm, count - warm)
                runs.append((start(server.gateway, file, seconds=lasting, first=begin, count=many), many))
            began = time.monotonic()
            answered, took = zip(*(finish(label, process, many) for process, many in runs), strict=True)
            used = sum(cpu_seconds(each.process_id) for each in servers) - before
            assert time.monotonic() - began < lasting + 60
    return sum(answered) / max(took), used / sum(answered) * 1e6
