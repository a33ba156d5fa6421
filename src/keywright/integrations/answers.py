"""What is answered in the application's place: the same as the gateway's forward-auth answers."""

from __future__ import annotations

import logging

from keywright.errors import InvalidRequest, KeywrightError, PayloadTooLarge, Unavailable
from keywright.problems import Answer, problem_answer

_log = logging.getLogger("keywright.integrations")


def failure_answer(error: Exception) -> Answer:
    """Answer a request that could not be judged; it is never let through.

    Args:
        error: why not.

    Returns:
        413, 400 or 503 with a problem document; 500 for what was not foreseen.
    """
    if isinstance(error, PayloadTooLarge):
        return problem_answer(error, 413)
    if isinstance(error, InvalidRequest):
        return problem_answer(error, 400)
    if isinstance(error, Unavailable):
        _log.error("no request can be verified: %s", error.private or error.message)
        return problem_answer(error, 503, code="verifier_unavailable")
    _log.error("the verifier failed on a request", exc_info=error)
    return problem_answer(KeywrightError("the verifier failed on this request; the application's log says why"), 500)


def joined_lines(lines: list[tuple[str, str]]) -> dict[str, str]:
    """Give each header one line, for servers that do not take two of a name; several challenges may stand in one.

    Args:
        lines: the answer's headers.

    Returns:
        Values by name.

    Source: RFC 9110 section 11.6.1.
    """
    headers: dict[str, str] = {}
    for name, value in lines:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def too_large(limit: int) -> PayloadTooLarge:
    """Say that a body is too large.

    Args:
        limit: the most bytes that are read.
    """
    return PayloadTooLarge(f"the body is larger than {limit} bytes, which is the most that is read here")


def check_length(length: str | None, limit: int) -> int | None:
    """Read a Content-Length.

    Args:
        length: the header's value, or None.
        limit: the most bytes that are read.

    Returns:
        The length, or None if none is said.

    Raises:
        PayloadTooLarge: it is above the limit, or no number at all.
    """
    if not length:
        return None
    if not (length.isascii() and length.isdigit()) or len(length) > 18 or int(length) > limit:
        raise too_large(limit)
    return int(length)
