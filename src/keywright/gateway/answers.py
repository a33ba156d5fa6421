"""Verdicts as HTTP answers: the one table of status codes of this listener."""

from __future__ import annotations

import msgspec

from keywright.errors import KeywrightError, RefusalCode, Refused
from keywright.signatures import accept_signature
from keywright.verification import Accepted
from keywright.wire import PROBLEM_TYPE, problem_document, problem_headers

# Status, header lines, body.
Answer = tuple[int, list[tuple[str, str]], bytes]

_JSON = [("content-type", "application/json"), ("cache-control", "no-store")]
_encode = msgspec.json.Encoder().encode

# Every other refusal is 401: sign properly and come again.
_BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_STATUS = {RefusalCode.API_ACCESS_DISABLED: 403}


def json_answer(status: int, body: bytes) -> Answer:
    """Answer with JSON."""
    return status, _JSON, body


def verdict_answer(verdict: Accepted | Refused) -> Answer:
    """Answer `/v1/verify`: 200 either way, since the question was answered.

    Args:
        verdict: what the service found.

    Returns:
        The answer as the contract has it.
    """
    if isinstance(verdict, Refused):
        document = {
            "outcome": "refused",
            "code": verdict.code.value,
            "title": verdict.title,
            "detail": verdict.detail,
        }
        return 200, _JSON, _encode(document)
    return (
        200,
        _JSON,
        _encode(
            {
                "outcome": "accepted",
                "clientId": verdict.client_id,
                "accountId": verdict.account_id,
                "accountType": verdict.account_type,
                "scheme": verdict.scheme,
                "covered": verdict.covered,
                "bodyVerified": verdict.body_verified,
            }
        ),
    )


def refusal_answer(refused: Refused, method: str) -> Answer:
    """Answer `/v1/forward-auth` with what the gateway hands on to the client: the one thing to mend.

    Args:
        refused: the refusal.
        method: the original request's, which tells whether a digest is asked for in `Accept-Signature`.

    Returns:
        401 or 403 with a problem document.
    """
    status = _STATUS.get(refused.code, 401)
    _, headers, body = problem_answer(refused, status)
    if status == 401:
        headers.append(("www-authenticate", f'Signature realm="api", error="{refused.code.value}"'))
        headers.append(("accept-signature", accept_signature(body_expected=method not in _BODILESS)))
    return status, headers, body


def problem_answer(fault: KeywrightError | Refused, status: int, *, code: str | None = None) -> Answer:
    """Answer with a problem document (RFC 9457)."""
    headers = [("content-type", PROBLEM_TYPE), ("cache-control", "no-store")]
    headers += [(name.lower(), value) for name, value in problem_headers(fault).items()]
    return status, headers, _encode(problem_document(fault, status, code=code))
