"""One auth object for httpx2 and httpx, sync and async: the steps are written once, and driven in two ways."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import AsyncGenerator, Generator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from keywright.sdk.token_keeper import Fetch

if TYPE_CHECKING:
    import httpx
    import httpx2

    AnyRequest = httpx2.Request | httpx.Request

_LIBRARIES = ("httpx2", "httpx")


class Read:
    """A step: have the body of this request or response in memory."""

    __slots__ = ("message",)

    def __init__(self, message: Any) -> None:
        self.message = message


class Wait:
    """A step: wait for a token that is being fetched elsewhere; it comes back, or None if that was given up."""

    __slots__ = ("fetch",)

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch


# A step is a request to send, whose response comes back, or one of the above.
Steps = Generator[Any, Any, None]


class HttpxFlow:
    """What httpx2 and httpx take for an auth object of their own, without either being imported here."""

    # What httpx asks of an auth object that reads bodies by itself.
    requires_request_body = False
    requires_response_body = False

    # httpx takes an auth object for one only if it is an instance of its own class. We want neither library imported
    # nor one preferred, so we answer that question when it is asked: by then the library that asks is there.
    @property  # type: ignore[misc]
    def __class__(self) -> type[HttpxFlow]:
        modules = [sys.modules[name] for name in _LIBRARIES if name in sys.modules]
        bases = dict.fromkeys(module.Auth for module in modules if hasattr(module, "Auth"))
        own: Any = type(self)
        return _class_with(own, tuple(bases))

    @abstractmethod
    def _steps(self, request: AnyRequest) -> Steps:
        """What is done for a request, as steps; see `Steps`."""

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Authenticate and send; the flow of a sync client."""
        steps = self._steps(request)
        answer: Any = None
        try:
            while True:
                try:
                    step = steps.send(answer)
                except StopIteration:
                    return
                if isinstance(step, Read):
                    answer = step.message.read()
                elif isinstance(step, Wait):
                    answer = step.fetch.wait()
                else:
                    answer = yield step
        finally:
            steps.close()

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """Authenticate and send; the flow of an async client."""
        steps = self._steps(request)
        answer: Any = None
        try:
            while True:
                try:
                    step = steps.send(answer)
                except StopIteration:
                    return
                if isinstance(step, Read):
                    answer = await step.message.aread()
                elif isinstance(step, Wait):
                    answer = await step.fetch.wait_async()
                else:
                    answer = yield step
        finally:
            steps.close()


def library_of(request: Any) -> Any:
    """Tell which library a request belongs to.

    Args:
        request: of httpx2 or httpx.

    Returns:
        The library's module.

    Raises:
        TypeError: it is of neither.
    """
    for kind in type(request).__mro__:
        name = kind.__module__.partition(".")[0]
        if name in _LIBRARIES:
            return sys.modules[name]
    raise TypeError("this auth object is for httpx2 and httpx; for requests there is another one")


@lru_cache(maxsize=16)
def _class_with(own: Any, bases: tuple[type, ...]) -> type[HttpxFlow]:
    return type(own.__name__, (own, *bases), {}) if bases else own
