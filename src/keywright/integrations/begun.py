"""Waiting that costs nothing where there is nothing to wait for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Begun(Generic[T]):
    """Something to await, whose first step is taken at once.

    A server mostly has a small body by the time the application runs. To set a clock for what is there already would
    take a fifth of the time that verifying takes; so look first, and set it only if `is_done` says that there is
    something to wait for. May be awaited once, by the task that made it.

    Args:
        awaitable: what to wait for.
    """

    def __init__(self, awaitable: Awaitable[T]) -> None:
        # A coroutine made of a generator (`types.coroutine`) may be awaited, and is its own steps.
        self._steps: Any = awaitable.__await__() if hasattr(awaitable, "__await__") else awaitable
        self.is_done = False
        self.result: T
        self._take(next, self._steps)

    def __await__(self) -> Generator[Any, None, T]:
        """Take the steps that are left."""
        while not self.is_done:
            try:
                yield self._waits_for
            except BaseException as error:
                # Whoever cancels us cancels what we wait for. Some servers' awaitables hear of it otherwise.
                throw = getattr(self._steps, "throw", None)
                if throw is None:
                    raise
                self._take(throw, error)
            else:
                self._take(next, self._steps)
        return self.result

    def _take(self, step: Callable[[Any], Any], argument: Any) -> None:
        try:
            self._waits_for = step(argument)
        except StopIteration as end:
            self.is_done, self.result = True, end.value
