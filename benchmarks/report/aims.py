"""What was set out to be shown, and whether it is."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.figures import Result
from benchmarks.report import reasons

Results = Mapping[str, Result]


@dataclass(frozen=True)
class Aim:
    """One aim.

    Args:
        text: what is compared.
        part: whose results it is reckoned from.
        found: reckons it, the median over the rounds of one run.
        least: it must reach this; None where there is no such bound.
        most: it may not pass this; None where there is no such bound.
        because: says why it is not reached, from the same results.
    """

    text: str
    part: str
    found: Callable[[Result], float]
    least: float | None = None
    most: float | None = None
    because: Callable[[Result], str] | None = None

    @property
    def wanted(self) -> str:
        """The bound in words."""
        return f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"

    def holds(self, result: Result) -> bool:
        """Whether it is reached."""
        found = self.found(result)
        return (self.least is None or found >= self.least) and (self.most is None or found <= self.most)


def _ratio(key: str, other: str) -> Callable[[Result], float]:
    return lambda result: result.ratio(key, other)


def ed25519_of_the_possible(result: Result) -> float:
    """Ed25519 over HTTP, of 1/(no-op time + libsodium's verify time); the no-op is sent the very same requests."""
    figures = result.figures
    rounds = zip(
        figures["ours-ed25519"].rounds, figures["noop-ed25519"].rounds, figures["libsodium"].rounds, strict=True
    )
    return statistics.median(ours * (1 / noop + verify_us / 1e6) for ours, noop, verify_us in rounds)


_PLAIN, _QUICK = "starlette-plain-hmac", "starlette-hmac"
AIMS = (
    Aim("HMAC, of the same server's no-op", "over-http", _ratio("ours-hmac", "noop"), least=0.55),
    Aim(
        "Ed25519, of 1/(no-op time + libsodium's verify time)",
        "over-http",
        ed25519_of_the_possible,
        least=0.85,
        because=reasons.ed25519,
    ),
    Aim("Bearer token, of Ed25519", "over-http", _ratio("ours-bearer", "ours-ed25519"), least=1),
    Aim(
        "HMAC, times Node with `http-message-sig`",
        "over-http",
        _ratio("ours-hmac", "node-hmac"),
        least=3,
        because=reasons.beside("node-hmac", 3),
    ),
    Aim(
        "HMAC, times Starlette with `http-message-signatures`, uvicorn as installed by itself",
        "over-http",
        _ratio("ours-hmac", _PLAIN),
        least=5,
        because=reasons.beside(_PLAIN, 5),
    ),
    Aim(
        "the same, uvicorn with uvloop and httptools",
        "over-http",
        _ratio("ours-hmac", _QUICK),
        least=5,
        because=reasons.beside(_QUICK, 5),
    ),
    Aim("HMAC, times better-auth's API keys", "over-http", _ratio("ours-hmac", "better-auth"), least=5),
    Aim(
        "p99, times p50, at half of peak, HMAC",
        "latency",
        _ratio("ours-hmac/p99", "ours-hmac/p50"),
        most=3,
        because=reasons.tail("ours-hmac"),
    ),
    Aim(
        "p99, times p50, at half of peak, Ed25519",
        "latency",
        _ratio("ours-ed25519/p99", "ours-ed25519/p50"),
        most=3,
        because=reasons.tail("ours-ed25519"),
    ),
    Aim(
        "FastAPI with the middleware, of the same without, HMAC",
        "middleware",
        _ratio("plain-with", "plain-without"),
        least=0.85,
        because=reasons.middleware,
    ),
)
