"""How long an answer takes at half of what the server can do."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from benchmarks import contestants
from benchmarks.contestants import ROOT, Contestant, check
from benchmarks.cores import on_cores
from benchmarks.deployment import ED25519, HMAC, deployment
from benchmarks.effort import Effort, Progress, client_core, server_core
from benchmarks.figures import Result
from benchmarks.message import as_asked, signed
from benchmarks.turns import sign_round
from benchmarks.wrk import Prepared, rate

PART = "latency"
_MOST_PER_SECOND = {HMAC: 32_000, ED25519: 16_000}
HOW = (
    "Each round finds the peak with wrk, then asks at half of it at a fixed rate, whatever the server answers: a "
    "request has its time, and what has to wait for one of 32 connections counts from that time on, as in wrk2 "
    "(benchmarks/fixed_rate.py). Before that, a loop on each core does nothing but see the clock jump, "
    "which shows what the machine itself takes (benchmarks/stalls.py)."
)


def measure(effort: Effort) -> Result:
    """Let a no-op and our verifications take turns."""
    result, progress = effort.result(PART, "Latency at half of peak load", HOW), Progress(PART)
    folder, core = effort.room(PART), server_core()
    progress.say("starting the servers")
    with ExitStack() as stack:
        ours = stack.enter_context(deployment(folder, core))
        noop = stack.enter_context(contestants.noop(folder, "noop", core))
        everyone = [
            Contestant("noop", "no-op", noop.url, noop.process.pid, HMAC, verifies=False),
            Contestant("ours-hmac", "Keywright, HMAC", ours.gateway, ours.process_id, HMAC, remembers=True),
            Contestant("ours-ed25519", "Keywright, Ed25519", ours.gateway, ours.process_id, ED25519, remembers=True),
        ]
        for each in everyone:
            good = next(signed(ours.keys[each.requests], as_asked, 1))
            check(each, good, good.replace(b"currency=EUR", b"currency=USD"))
        for number in range(effort.rounds):
            stage = f"round {number + 1} of {effort.rounds}"
            progress.say(f"{stage}: signing")
            # For a second to warm up, the seconds at peak, and as many at half of it.
            prepared = sign_round(folder, ours, as_asked, _MOST_PER_SECOND, effort.seconds * 2)
            progress.say(f"{stage}: watching the clock")
            _measure_machine(result, effort.seconds)
            for each in everyone:
                progress.say(f"{stage}: {each.label}")
                _measure_one(result, effort, each, prepared[each.requests])
    progress.done()
    return result


def _measure_machine(result: Result, seconds: int) -> None:
    # On both cores at once: what runs beside us takes the idler one, and while we measure neither is idle.
    with ThreadPoolExecutor() as threads:
        found = list(
            threads.map(
                lambda core: _ask_module("benchmarks.stalls", core, str(seconds)), (server_core(), client_core())
            )
        )
    result.add("machine/share", "the machine itself: share of a core", "%", sum(each["share"] for each in found) * 100)
    result.add("machine/longest", "the machine itself: longest stall", "us", max(each["longest_us"] for each in found))


def _measure_one(result: Result, effort: Effort, each: Contestant, prepared: Prepared) -> None:
    # The first part of the file is for the peak, the rest for the fixed rate.
    of_peak = prepared.count * (effort.seconds + 1) // (effort.seconds * 2 + 1)
    peak = rate(
        each.label,
        each.url,
        Prepared(prepared.file, of_peak),
        once=each.remembers,
        seconds=effort.seconds,
        core=client_core(),
        server=each.process_id,
    ).per_second
    found = at_fixed_rate(each.url, prepared, of_peak, peak / 2, effort.seconds)
    result.add(f"{each.key}/peak", f"{each.label}: peak", "requests/s", peak)
    result.add(f"{each.key}/rate", f"{each.label}: at half of it", "requests/s", found["rate"])
    for name in ("p50", "p90", "p99", "p999"):
        result.add(f"{each.key}/{name}", f"{each.label}: {name}", "us", found[f"{name}_us"])


def at_fixed_rate(url: str, prepared: Prepared, first: int, per_second: float, seconds: int) -> dict[str, float]:
    """Ask so often for so long; see benchmarks/fixed_rate.py.

    Args:
        url: scheme and authority.
        prepared: what to send.
        first: number of the first request to send.
        per_second: how many.
        seconds: for how long.

    Returns:
        Latencies, and the rate that was reached.
    """
    count = min(int(per_second * seconds), prepared.count - first)
    order = [url.rpartition(":")[2], str(Path(prepared.file)), str(first), str(count), str(per_second)]
    return _ask_module("benchmarks.fixed_rate", client_core(), *order)


def _ask_module(name: str, core: int, *order: str) -> dict[str, float]:
    with on_cores(core):
        done = subprocess.run(
            [sys.executable, "-P", "-m", name, *order],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT)},
        )
    if done.returncode:
        raise SystemExit(f"{name} {' '.join(order)}: {done.stderr[-1000:]}")
    return json.loads(done.stdout)
