"""Cursors: where a page of a list ended. Opaque to callers."""

from __future__ import annotations

import re

from keywright.errors import Fault, InvalidRequest

_CURSOR = re.compile(r"(\d{1,18})-([a-z0-9_]{1,40})\Z", re.ASCII)


def write_cursor(at_ms: int, identifier: str) -> str:
    """Name the place behind an item, by its time (milliseconds) and identifier."""
    return f"{at_ms}-{identifier}"


def read_cursor(cursor: str | None) -> tuple[int, str] | None:
    """Read the place that a cursor names; None stays None.

    Raises:
        InvalidRequest: it is no cursor of ours.
    """
    if cursor is None:
        return None
    found = _CURSOR.match(cursor)
    if found is None:
        raise InvalidRequest([Fault("cursor", "is not one that we gave; leave it out to start at the beginning")])
    return int(found[1]), found[2]
