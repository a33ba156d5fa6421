"""Middleware for Django, under WSGI and ASGI, for synchronous and asynchronous views.

`request.keywright` holds the Caller; None on excluded paths. The settings stand in the project's settings module:

    MIDDLEWARE = ["keywright.integrations.django.KeywrightMiddleware", ...]
    KEYWRIGHT = {"GATEWAY": "http://127.0.0.1:8081", "API_ORIGIN": "https://api.example.com"}

The body is read here to its end, judged with the rest, and handed on from memory, so views find it whole.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from keywright.errors import KeywrightError, Refused
from keywright.integrations import asgi, wsgi
from keywright.integrations.answers import check_length, joined_lines, too_large
from keywright.integrations.background import Background
from keywright.integrations.caller import Caller
from keywright.integrations.configuration import read_mapping
from keywright.integrations.exclusions import Exclusions
from keywright.integrations.verifiers import async_verifier, verifier
from keywright.problems import Answer, refusal_answer
from keywright.signatures import SignedRequest, decode_fields


class KeywrightMiddleware:
    """Lets only verified requests through to the views.

    Args:
        get_response: the next middleware or the view.

    Raises:
        ImproperlyConfigured: the setting `KEYWRIGHT` is missing or has faults, or a package that it needs is missing.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._next = get_response
        self._is_async = iscoroutinefunction(get_response)
        mapping = getattr(settings, "KEYWRIGHT", None)
        if not isinstance(mapping, dict):
            raise ImproperlyConfigured('Keywright needs a setting: KEYWRIGHT = {"GATEWAY": "http://127.0.0.1:8081"}')
        try:
            self._config = read_mapping(mapping)
            if self._is_async:
                # Django may bring an event loop for each request, so ours is elsewhere.
                self._background = Background(async_verifier(self._config))
            else:
                self._verifier = verifier(self._config)
        except (KeywrightError, ModuleNotFoundError, ValueError) as error:
            raise ImproperlyConfigured(str(error)) from error
        self._excluded = Exclusions(self._config.exclude)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Serve one request."""
        if self._is_async:
            return self._serve_async(request)
        if request.path in self._excluded:
            return self._pass(request)
        try:
            signed = self._read(request)
            verdict = self._verifier.verify(signed)
        except Exception as error:  # noqa: BLE001 - whatever we did not foresee must not let a request through
            return _response(wsgi.answer_failure(error))
        if isinstance(verdict, Refused):
            return _response(refusal_answer(verdict, signed.method))
        return self._pass(request, verdict)

    async def _serve_async(self, request: HttpRequest) -> HttpResponseBase:
        if request.path in self._excluded:
            return await self._pass(request)
        try:
            signed = self._read(request)
            verdict = await self._background.verify_async(signed)
        except Exception as error:  # noqa: BLE001 - whatever we did not foresee must not let a request through
            return _response(wsgi.answer_failure(error))
        if isinstance(verdict, Refused):
            return _response(refusal_answer(verdict, signed.method))
        return await self._pass(request, verdict)

    def _read(self, request: HttpRequest) -> SignedRequest:
        """Read the request and its body, and put the body back."""
        limit = self._config.max_body_bytes
        scope = getattr(request, "scope", None)
        if hasattr(request, "_body"):
            body = request.body  # a middleware before us has read it
        elif scope is None:
            # From the server itself: what Django would read ends at a Content-Length, which a chunked body lacks.
            body = wsgi.read_body(request.environ, limit)
        else:
            # Under ASGI, Django has the whole body already, chunked or not.
            check_length(request.META.get("CONTENT_LENGTH"), limit)
            body = request.read(limit + 1)
        if len(body) > limit:
            raise too_large(limit)
        if scope is None:
            signed = wsgi.signed_request(request.environ, body, self._config)
        else:
            signed = asgi.signed_request(scope, decode_fields(scope["headers"])[0], body, self._config)
        # As Django's own `request.body` leaves it, but with nothing read yet.
        request._body = body  # noqa: SLF001
        request._stream = BytesIO(body)  # noqa: SLF001
        request._read_started = False  # noqa: SLF001
        wsgi.tell_length(request.META, body)
        return signed

    def _pass(self, request: HttpRequest, caller: Caller | None = None) -> Any:
        wsgi.remove_claims(request.META)
        scope = getattr(request, "scope", None)
        if scope is not None:
            request.scope = asgi.without_claims(scope)
        # Made of META when first asked for, which may have been before us.
        request.__dict__.pop("headers", None)
        request.keywright = caller
        return self._next(request)


def _response(answer: Answer) -> HttpResponse:
    status, lines, body = answer
    return HttpResponse(body, status=status, headers=joined_lines(lines))
