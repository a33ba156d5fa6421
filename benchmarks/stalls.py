"""How often the machine itself takes a core away: python -m benchmarks.stalls SECONDS.

A loop that does nothing but look at the clock should never see it jump. Where it does, something else ran: the kernel,
the machine's own services, or the host of a virtual machine. Whoever serves requests there meets the same. Prints JSON.
"""

from __future__ import annotations

import json
import sys
import time

_JUMP_SECONDS = 0.0002


def main() -> None:
    """Watch the clock for SECONDS."""
    stalls = watch(float(sys.argv[1]))
    taken = sum(stalls)
    print(json.dumps({"share": taken / float(sys.argv[1]), "longest_us": max(stalls, default=0.0) * 1e6}))


def watch(seconds: float) -> list[float]:
    """Watch the clock.

    Args:
        seconds: for how long.

    Returns:
        Seconds of each jump.
    """
    stalls, clock = [], time.perf_counter
    last = clock()
    until = last + seconds
    while last < until:
        now = clock()
        if now - last > _JUMP_SECONDS:
            stalls.append(now - last)
        last = now
    return stalls


if __name__ == "__main__":
    main()
