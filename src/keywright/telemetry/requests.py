"""Count and log each answered request of the control plane."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from keywright.telemetry.metrics import Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
AsgiApp = Callable[[Any, Receive, Send], Awaitable[None]]
_log = structlog.get_logger("keywright.control")


def observed(app: AsgiApp, metrics: Metrics) -> AsgiApp:
    """Wrap an ASGI application so that its answers are counted and logged.

    They are told by their route's pattern, which the application leaves in the scope as `path_template`: paths may hold
    an invitation's token. The caller is what it leaves in the scope's state as `principal`.

    Args:
        app: the application.
        metrics: counts.

    Returns:
        The application to serve.
    """

    async def observe(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, noting_send)
        finally:
            seconds = time.perf_counter() - started
            method, route = scope["method"], str(scope.get("path_template") or "unknown")
            caller = dict(scope.get("state") or {}).get("principal")
            metrics.count_request(method, route, status, seconds)
            _log.info(
                "answered",
                method=method,
                route=route,
                status=status,
                ms=round(seconds * 1000, 1),
                caller=caller.actor() if caller else None,
            )

    return observe
