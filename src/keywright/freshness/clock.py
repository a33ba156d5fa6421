"""The clock that leases are measured with."""

from __future__ import annotations

import time


def boot_seconds() -> float:
    """Tell the time since this machine started, the time in which it was suspended included.

    A clock that stands still in suspend would let a lease go on after it: whatever was revoked meanwhile would be
    accepted. macOS's CLOCK_MONOTONIC counts suspend, and has no CLOCK_BOOTTIME.

    Returns:
        Seconds.
    """
    return time.clock_gettime(_CLOCK)


_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
