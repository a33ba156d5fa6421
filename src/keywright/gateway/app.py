"""The data plane as an ASGI application: the fewest steps between the socket and the verdict.

Header lines reach the verifier as they came, every one of them: a line that it did not see, and the backend does,
would be a way past the signature.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from keywright.errors import (
    Fault,
    InvalidRequest,
    KeywrightError,
    NotFound,
    PayloadTooLarge,
    Refused,
    Unavailable,
)
from keywright.gateway.answers import SentAnswer, forward_auth_answer, json_answer, sent, verdict_answer
from keywright.gateway.forward_auth import read_original_request, with_problem_header
from keywright.gateway.origin import with_origin
from keywright.gateway.tokens import TokenAnswers
from keywright.gateway.verify import read_verify_call
from keywright.problems import problem_answer, refusal_answer
from keywright.signatures import SignedRequest, decode_fields
from keywright.telemetry import Metrics
from keywright.telemetry.metrics import ACCEPTED
from keywright.tokens import JSON_TOKEN_PATH
from keywright.tokens import MAX_BODY_BYTES as TOKEN_BODY_BYTES
from keywright.verification import VERDICT_TYPES, Verdict, VerificationService

BODY_SECONDS = 10
# In these a request without Content-Length and Transfer-Encoding has no content; in HTTP/2 that proves nothing.
_WITHOUT_FRAMES = frozenset({"1", "1.0", "1.1"})
_log = structlog.get_logger("keywright.gateway")


Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Gateway:
    """Answers what gateways ask.

    Args:
        service: judges requests.
        metrics: counts the verdicts.
        is_ready: tells whether verdicts can be given truthfully now; raises Unavailable with the reason if not.
        every_second: called aside about once a second.
        start: called once on the event loop before the first request.
        stop: called once after the last.
        max_body_bytes: the largest request body that is read.
        api_origin: scheme and authority that clients sign for; None takes what the gateway says.
        tokens: answers at the tokens' addresses.
    """

    def __init__(
        self,
        service: VerificationService,
        metrics: Metrics,
        *,
        is_ready: Callable[[], Awaitable[None]],
        every_second: Callable[[], None],
        start: Callable[[], None],
        stop: Callable[[], Awaitable[None]],
        max_body_bytes: int,
        api_origin: str | None,
        tokens: TokenAnswers,
    ) -> None:
        self._judge = service.judge
        self._metrics = metrics
        self._is_ready = is_ready
        self._every_second = every_second
        self._start = start
        self._stop = stop
        self._max_body_bytes = max_body_bytes
        self._api_origin = api_origin
        self._tokens = tokens
        self._settling: asyncio.Task[None] | None = None
        self._routes: dict[str, tuple[str | None, Callable[[Scope, Receive], Awaitable[SentAnswer]]]] = {
            "/v1/verify": ("POST", self._answer_verify),
            "/v1/forward-auth": (None, self._answer_forward_auth),
            "/healthz": ("GET", self._answer_health),
            "/readyz": ("GET", self._answer_ready),
            "/metrics": ("GET", self._answer_metrics),
            JSON_TOKEN_PATH: ("POST", self._answer_json_token),
            **{path: (method, self._answer_oauth) for path, method in tokens.oauth_paths.items()},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or start and stop (ASGI)."""
        if scope["type"] != "http":
            await self._live(receive, send)
            return
        status, lines, body = await self._answer(scope, receive)
        # A list of its own, since a kept answer's is used again.
        await send({"type": "http.response.start", "status": status, "headers": [*lines]})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start before the first request and stop after the last (ASGI lifespan)."""
        await receive()
        self._start()
        self._settling = asyncio.get_running_loop().create_task(self._settle())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._settling.cancel()
        await self._stop()
        self._metrics.settle()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive) -> SentAnswer:
        try:
            found = self._routes.get(scope["path"])
            if found is None:
                known = ", ".join(self._routes)
                return sent(problem_answer(NotFound(f"nothing answers at this address; there are {known}"), 404))
            method, answer = found
            if method is not None and scope["method"] != method and not (method == "GET" and scope["method"] == "HEAD"):
                return _wrong_method(method)
            return await answer(scope, receive)
        except InvalidRequest as error:
            return sent(problem_answer(error, 400))
        except PayloadTooLarge as error:
            return sent(problem_answer(error, 413))
        except Unavailable as error:
            _log.error("verifier_unavailable", reason=error.private or error.message)
            self._metrics.verdicts["verifier_unavailable"] += 1
            return sent(problem_answer(error, 503, code="verifier_unavailable"))
        except Exception:  # noqa: BLE001 - the last resort of this listener
            # Whatever we did not foresee must not let a request through.
            _log.exception("gateway_failed", path=scope["path"])
            return sent(problem_answer(KeywrightError("the verifier failed on this request; its log says why"), 500))

    async def _answer_verify(self, scope: Scope, receive: Receive) -> SentAnswer:
        call = read_verify_call(await self._read_body(scope, receive))
        url = call.url if self._api_origin is None else with_origin(call.url, self._api_origin)
        request = SignedRequest(call.method, url, call.headers, call.body)
        verdict = self._judge(request)
        if not isinstance(verdict, VERDICT_TYPES):
            verdict = await verdict
        self._note(verdict, request)
        return sent(verdict_answer(verdict))

    async def _answer_forward_auth(self, scope: Scope, receive: Receive) -> SentAnswer:
        headers, fields = decode_fields(scope["headers"])
        is_empty = fields is not None and _is_without_body(scope, fields)
        body = b"" if is_empty else await self._read_body(scope, receive)
        request = read_original_request(headers, fields, body or None, self._api_origin)
        verdict = self._judge(request, fields)
        if not isinstance(verdict, VERDICT_TYPES):
            verdict = await verdict
        self._note(verdict, request)
        if isinstance(verdict, Refused):
            return sent(with_problem_header(refusal_answer(verdict, request.method)))
        return forward_auth_answer(verdict.client_id, verdict.account_id, verdict.body_verified)

    async def _answer_json_token(self, scope: Scope, receive: Receive) -> SentAnswer:
        body = await self._read_body(scope, receive, TOKEN_BODY_BYTES)
        return sent(await self._tokens.answer_json(scope, _header_lines(scope), body))

    async def _answer_oauth(self, scope: Scope, receive: Receive) -> SentAnswer:
        body = await self._read_body(scope, receive, TOKEN_BODY_BYTES)
        return sent(await self._tokens.answer_oauth(scope, _header_lines(scope), body))

    def _note(self, verdict: Verdict, request: SignedRequest) -> None:
        if isinstance(verdict, Refused):
            self._metrics.verdicts[verdict.code.value] += 1
            _log.info("request_refused", code=verdict.code.value, method=request.method[:16])
        else:
            self._metrics.verdicts[ACCEPTED] += 1

    async def _read_body(self, scope: Scope, receive: Receive, most: int | None = None) -> bytes:
        limit = self._max_body_bytes if most is None else most
        for name, value in scope["headers"]:
            if name == b"content-length" and not (value.isdigit() and int(value) <= limit):
                raise _too_large(limit)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await _whole_body(receive, limit)
        except TimeoutError:
            raise InvalidRequest([Fault("", f"the body did not arrive within {BODY_SECONDS} s")]) from None

    async def _answer_health(self, _scope: Scope, _receive: Receive) -> SentAnswer:
        return sent(json_answer(200, msgspec.json.encode({"status": "ok"})))

    async def _answer_ready(self, _scope: Scope, _receive: Receive) -> SentAnswer:
        await self._is_ready()
        return sent(json_answer(200, msgspec.json.encode({"status": "ready"})))

    async def _answer_metrics(self, _scope: Scope, _receive: Receive) -> SentAnswer:
        return sent((200, [("content-type", self._metrics.content_type)], self._metrics.render()))

    async def _settle(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(1)
                self._every_second()
                self._metrics.settle()


async def _whole_body(receive: Receive, limit: int) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    # Without a length the sender decides when it ends, so count along.
    pieces, total = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidRequest([Fault("", "the body ended before it was complete")])
        pieces.append(message.get("body", b""))
        total += len(pieces[-1])
        if total > limit:
            raise _too_large(limit)
    return b"".join(pieces)


def _is_without_body(scope: Scope, fields: dict[str, str]) -> bool:
    """Tell whether no content can come, since to wait costs time (RFC 9112 section 6.3: no length and no coding)."""
    return (
        "transfer-encoding" not in fields
        and fields.get("content-length", "0") == "0"
        and scope["http_version"] in _WITHOUT_FRAMES
    )


def _header_lines(scope: Scope) -> list[tuple[str, str]]:
    """Every header line as text, byte for byte (RFC 9110 section 5.5 allows any byte above 127)."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]


def _too_large(limit: int) -> PayloadTooLarge:
    advice = "" if limit == TOKEN_BODY_BYTES else "; KEYWRIGHT_MAX_BODY_BYTES sets how much is read"
    return PayloadTooLarge(f"the request is larger than {limit} bytes{advice}")


def _wrong_method(method: str) -> SentAnswer:
    error = InvalidRequest([Fault("method", f"this address takes {method}")])
    status, headers, body = problem_answer(error, 405, code="method_not_allowed")
    return sent((status, [*headers, ("allow", method)], body))
