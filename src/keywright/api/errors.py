"""Errors as HTTP answers: the one table of status codes of this listener."""

from __future__ import annotations

from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)

from keywright.errors import Fault, InvalidRequest, KeywrightError, NotFound, PayloadTooLarge
from keywright.wire import PROBLEM_TYPE, problem_document, problem_headers

_STATUS = {
    "unauthenticated": 401,
    "invalid_client": 401,
    "insufficient_user_authentication": 401,
    "forbidden": 403,
    "not_found": 404,
    "invalid_request": 400,
    "api_access_not_enabled": 403,
    "credential_limit_reached": 409,
    "last_manager": 409,
    "conflict": 409,
    "too_many_requests": 429,
    "payload_too_large": 413,
    "unavailable": 503,
    "internal_error": 500,
}
# What to do about a query parameter; Litestar speaks of Python types.
_ADVICE = {
    "limit": "must be a whole number from 1 to 200",
    "cursor": "is not one that we gave; leave it out to start at the beginning",
}
_log = structlog.get_logger("keywright.api")


def answer_error(_request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """Turn an error into a problem document; a Litestar exception handler.

    Args:
        error: ours, Litestar's, or one that nobody foresaw.

    Returns:
        The answer.
    """
    if isinstance(error, HTTPException):
        return _answer_http_error(error)
    if not isinstance(error, KeywrightError):
        _log.error("control_plane_failed", exc_info=error)
        error = KeywrightError(
            "this failed on our side and was logged; nothing was changed. Try again, or tell the operator"
        )
    status = _STATUS[error.code]
    if error.private:
        _log.warning("request_failed", code=error.code, reason=error.private)
    headers = problem_headers(error)
    if status == 401:
        headers.setdefault("WWW-Authenticate", 'Bearer realm="keywright"')
    return _problem(problem_document(error, status), status, headers)


def nothing_here() -> Response[dict[str, Any]]:
    """Answer at an address that does not exist."""
    fault = NotFound("nothing answers at this address; /v1/openapi.json lists those that do")
    return _problem(problem_document(fault, 404), 404, {})


def _answer_http_error(error: HTTPException) -> Response[dict[str, Any]]:
    """Litestar's own complaints, in our words."""
    headers = {key: value for key, value in (error.headers or {}).items() if key.lower() == "allow"}
    if isinstance(error, NotFoundException):
        return nothing_here()
    if isinstance(error, MethodNotAllowedException):
        advice = Fault("method", "this address does not do that; /v1/openapi.json says what it does")
        fault: KeywrightError = InvalidRequest([advice])
        return _problem(problem_document(fault, 405, code="method_not_allowed"), 405, headers)
    if error.status_code == 413:
        fault = PayloadTooLarge("the request is larger than this listener reads")
        return _problem(problem_document(fault, 413), 413, headers)
    if error.status_code < 500:
        fault = InvalidRequest(_faults(error))
        return _problem(problem_document(fault, 400), 400, headers)
    _log.error("control_plane_failed", exc_info=error)
    fault = KeywrightError("this failed on our side and was logged; nothing was changed")
    return _problem(problem_document(fault, 500), 500, headers)


def _faults(error: HTTPException) -> list[Fault]:
    extra = error.extra if isinstance(error, ValidationException) and isinstance(error.extra, list) else []
    faults = [
        Fault(name, _ADVICE.get(name) or str(each.get("message", "is not valid")))
        for each in extra
        if isinstance(each, dict)
        for name in [str(each.get("key", ""))]
    ]
    if any(fault.field == "data" for fault in faults) or "'data'" in error.detail:
        return [Fault("", "the body is empty; this call takes a JSON object")]
    return faults or [Fault("", error.detail)]


def _problem(document: dict[str, Any], status: int, headers: dict[str, str]) -> Response[dict[str, Any]]:
    return Response(
        document,
        status_code=status,
        media_type=PROBLEM_TYPE,
        headers={**headers, "Cache-Control": "no-store"},
    )
