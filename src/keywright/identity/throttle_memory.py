"""Where attempts are counted while one process counts them all."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from limits.aio.storage import MemoryStorage

MAX_KEYS = 10_000


class ThrottleMemory(MemoryStorage):
    """Moving windows in a bounded memory.

    The package's own memory grows with the number of keys, and after each attempt looks through all of them, in a
    thread for each: at 3,000 keys more than a second of work. Here an attempt costs the same whatever there is.

    Args:
        clock: tells the time in seconds; should not jump.
        max_keys: of more, the one that was tried longest ago is forgotten.
    """

    STORAGE_SCHEME = ["async+keywright"]  # noqa: RUF012 - the package's own declaration

    def __init__(self, *, clock: Callable[[], float], max_keys: int = MAX_KEYS) -> None:
        super().__init__()
        self._clock = clock
        self._max_keys = max_keys
        self._tried_at: OrderedDict[str, deque[float]] = OrderedDict()  # the longest untouched first

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count attempts, unless that would be too many; see `limits`.

        Args:
            key: of whom or what.
            limit: most within the window.
            expiry: the window in seconds.
            amount: attempts to count.

        Returns:
            Whether they were counted.
        """
        # Nothing here waits, so no other attempt comes in between.
        now = self._clock()
        tried_at = self._tried_at.get(key, deque())
        _forget_old(tried_at, now - expiry)
        if len(tried_at) + amount > limit:
            return False
        tried_at.extend([now] * amount)
        self._tried_at[key] = tried_at
        self._tried_at.move_to_end(key)
        if len(self._tried_at) > self._max_keys:
            self._tried_at.popitem(last=False)
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Return when the window's oldest attempt was, and how many there are; see `limits`.

        Args:
            key: of whom or what.
            limit: most within the window.
            expiry: the window in seconds.

        Returns:
            A time of this memory's clock, and a number.
        """
        now = self._clock()
        tried_at = self._tried_at.get(key, deque())
        _forget_old(tried_at, now - expiry)
        return (tried_at[0], len(tried_at)) if tried_at else (now, 0)

    async def clear(self, key: str) -> None:
        """Forget the attempts of one key."""
        self._tried_at.pop(key, None)

    async def reset(self) -> int | None:
        """Forget everything; how many keys that were."""
        known = len(self._tried_at)
        self._tried_at.clear()
        return known


def _forget_old(tried_at: deque[float], until: float) -> None:
    while tried_at and tried_at[0] <= until:
        tried_at.popleft()
