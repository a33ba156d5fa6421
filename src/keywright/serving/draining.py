"""The time between the word to end and the end: a node is left before it goes, so that no request is lost.

The flag lies in memory that the supervisor shares with every process that is forked from it, and theirs. While it is
up, requests are answered as ever, but `/readyz` says no, so that balancers choose another node, and each answer ends
its connection, so that clients which keep one come back elsewhere.
"""

from __future__ import annotations

import mmap
from collections.abc import Awaitable
from typing import Any

from keywright.errors import Unavailable
from keywright.problems import problem_answer
from keywright.telemetry.requests import AsgiApp, Message, Receive, Scope, Send

_READY_PATH = "/readyz"


class DrainFlag:
    """Tells processes that are forked after it was made that the node is to be left. It is never taken down again."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)

    def put_up(self) -> None:
        """Say that the node ends soon."""
        self._shared[0] = 1

    @property
    def is_up(self) -> bool:
        """Whether the node ends soon."""
        return self._shared[0] == 1


def leavable(app: AsgiApp, flag: DrainFlag, *, code: str) -> AsgiApp:
    """Let clients leave an application whose node ends.

    Args:
        app: the application.
        flag: up when the node ends soon.
        code: what the listener calls it when it cannot answer.

    Returns:
        The application to serve.
    """

    # Not a coroutine itself: until the end, a request costs one look at the flag.
    def choose(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http" or not flag.is_up:
            return app(scope, receive, send)
        if scope["path"] == _READY_PATH:
            return _refuse(scope, send, code)
        return app(scope, receive, _closing(scope, send))

    return choose


async def _refuse(scope: Scope, send: Send, code: str) -> None:
    error = Unavailable("draining: this node ends in a moment; send requests to another one")
    status, headers, body = problem_answer(error, 503, code=code)
    lines = [(name.encode(), value.encode()) for name, value in headers]
    lines.append((b"content-length", b"%d" % len(body)))
    send = _closing(scope, send)
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _closing(scope: Scope, send: Send) -> Send:
    """Have the connection end with the answer (RFC 9112 section 9.6); HTTP/2 has other words, which the server says."""
    if not scope.get("http_version", "1.1").startswith("1"):
        return send

    async def close(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: list[Any] = [line for line in message["headers"] if line[0].lower() != b"connection"]
            message = {**message, "headers": [*headers, (b"connection", b"close")]}
        await send(message)

    return close
