"""What a refusal says: the codes in a 401, wherever the API's gateway left them."""

from __future__ import annotations

import json
import re

TIME_CODES = frozenset({"signature_too_old", "signature_in_future"})
TOKEN_CODES = frozenset({"token_invalid", "token_expired"})

_ERROR = re.compile(r'\berror="?([a-z_]{1,64})')
_MAX_BODY_BYTES = 65_536
# RFC 6750 section 3.1: what other servers call the same.
_OTHER_NAMES = {"invalid_token": "token_invalid"}


def refusal_codes(status: int, challenge: str | None, body: bytes) -> frozenset[str]:
    """Read why a request was refused.

    A gateway such as nginx hands on the header of our refusal and writes a body of its own; others hand on both.

    Args:
        status: the answer's status.
        challenge: its `WWW-Authenticate`, if it has one.
        body: its body, a problem document if all is well.

    Returns:
        The public codes; empty if it is no 401 or does not say.

    Source: RFC 9457 section 3; RFC 6750 section 3.
    """
    if status != 401:
        return frozenset()
    codes = set(_ERROR.findall(challenge or ""))
    document = json_object(body) if body.lstrip().startswith(b"{") else {}
    code = document.get("code")
    if isinstance(code, str):
        codes.add(code)
    return frozenset(_OTHER_NAMES.get(code, code) for code in codes)


def json_object(body: bytes) -> dict[str, object]:
    """Read a JSON object.

    Args:
        body: what should be one.

    Returns:
        Its members; none if it is not one, or is larger than any of our answers.
    """
    if len(body) > _MAX_BODY_BYTES:
        return {}
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
