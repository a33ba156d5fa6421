"""Verdicts as the JSON of `/v1/verify`; refusals and errors are answered by `keywright.problems`."""

from __future__ import annotations

import msgspec

from keywright.errors import Refused
from keywright.problems import Answer
from keywright.verification import Accepted

_JSON = [("content-type", "application/json"), ("cache-control", "no-store")]
_encode = msgspec.json.Encoder().encode


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
        if verdict.signature_base is not None:
            document["signatureBase"] = verdict.signature_base
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
