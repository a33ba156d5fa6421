"""Through nginx with the file of docs/gateways/nginx.md: what asking about every request costs there."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks import contestants, nginx
from benchmarks.contestants import Contestant, check
from benchmarks.deployment import ED25519, HMAC, deployment
from benchmarks.effort import Effort, Progress, server_core
from benchmarks.figures import Result
from benchmarks.message import as_sent, signed
from benchmarks.turns import sign_round, take_turns
from support.gateways import free_port, make_certificate

PART = "through-nginx"
_MOST_PER_SECOND = {HMAC: 24_000, ED25519: 16_000}
HOW = (
    "nginx with the very file of docs/gateways/nginx.md, TLS and all, on one core together with whom it asks and "
    "a backend that answers nothing; wrk on the other. Signed POSTs with 1 KB of JSON."
)


def measure(effort: Effort) -> Result:
    """Let nginx without a question, with one that nobody thinks about, and with ours, take turns."""
    result, progress = effort.result(PART, "Through nginx's auth_request, all on one core", HOW), Progress(PART)
    folder, core = effort.room(PART), server_core()
    progress.say("starting the servers")
    with ExitStack() as stack:
        ours = stack.enter_context(deployment(folder, core))
        noop = stack.enter_context(contestants.noop(folder, "noop", core))
        port = free_port()
        command = nginx.backend(folder / "backend", port)
        stack.enter_context(contestants.running(folder, "backend", command, port, core))
        certificate = make_certificate(folder)

        def gateway(name: str, asked: str | None) -> tuple[str, int]:
            own = free_port()
            told = nginx.as_documented(folder / name, own, certificate, keywright=asked, backend=f"127.0.0.1:{port}")
            running = stack.enter_context(contestants.running(folder, name, told, own, core))
            return f"https://127.0.0.1:{own}", running.process.pid

        plain = gateway("without", None)
        idle = gateway("asking-noop", noop.url.removeprefix("http://"))
        asking = gateway("asking", ours.gateway.removeprefix("http://"))
        everyone = [
            Contestant("without", "nginx without auth_request", *plain, HMAC, verifies=False),
            Contestant("noop", "nginx asking a no-op", *idle, HMAC, verifies=False),
            Contestant("ours-hmac", "nginx asking Keywright, HMAC", *asking, HMAC, remembers=True),
            Contestant("ours-ed25519", "nginx asking Keywright, Ed25519", *asking, ED25519, remembers=True),
        ]
        for each in everyone:
            good = next(signed(ours.keys[each.requests], as_sent, 1))
            check(each, good, good.replace(b"currency=EUR", b"currency=USD"))
        take_turns(
            result,
            effort,
            progress,
            everyone,
            lambda: sign_round(folder, ours, as_sent, _MOST_PER_SECOND, effort.seconds),
        )
    progress.done()
    return result
