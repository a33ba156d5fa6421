"""Inside a FastAPI application: what our middleware takes of its throughput."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks import contestants
from benchmarks.contestants import Contestant, check
from benchmarks.deployment import HMAC, deployment
from benchmarks.effort import Effort, Progress, server_core
from benchmarks.figures import Result
from benchmarks.message import as_sent, signed
from benchmarks.turns import sign_round, take_turns

PART = "middleware"
# Both applications share the host's memory of nonces, so each has requests of its own.
_KINDS = {"plain": "FastAPI on uvicorn", "quick": "FastAPI on uvicorn, uvloop, httptools"}
_MOST_PER_SECOND = {f"{HMAC}/{kind}": 20_000 for kind in _KINDS}
HOW = (
    "A FastAPI application that reads a payment of 1 KB of JSON into a model and answers with JSON, on one core, "
    "wrk on the other; with KeywrightMiddleware(data_dir=...) and without, sent the very same requests, signed "
    "with HMAC. The middleware also reads the body and compares it with what was signed."
)


def measure(effort: Effort) -> Result:
    """Let the application without and with the middleware take turns."""
    result, progress = effort.result(PART, "Inside a FastAPI application", HOW), Progress(PART)
    folder, core = effort.room(PART), server_core()
    progress.say("starting the servers")
    with ExitStack() as stack:
        ours = stack.enter_context(deployment(folder, core))
        everyone = []
        for kind, shown in _KINDS.items():
            for key, label, told in (
                ("without", shown, []),
                ("with", f"{shown}, with Keywright", [str(folder / "data")]),
            ):
                name = f"{kind}-{key}"
                app = stack.enter_context(
                    contestants.python_server(folder, name, ["fastapi_app.py", kind, *told], core)
                )
                is_guarded = bool(told)
                everyone.append(
                    Contestant(
                        name,
                        label,
                        app.url,
                        app.process.pid,
                        f"{HMAC}/{kind}",
                        verifies=is_guarded,
                        remembers=is_guarded,
                    )
                )
        for each in everyone:
            good = next(signed(ours.keys[HMAC], as_sent, 1))
            check(each, good, good.replace(b"125.00", b"925.00"))
        take_turns(
            result,
            effort,
            progress,
            everyone,
            lambda: sign_round(folder, ours, as_sent, _MOST_PER_SECOND, effort.seconds),
        )
    progress.done()
    return result
