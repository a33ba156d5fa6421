"""Sign-ins that failed: after a few for one address, the next has to wait."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable

from keywright.errors import TooManyRequests

MAX_FAILED = 10
WINDOW_SECONDS = 300
MAX_ADDRESSES = 10_000


class SignInAttempts:
    """Counts failed sign-ins by email address, known to us or not, in this process's memory.

    Args:
        clock: tells the time in seconds; should not jump.
        max_addresses: of more, the one that was tried longest ago is forgotten.
    """

    def __init__(self, clock: Callable[[], float], *, max_addresses: int = MAX_ADDRESSES) -> None:
        self._clock = clock
        self._max_addresses = max_addresses
        self._tried_at: OrderedDict[str, deque[float]] = OrderedDict()  # the longest untouched first

    def begin(self, email: str) -> None:
        """Let an attempt through, or not. It counts as failed from here on, so that many at once are no way around.

        Args:
            email: as typed; upper and lower case are one.

        Raises:
            TooManyRequests: too many failed within the window; this one is not counted.
        """
        key, now = email.lower(), self._clock()
        tried_at = self._tried_at.setdefault(key, deque(maxlen=MAX_FAILED))
        if len(tried_at) == MAX_FAILED and (wait := tried_at[0] + WINDOW_SECONDS - now) > 0:
            raise TooManyRequests(
                "too many sign-ins failed for this email address; wait before you try again",
                retry_after_seconds=math.ceil(wait),
            )
        tried_at.append(now)
        self._tried_at.move_to_end(key)
        if len(self._tried_at) > self._max_addresses:
            self._tried_at.popitem(last=False)

    def succeeded(self, email: str) -> None:
        """Forget what failed for an address: the right password was given."""
        self._tried_at.pop(email.lower(), None)
