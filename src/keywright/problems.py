"""Errors and refusals as HTTP answers: RFC 9457 problem documents with our `code`, and the headers beside them.

Standard library only: the middleware in someone else's application answers with it too, on the base install.
"""

from __future__ import annotations

import json
from typing import Any

from keywright.errors import (
    InvalidClient,
    InvalidRequest,
    KeywrightError,
    RefusalCode,
    Refused,
    TooManyRequests,
    Unavailable,
)
from keywright.signatures import accept_signature

PROBLEM_TYPE = "application/problem+json"
# A 401 names a way in (RFC 9110 section 15.5.2); for clients it is this one (RFC 6749 section 2.3.1).
CLIENT_CHALLENGE = 'Basic realm="keywright"'

# Status, header lines with names in lower case, body.
Answer = tuple[int, list[tuple[str, str]], bytes]

# Every other refusal is 401: sign properly and come again.
_STATUS = {RefusalCode.API_ACCESS_DISABLED: 403}
_BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})

_TITLES = {
    "unauthenticated": "Sign in or send a token",
    "invalid_client": "Client ID or Client Secret is wrong",
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
        The members of RFC 9457 and `code`; `errors` for faulty input, `signatureBase` if a signature does not
        hold.

    Source: RFC 9457 section 3.
    """
    if isinstance(fault, Refused):
        refusal: dict[str, Any] = {
            "type": "about:blank",
            "title": fault.title,
            "status": status,
            "detail": fault.detail,
            "code": fault.code.value,
        }
        if fault.signature_base is not None:
            refusal["signatureBase"] = fault.signature_base
        return refusal
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
    """Return the headers that belong to an error: when to come back, and how to say who one is.

    Args:
        fault: what went wrong.

    Returns:
        `Retry-After` in seconds, where it helps; `WWW-Authenticate` for a client that is not known.
    """
    if isinstance(fault, InvalidClient):
        return {"WWW-Authenticate": CLIENT_CHALLENGE}
    if isinstance(fault, TooManyRequests | Unavailable):
        return {"Retry-After": str(fault.retry_after_seconds)}
    return {}


def problem_answer(fault: KeywrightError | Refused, status: int, *, code: str | None = None) -> Answer:
    """Answer with a problem document.

    Args:
        fault: what went wrong.
        status: the HTTP status.
        code: a public code that stands in for the fault's own.

    Returns:
        The answer.

    Source: RFC 9457 section 3.
    """
    headers = [("content-type", PROBLEM_TYPE), ("cache-control", "no-store")]
    headers += [(name.lower(), value) for name, value in problem_headers(fault).items()]
    document = problem_document(fault, status, code=code)
    return status, headers, json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def refusal_answer(refused: Refused, method: str) -> Answer:
    """Answer a client whose request is not let through: the one thing to mend.

    Args:
        refused: the refusal.
        method: the request's, which tells whether a digest is asked for in `Accept-Signature`.

    Returns:
        401 or 403 with a problem document.

    Source: RFC 9110 section 11.6.1; RFC 9421 section 5.1; RFC 6750 section 3.
    """
    status = _STATUS.get(refused.code, 401)
    _, headers, body = problem_answer(refused, status)
    if status == 401:
        headers += [("www-authenticate", challenge) for challenge in _challenges(refused)]
        headers.append(("accept-signature", accept_signature(body_expected=method not in _BODILESS)))
    return status, headers, body


def _challenges(refused: Refused) -> list[str]:
    """Say by which scheme to come again; of a token that is not good in RFC 6750's words."""
    if refused.code in {RefusalCode.TOKEN_INVALID, RefusalCode.TOKEN_EXPIRED}:
        return [f'Bearer realm="api", error="invalid_token", error_description="{refused.title}"']
    challenges = [f'Signature realm="api", error="{refused.code.value}"']
    if refused.code in {RefusalCode.SIGNATURE_MISSING, RefusalCode.AUTHORIZATION_MISSING}:
        challenges.append('Bearer realm="api"')  # without an error: no token was sent that could be wrong
    return challenges
