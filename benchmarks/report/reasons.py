"""Why an aim is not reached, said with figures of the same results."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.figures import Result


def ed25519(result: Result) -> str:
    """Where the time beside no-op and primitive goes."""
    ours, both = result.figures["ours-ed25519"].cpu_median, result.figures["noop-verify"].cpu_median
    return (
        f"no-op and libsodium's verify take {both:.0f} us of the server's processor, we {ours:.0f}; the"
        f" {ours - both:.0f} us between go into headers, signature base, key, nonce and answer"
        " (docs/decisions/0014-hot-path.md)"
    )


def beside(peer: str, times: int) -> Callable[[Result], str]:
    """Our server alone beside a part of a peer's time."""

    def because(result: Result) -> str:
        its, noop = result.figures[peer].cpu_median, result.figures["noop"].cpu_median
        return (
            f"it takes {its:.0f} us of the server's processor; 1/{times} of that is {its / times:.0f}, and our server"
            f" takes {noop:.0f} for doing nothing"
        )

    return because


def tail(who: str) -> Callable[[Result], str]:
    """What the machine itself takes away."""

    def because(result: Result) -> str:
        share, longest = result.figures["machine/share"].median, result.figures["machine/longest"].median
        p90, noop = result.ratio(f"{who}/p90", f"{who}/p50"), result.ratio("noop/p99", "noop/p50")
        return (
            f"the machine itself takes {share:.1f} % of a core, up to {longest / 1000:.0f} ms at once, and at half of"
            f" peak twice as many requests wait for that; the no-op's own p99 is {noop:.1f} times its p50, our p90"
            f" {p90:.1f} times ours"
        )

    return because


def middleware(result: Result) -> str:
    """What the middleware takes."""
    without, with_it = result.figures["plain-without"].cpu_median, result.figures["plain-with"].cpu_median
    return (
        f"an application that does next to nothing takes {without:.0f} us of the server's processor, and"
        f" {with_it:.0f} with body, digest, signature and nonce verified before it"
    )
