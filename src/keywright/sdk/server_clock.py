"""What time it is for the server: learnt from its refusals, where our own clock is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

from keywright.sdk.refusal import TIME_CODES

# Wrong time zones and machines that slept explain less than a day. Beyond, the clock must be set by a person.
MAX_OFFSET_SECONDS = 86_400
# Verifiers allow 30 s ahead and 300 s of age; a Date nearer to the signature than this explains no refusal.
_LEAST_SECONDS = 10
_MAX_ORIGINS = 64


class ServerClock:
    """Tells the time as each server sees it.

    An offset belongs to the origin that taught it, so that no server can change what is signed for another one. It
    is learnt only from a refusal that a wrong clock explains, and dropped if signing by it does not help. So a
    server that lies about the time gets, at the most, requests meant for itself with a wrong time in them.

    Args:
        clock: our own, in seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._offsets: dict[str, float] = {}

    def now(self, url: str) -> float:
        """Tell the time for a request.

        Args:
            url: of the request.

        Returns:
            Seconds since the epoch.
        """
        return self._clock() + self._offsets.get(_origin(url), 0)

    def learn(self, url: str, codes: frozenset[str], date: str | None, signed_at: float) -> bool:
        """Take the time from a refusal.

        Args:
            url: of the request.
            codes: why it was refused.
            date: the `Date` header of the refusal.
            signed_at: the time that was signed, seconds since the epoch.

        Returns:
            Whether a new signature is worth a try.

        Source: RFC 9110 section 6.6.1.
        """
        told = _seconds(date) if codes & TIME_CODES else None
        if told is None:
            return False
        behind_seconds = told - signed_at
        if abs(behind_seconds) < _LEAST_SECONDS or ("signature_too_old" in codes) != (behind_seconds > 0):
            return False
        offset_seconds = told - self._clock()
        if abs(offset_seconds) > MAX_OFFSET_SECONDS:
            return False
        origin = _origin(url)
        while len(self._offsets) >= _MAX_ORIGINS and origin not in self._offsets:
            self._offsets.pop(next(iter(self._offsets)), None)
        self._offsets[origin] = offset_seconds
        return True

    def forget(self, url: str) -> None:
        """Drop what was learnt: it did not help.

        Args:
            url: of the request that was refused again.
        """
        self._offsets.pop(_origin(url), None)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()


def _seconds(date: str | None) -> float | None:
    if date is None:
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - seldom needed, and dear to import

    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
