"""RFC 9457 problem documents, with our `code`."""

from __future__ import annotations

from typing import Any

from keywright.errors import InvalidRequest, KeywrightError, Refused, TooManyRequests, Unavailable

PROBLEM_TYPE = "application/problem+json"

_TITLES = {
    "unauthenticated": "Sign in or send a token",
    "insufficient_user_authentication": "Confirm that it is you",
    "forbidden": "Your role does not allow this",
    "not_found": "There is no such thing here",
    "method_not_allowed": "This address does not do that",
    "invalid_request": "The request has faults",
    "api_access_not_enabled": "API access is not enabled",
    "credential_limit_reached": "No more API keys can be created",
    "last_manager": "An account keeps its last manager",
    "conflict": "This collides with what is there",
    "too_many_requests": "Too many attempts",
    "payload_too_large": "The request is too large",
    "unavailable": "Not available now",
    "verifier_unavailable": "The verifier cannot answer now",
    "internal_error": "Something failed on our side",
}


def problem_document(fault: KeywrightError | Refused, status: int, *, code: str | None = None) -> dict[str, Any]:
    """Make the problem document of an error or refusal.

    Args:
        fault: what went wrong.
        status: the HTTP status it is sent with.
        code: a public code that stands in for the fault's own.

    Returns:
        The members of RFC 9457 and `code`, and `errors` for faulty input.

    Source: RFC 9457 section 3.
    """
    if isinstance(fault, Refused):
        return {
            "type": "about:blank",
            "title": fault.title,
            "status": status,
            "detail": fault.detail,
            "code": fault.code.value,
        }
    name = code or fault.code
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES[name],
        "status": status,
        "detail": fault.message,
        "code": name,
    }
    if isinstance(fault, InvalidRequest):
        document["errors"] = [{"field": each.field, "message": each.message} for each in fault.faults]
    return document


def problem_headers(fault: KeywrightError | Refused) -> dict[str, str]:
    """Return the headers that belong to an error: when to come back.

    Args:
        fault: what went wrong.

    Returns:
        `Retry-After` in seconds, where it helps.
    """
    if isinstance(fault, TooManyRequests | Unavailable):
        return {"Retry-After": str(fault.retry_after_seconds)}
    return {}
