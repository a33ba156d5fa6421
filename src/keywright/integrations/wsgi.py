"""Middleware for WSGI applications: Flask and others.

What the application gets is what was verified: the body is read to its end, judged with the rest, and handed on from
memory. `environ["keywright"]` holds the Caller; None on excluded paths. Headers beginning with `Keywright-` are taken
away, since only a verifier may say such things.

Source: PEP 3333.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from keywright.errors import Fault, InvalidRequest, Refused
from keywright.integrations.answers import check_length, failure_answer, too_large
from keywright.integrations.configuration import Keywright
from keywright.integrations.exclusions import Exclusions
from keywright.integrations.public_url import public_url
from keywright.integrations.verifiers import verifier
from keywright.problems import Answer, problem_answer, refusal_answer
from keywright.signatures import SignedRequest

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

_PIECE_BYTES = 64 * 1024
# What stands bare in a path that a server has not kept as it was sent (RFC 3986 section 3.3).
_PATH_CHARACTERS = "/:@!$&'()*+,;=-._~"


class LengthRequired(InvalidRequest):
    """The body comes in chunks, and this server does not take them apart."""


class KeywrightMiddleware:
    """Lets only verified requests through to a WSGI application.

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
        self._verifier = verifier(keywright)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request (WSGI)."""
        environ["keywright"] = None
        path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
        if path.decode("utf-8", "replace") in self._excluded:
            remove_claims(environ)
            return self._app(environ, start_response)
        answer: Answer
        try:
            body = read_body(environ, self._config.max_body_bytes)
            request = signed_request(environ, body, self._config)
            verdict = self._verifier.verify(request)
        except Exception as error:  # noqa: BLE001 - whatever we did not foresee must not let a request through
            answer = answer_failure(error)
        else:
            if not isinstance(verdict, Refused):
                environ["keywright"] = verdict
                environ["wsgi.input"] = BytesIO(body)
                tell_length(environ, body)
                remove_claims(environ)
                return self._app(environ, start_response)
            answer = refusal_answer(verdict, request.method)
        status, lines, content = answer
        lines = [(name.title(), value) for name, value in lines] + [("Content-Length", str(len(content)))]
        start_response(f"{status} {HTTPStatus(status).phrase}", lines)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else content]


def answer_failure(error: Exception) -> Answer:
    """Answer a request that could not be judged, 411 for one whose body cannot be read here.

    Args:
        error: why not.
    """
    return problem_answer(error, 411) if isinstance(error, LengthRequired) else failure_answer(error)


def read_body(environ: Environ, limit: int) -> bytes:
    """Read the whole body.

    Args:
        environ: the request.
        limit: the most bytes that are read.

    Returns:
        The body.

    Raises:
        PayloadTooLarge: there is more.
        LengthRequired: it comes in chunks, and the server does not say where it ends.
        InvalidRequest: it ended too early.
    """
    is_chunked, has_end = bool(environ.get("HTTP_TRANSFER_ENCODING")), bool(environ.get("wsgi.input_terminated"))
    length = None if is_chunked else check_length(environ.get("CONTENT_LENGTH"), limit)
    if is_chunked and not has_end:
        raise LengthRequired([Fault("", "this server takes no chunked bodies; send the body with a Content-Length")])
    # Neither said: no body in HTTP/1.1 (RFC 9112 section 6.3), but there may be one in HTTP/2, which ends by itself.
    if length is None and not has_end:
        return b""
    pieces: list[bytes] = []
    total = 0
    while length is None or total < length:
        try:
            piece = environ["wsgi.input"].read(_PIECE_BYTES if length is None else min(_PIECE_BYTES, length - total))
        except OSError:
            piece, length = b"", -1
        if not piece:
            break
        pieces.append(piece)
        total += len(piece)
        if total > limit:
            raise too_large(limit)
    if length is not None and total != length:
        raise InvalidRequest([Fault("", "the body ended before it was complete")])
    return b"".join(pieces)


def signed_request(environ: Environ, body: bytes, config: Keywright) -> SignedRequest:
    """Read the request as its client sent it.

    Args:
        environ: the request.
        body: the whole body.
        config: says what the public origin is.

    Returns:
        The request to be judged.

    Raises:
        InvalidRequest: it does not say to whom it was sent.
    """
    headers = [
        (name[5:].replace("_", "-").lower(), value) for name, value in environ.items() if name.startswith("HTTP_")
    ]
    headers += [
        (name.replace("_", "-").lower(), environ[name])
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH")
        if environ.get(name)
    ]
    target = _path(environ)
    if environ.get("QUERY_STRING"):
        target += "?" + environ["QUERY_STRING"]
    server = (environ.get("SERVER_NAME", ""), environ.get("SERVER_PORT", ""))
    url = public_url(config, headers, environ.get("wsgi.url_scheme", "http"), server, target)
    return SignedRequest(environ["REQUEST_METHOD"], url, headers, body)


def tell_length(environ: Environ, body: bytes) -> None:
    """Say how long a body is that came in chunks and now lies in memory.

    Args:
        environ: the request.
        body: its whole body.
    """
    if environ.pop("HTTP_TRANSFER_ENCODING", None):
        environ["CONTENT_LENGTH"] = str(len(body))


def remove_claims(environ: Environ) -> None:
    """Take away what only a verifier may say.

    Args:
        environ: the request.
    """
    for name in [each for each in environ if each.startswith("HTTP_KEYWRIGHT_")]:
        del environ[name]


def _path(environ: Environ) -> str:
    """The path as sent, where the server kept it and the application sees the same; else one that decodes to it."""
    seen = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
    for name in ("RAW_URI", "REQUEST_URI"):
        raw = environ.get(name, "").partition("?")[0]
        if raw.startswith("/") and unquote_to_bytes(raw.encode("latin-1")) == seen:
            return str(raw)
    return quote(seen, safe=_PATH_CHARACTERS)
