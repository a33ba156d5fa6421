"""The current token, and whose turn it is to fetch the next one."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self

from keywright.sdk.token_answer import TokenError

if TYPE_CHECKING:
    from concurrent.futures import Future

# After an early renewal that failed, the token at hand serves this long before another try.
_PAUSE_SECONDS = 10.0
# Longer than a fetch takes. Who waited so long in vain fetches alone: a thread that blocks an event loop would
# otherwise wait for ever for a task of that loop.
_PATIENCE_SECONDS = 15.0

Outcome = str | TokenError | None


class Token:
    """An access token in hand.

    Args:
        value: the token itself.
        renew_at: when to fetch the next one, seconds of the keeper's clock.
        ends_at: when it is of no more use.
    """

    # No dataclass: making one takes a millisecond of every import.
    __slots__ = ("ends_at", "renew_at", "value")

    def __init__(self, value: str, renew_at: float, ends_at: float) -> None:
        self.value = value
        self.renew_at = renew_at
        self.ends_at = ends_at


class TokenKeeper:
    """Holds the token for threads and tasks, and lets one of them at a time fetch the next.

    Args:
        renew_early: the fraction of a token's life that is left when it is renewed.
        clock: seconds that only go forward.
    """

    def __init__(self, renew_early: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._renew_early = renew_early
        self._clock = clock
        self._lock = Lock()
        self._token: Token | None = None
        self._fetch: Fetch | None = None
        self._pause_until = float("-inf")

    def take(self, *, alone: bool = False) -> str | Fetch:
        """Get a token, or learn that one must be fetched.

        Args:
            alone: fetch without waiting for whoever is fetching already.

        Returns:
            A token; or a fetch, which is the caller's own to do if `claim` says so, and otherwise to be waited for.
        """
        with self._lock:
            token, now = self._token, self._clock()
            if token is not None and now < token.renew_at:
                return token.value
            # One renews early; the others need not wait for it.
            if token is not None and now < token.ends_at and (self._fetch is not None or now < self._pause_until):
                return token.value
            if alone:
                return Fetch(self, now)
            if self._fetch is None:
                self._fetch = Fetch(self, now)
            return self._fetch

    def reject(self, value: str) -> None:
        """Drop a token that was refused, unless it was replaced already.

        Args:
            value: the token.
        """
        with self._lock:
            if self._token is not None and self._token.value == value:
                self._token = None

    def _close(self, fetch: Fetch, outcome: tuple[str, float] | TokenError | None) -> Outcome:
        """End a fetch; give what the fetching request goes on with."""
        with self._lock:
            if self._fetch is fetch:
                self._fetch = None
            if isinstance(outcome, tuple):
                value, life_seconds = outcome
                early_seconds = life_seconds * self._renew_early
                ends_at = fetch.started_at + life_seconds
                self._token = Token(value, ends_at - early_seconds, ends_at)
                return value
            now = self._clock()
            self._pause_until = now + _PAUSE_SECONDS
            if outcome is not None and self._token is not None and now < self._token.ends_at:
                return self._token.value  # an early renewal that failed is no fault yet
            return outcome


class Fetch:
    """One fetch of a token: done by whoever claims it first, waited for by the others.

    As a context manager it ends the fetch, whatever happens inside: a request that was cancelled leaves the turn to
    the next.

    Args:
        keeper: whose token it is.
        started_at: when, in seconds of the keeper's clock; a token's life is counted from here.
    """

    def __init__(self, keeper: TokenKeeper, started_at: float) -> None:
        from concurrent.futures import Future  # noqa: PLC0415 - dear to import, and signing needs none

        self.started_at = started_at
        self._keeper = keeper
        self._outcome: Future[Outcome] = Future()

    def claim(self) -> bool:
        """Tell whether the caller is to do it; true once."""
        with self._keeper._lock:  # noqa: SLF001 - two halves of one thing
            if self._outcome.running() or self._outcome.done():
                return False
            # Also keeps a task that is cancelled while it waits from cancelling the fetch of the others.
            return self._outcome.set_running_or_notify_cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._outcome.done():
            self._outcome.set_result(self._keeper._close(self, None))  # noqa: SLF001

    def succeed(self, value: str, life_seconds: float) -> str:
        """End it with a token.

        Args:
            value: the token.
            life_seconds: how long it is good for.

        Returns:
            The token.
        """
        self._outcome.set_result(self._keeper._close(self, (value, life_seconds)))  # noqa: SLF001
        return value

    def fail(self, error: TokenError) -> str:
        """End it without one.

        Args:
            error: why.

        Returns:
            The old token, if it is still good.

        Raises:
            TokenError: the error; all who wait get one like it.
        """
        outcome = self._keeper._close(self, error)  # noqa: SLF001
        self._outcome.set_result(outcome)
        if isinstance(outcome, str):
            return outcome
        raise error

    def wait(self) -> str | None:
        """Wait in a thread.

        Returns:
            The token; None if whoever was fetching gave up.

        Raises:
            TokenError: the endpoint refused.
        """
        try:
            outcome = self._outcome.result(_PATIENCE_SECONDS)
        except TimeoutError:
            return None
        return _token_or_raise(outcome)

    async def wait_async(self) -> str | None:
        """Wait in an asyncio task; otherwise like `wait`."""
        import asyncio  # noqa: PLC0415 - dear to import; whoever awaits has it already

        try:
            outcome = await asyncio.wait_for(asyncio.wrap_future(self._outcome), _PATIENCE_SECONDS)
        except TimeoutError:
            return None
        return _token_or_raise(outcome)


def _token_or_raise(outcome: Outcome) -> str | None:
    if isinstance(outcome, TokenError):
        raise outcome.again()
    return outcome
