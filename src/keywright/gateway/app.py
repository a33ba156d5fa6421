"""The data plane as an RSGI application: the fewest steps between the socket and the verdict."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

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
from keywright.gateway.answers import Answer, json_answer, problem_answer, refusal_answer, verdict_answer
from keywright.gateway.forward_auth import read_original_request
from keywright.gateway.origin import with_origin
from keywright.gateway.verify import read_verify_call
from keywright.signatures import SignedRequest
from keywright.telemetry import CONTENT_TYPE, Metrics
from keywright.telemetry.metrics import ACCEPTED
from keywright.verification import Accepted, VerificationService

SETTLE_SECONDS = 1.0
_log = structlog.get_logger("keywright.gateway")


class Headers(Protocol):
    """A request's headers, as RSGI gives them."""

    def get(self, name: str) -> str | None:
        """Return the first value of a header, or None."""

    def items(self) -> list[tuple[str, str]]:
        """Return all header lines."""


class Scope(Protocol):
    """A request's head, as RSGI gives it."""

    method: str
    path: str
    headers: Headers


class Exchange(Protocol):
    """A request's body and the way to answer, as RSGI gives them."""

    async def __call__(self) -> bytes:
        """Read the whole body."""

    def __aiter__(self) -> Any:
        """Read the body in pieces."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send the answer."""


class Gateway:
    """Answers what gateways ask.

    Args:
        service: judges requests.
        metrics: counts the verdicts.
        is_ready: tells whether verdicts can be given truthfully now; raises Unavailable with the reason if not.
        start: called once on the event loop before the first request.
        stop: called once after the last.
        max_body_bytes: the largest request body that is read.
        api_origin: scheme and authority that clients sign for; None takes what the gateway says.
    """

    def __init__(
        self,
        service: VerificationService,
        metrics: Metrics,
        *,
        is_ready: Callable[[], Awaitable[None]],
        start: Callable[[], None],
        stop: Callable[[], Awaitable[None]],
        max_body_bytes: int,
        api_origin: str | None,
    ) -> None:
        self._verify = service.verify
        self._metrics = metrics
        self._is_ready = is_ready
        self._start = start
        self._stop = stop
        self._max_body_bytes = max_body_bytes
        self._api_origin = api_origin
        self._settling: asyncio.Task[None] | None = None
        self._routes: dict[str, tuple[str | None, Callable[[Scope, Exchange], Awaitable[Answer]]]] = {
            "/v1/verify": ("POST", self._answer_verify),
            "/v1/forward-auth": (None, self._answer_forward_auth),
            "/healthz": ("GET", self._answer_health),
            "/readyz": ("GET", self._answer_ready),
            "/metrics": ("GET", self._answer_metrics),
        }

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start, on the worker's event loop (RSGI)."""

        async def started() -> None:
            self._start()
            self._settling = loop.create_task(self._settle())

        loop.run_until_complete(started())

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stop, on the worker's event loop (RSGI)."""
        if self._settling is not None:
            self._settling.cancel()
        loop.run_until_complete(self._stop())
        self._metrics.settle()

    async def __rsgi__(self, scope: Scope, exchange: Exchange) -> None:
        """Answer one request (RSGI)."""
        try:
            method, answer = self._routes[scope.path]
            if method is not None and scope.method != method:
                status, headers, body = _wrong_method(method)
            else:
                status, headers, body = await answer(scope, exchange)
        except KeyError:
            known = ", ".join(self._routes)
            status, headers, body = problem_answer(NotFound(f"nothing answers at this address; there are {known}"), 404)
        except InvalidRequest as error:
            status, headers, body = problem_answer(error, 400)
        except PayloadTooLarge as error:
            status, headers, body = problem_answer(error, 413)
        except Unavailable as error:
            _log.error("verifier_unavailable", reason=error.private or error.message)
            self._metrics.verdicts["verifier_unavailable"] += 1
            status, headers, body = problem_answer(error, 503, code="verifier_unavailable")
        except Exception:  # noqa: BLE001 - the last resort of this listener
            # Whatever we did not foresee must not let a request through.
            _log.exception("gateway_failed", path=scope.path)
            failure = KeywrightError("the verifier failed on this request; its log says why")
            status, headers, body = problem_answer(failure, 500)
        exchange.response_bytes(status, headers, body)

    async def _answer_verify(self, scope: Scope, exchange: Exchange) -> Answer:
        call = read_verify_call(await self._read_body(scope, exchange))
        url = call.url if self._api_origin is None else with_origin(call.url, self._api_origin)
        verdict = await self._judge(SignedRequest(call.method, url, call.headers, call.body))
        return verdict_answer(verdict)

    async def _answer_forward_auth(self, scope: Scope, exchange: Exchange) -> Answer:
        body = await self._read_body(scope, exchange)
        request = read_original_request(scope.headers.items(), body or None, self._api_origin)
        verdict = await self._judge(request)
        if isinstance(verdict, Refused):
            return refusal_answer(verdict, request.method)
        return (
            200,
            [("keywright-client-id", verdict.client_id), ("keywright-account-id", verdict.account_id)],
            b"",
        )

    async def _judge(self, request: SignedRequest) -> Accepted | Refused:
        verdict = await self._verify(request)
        if isinstance(verdict, Refused):
            self._metrics.verdicts[verdict.code.value] += 1
            _log.info("request_refused", code=verdict.code.value, method=request.method[:16])
        else:
            self._metrics.verdicts[ACCEPTED] += 1
        return verdict

    async def _read_body(self, scope: Scope, exchange: Exchange) -> bytes:
        limit = self._max_body_bytes
        length = scope.headers.get("content-length")
        if length is not None:
            if not length.isdecimal() or int(length) > limit:
                raise _too_large(limit)
            return await exchange()
        # Without a length the sender decides when it ends, so count along.
        pieces, total = [], 0
        async for piece in exchange:
            total += len(piece)
            if total > limit:
                raise _too_large(limit)
            pieces.append(piece)
        return b"".join(pieces)

    async def _answer_health(self, _scope: Scope, _exchange: Exchange) -> Answer:
        return json_answer(200, msgspec.json.encode({"status": "ok"}))

    async def _answer_ready(self, _scope: Scope, _exchange: Exchange) -> Answer:
        await self._is_ready()
        return json_answer(200, msgspec.json.encode({"status": "ready"}))

    async def _answer_metrics(self, _scope: Scope, _exchange: Exchange) -> Answer:
        return 200, [("content-type", CONTENT_TYPE)], self._metrics.render()

    async def _settle(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(SETTLE_SECONDS)
                self._metrics.settle()


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"the request is larger than {limit} bytes; KEYWRIGHT_MAX_BODY_BYTES sets how much is read")


def _wrong_method(method: str) -> Answer:
    error = InvalidRequest([Fault("method", f"this address takes {method}")])
    status, headers, body = problem_answer(error, 405, code="method_not_allowed")
    return status, [*headers, ("allow", method)], body
