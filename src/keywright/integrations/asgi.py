"""Middleware for ASGI applications: Starlette, FastAPI, Litestar and others.

What the application gets is what was verified: the body is read to its end, judged with the rest, and handed on from
memory. `scope["keywright"]` and `scope["state"]["keywright"]` (`request.state.keywright`) hold the Caller; None on
excluded paths. Headers beginning with `Keywright-` are taken away, since only a verifier may say such things.

A WebSocket's handshake is a GET request and is verified as one; what is said over it afterwards is not signed.

Source: the ASGI specification, version 3.0, and its HTTP & WebSocket message format, version 2.5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from keywright.errors import Fault, InvalidRequest, Refused
from keywright.integrations.answers import check_length, failure_answer, joined_lines, too_large
from keywright.integrations.begun import Begun
from keywright.integrations.caller import Caller
from keywright.integrations.configuration import Keywright
from keywright.integrations.exclusions import Exclusions
from keywright.integrations.public_url import HeaderLines, public_url
from keywright.integrations.verifiers import VERDICT_TYPES, async_verifier
from keywright.problems import Answer, refusal_answer
from keywright.signatures import SignedRequest, decode_fields

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_WEB_SOCKET_SCHEMES = {"ws": "http", "wss": "https"}
_DENIAL = "websocket.http.response"
# What stands bare in a path that a server has not kept as it was sent (RFC 3986 section 3.3).
_PATH_CHARACTERS = "/:@!$&'()*+,;=-._~"


class _Gone(Exception):
    """The client went away before its request was complete."""


class KeywrightMiddleware:
    """Lets only verified requests through to an ASGI application.

    Args:
        app: the application.
        keywright: where and how to verify.

    Raises:
        ModuleNotFoundError: what that way to verify needs is not installed.
    """

    def __init__(self, app: App, keywright: Keywright) -> None:
        self._app = app
        self._config = keywright
        self._excluded = Exclusions(keywright.exclude)
        self._verifier = async_verifier(keywright)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._live(scope, receive, send)
        elif kind in {"http", "websocket"}:
            if self._excluded and self._is_excluded(scope):
                await self._app(_handed_on(scope, None), receive, send)
            else:
                await self._guard(scope, receive, send)
        else:
            # An unknown kind of connection would be a way past the verifier.
            raise ValueError(f"Keywright cannot verify connections of type {kind!r}")

    def _is_excluded(self, scope: Scope) -> bool:
        path, root = str(scope["path"]), str(scope.get("root_path", ""))
        # Some frameworks take the root path out wherever it stands, and then route another path than the one seen here.
        is_cut_within = root.strip("/") != "" and not path.startswith(root) and root in path
        return path in self._excluded and not is_cut_within

    async def _guard(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_http = scope["type"] == "http"
        answer: Answer
        try:
            if is_http:
                body = await self._read_body(scope, receive)
                message: Message = {"type": "http.request", "body": body, "more_body": False}
            else:
                body, message = b"", await receive()
            # Only now: whoever wraps `receive` may have changed them, and what is judged is what is handed on.
            headers, fields = decode_fields(scope["headers"])
            request = signed_request(scope, headers, body, self._config)
            verdict = self._verifier.judge(request, fields)
            if not isinstance(verdict, VERDICT_TYPES):
                verdict = await verdict
        except _Gone:
            return
        except Exception as error:  # noqa: BLE001 - whatever we did not foresee must not let a request through
            answer = failure_answer(error)
        else:
            if not isinstance(verdict, Refused):
                await self._app(_handed_on(scope, verdict), _replayed(message, receive), send)
                return
            answer = refusal_answer(verdict, request.method)
        await (_answer_http if is_http else _answer_websocket)(scope, send, answer)

    async def _read_body(self, scope: Scope, receive: Receive) -> bytes:
        limit, seconds = self._config.max_body_bytes, self._config.body_timeout_seconds
        for name, value in scope["headers"]:
            if name == b"content-length":
                check_length(value.decode("latin-1"), limit)
        pieces: list[bytes] = []
        total = 0
        try:
            begun = Begun(receive())
            if begun.is_done and not begun.result.get("more_body"):
                return _content(begun.result, 0, limit)
            async with asyncio.timeout(seconds):
                message = await begun
                while True:
                    pieces.append(_content(message, total, limit))
                    total += len(pieces[-1])
                    if not message.get("more_body"):
                        return b"".join(pieces)
                    message = await receive()
        except TimeoutError:
            raise InvalidRequest([Fault("", f"the body did not arrive within {seconds} s")]) from None

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open before the application starts, so that what is missing shows then; close after it has stopped."""
        first = await receive()
        try:
            await self._verifier.open()
        except Exception as error:  # noqa: BLE001 - said to the server, whatever it is
            # Raised, it would be taken for an application that has no lifespan, and the server would go on.
            failure_answer(error)
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return

        async def close_and_send(message: Message) -> None:
            if message["type"] != "lifespan.startup.complete":
                await self._verifier.close()
            await send(message)

        await self._app(scope, _replayed(first, receive), close_and_send)


def _content(message: Message, before: int, limit: int) -> bytes:
    """A piece of a body; without a length the sender decides when it ends, so what came before counts along."""
    if message["type"] == "http.disconnect":
        raise _Gone
    content = bytes(message.get("body", b""))
    if before + len(content) > limit:
        raise too_large(limit)
    return content


def signed_request(scope: Scope, headers: HeaderLines, body: bytes, config: Keywright) -> SignedRequest:
    """Read the request as its client sent it.

    Args:
        scope: of an HTTP request or of a WebSocket's handshake.
        headers: its header lines as text.
        body: the whole body.
        config: says what the public origin is.

    Returns:
        The request to be judged.

    Raises:
        InvalidRequest: it does not say to whom it was sent.
    """
    # The path as sent; without it, one that decodes to what the application sees.
    path: bytes = scope.get("raw_path") or quote(scope["path"], safe=_PATH_CHARACTERS).encode("ascii")
    # Servers differ in whether they leave the query in it.
    target = path.partition(b"?")[0].decode("latin-1")
    query: bytes = scope.get("query_string", b"")
    if query:
        target += "?" + query.decode("latin-1")
    scheme: str = scope.get("scheme", "http")
    url = public_url(config, headers, _WEB_SOCKET_SCHEMES.get(scheme, scheme), scope.get("server"), target)
    return SignedRequest(scope.get("method", "GET"), url, headers, body)


def without_claims(scope: Scope) -> Scope:
    """Leave out the headers that only a verifier may say.

    Args:
        scope: of the request.

    Returns:
        A copy without them.
    """
    headers = [*scope["headers"]]
    # Hardly any request has such a header, and to look at each name takes longer than to look at all of them.
    if b"keywright" in b"\n".join([name for name, _ in headers]).lower():
        headers = [line for line in headers if not line[0].lower().replace(b"_", b"-").startswith(b"keywright-")]
    return {**scope, "headers": headers}


def _handed_on(scope: Scope, caller: Caller | None) -> Scope:
    handed_on = without_claims(scope)
    handed_on["state"] = {**scope.get("state", {}), "keywright": caller}
    handed_on["keywright"] = caller
    return handed_on


def _replayed(first: Message, receive: Receive) -> Receive:
    """Say again what was read, then let the server speak: of a client that goes away, for one."""
    waiting: Message | None = first

    async def receive_again() -> Message:
        nonlocal waiting
        if waiting is None:
            return await receive()
        message, waiting = waiting, None
        return message

    return receive_again


async def _answer_http(scope: Scope, send: Send, answer: Answer) -> None:
    status, lines, body = answer
    await send({"type": "http.response.start", "status": status, "headers": _header_lines(lines, body)})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def _answer_websocket(scope: Scope, send: Send, answer: Answer) -> None:
    status, lines, body = answer
    if _DENIAL not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1008, "reason": ""})  # the server answers the handshake with 403
        return
    # granian's worker dies of a header that is there twice in such an answer.
    headers = _header_lines([*joined_lines(lines).items()], body)
    await send({"type": f"{_DENIAL}.start", "status": status, "headers": headers})
    await send({"type": f"{_DENIAL}.body", "body": body})


def _header_lines(lines: list[tuple[str, str]], body: bytes) -> list[tuple[bytes, bytes]]:
    return [
        *((name.encode("ascii"), value.encode("ascii")) for name, value in lines),
        (b"content-length", b"%d" % len(body)),
    ]
