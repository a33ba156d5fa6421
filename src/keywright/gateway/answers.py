"""Verdicts as they are answered; refusals and errors are answered by `keywright.problems`."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from keywright.errors import Refused
from keywright.problems import Answer
from keywright.verification import Accepted

# As the server sends it: status, header lines with the content's length among them, content.
SentAnswer = tuple[int, list[tuple[bytes, bytes]], bytes]

_JSON = [("content-type", "application/json"), ("cache-control", "no-store")]
_encode = msgspec.json.Encoder().encode


def sent(answer: Answer) -> SentAnswer:
    """Encode an answer for the server.

    Args:
        answer: status, headers and content.

    Returns:
        The same in bytes.
    """
    status, headers, content = answer
    lines = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]
    lines.append((b"content-length", b"%d" % len(content)))
    return status, lines, content


@lru_cache(maxsize=4096)
def forward_auth_answer(client_id: str, account_id: str, is_body_verified: bool) -> SentAnswer:
    """Answer `/v1/forward-auth` for a request that is let through; kept, since a key is used over and over.

    Args:
        client_id: whose request it is.
        account_id: whose key it is.
        is_body_verified: whether the body was seen here and is the signed one.

    Returns:
        What the gateway hands on.
    """
    said = [
        ("keywright-client-id", client_id),
        ("keywright-account-id", account_id),
        ("keywright-body-verified", "true" if is_body_verified else "false"),
    ]
    return sent((200, said, b""))


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
