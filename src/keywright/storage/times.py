"""Times as the database keeps them, and as people and programs read them."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(at_ms: int) -> str:
    """Write a time as RFC 3339 in UTC with milliseconds.

    Args:
        at_ms: milliseconds since 1970 UTC.

    Returns:
        Such as `2026-11-23T09:30:00.250Z`.
    """
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rfc3339_or_none(at_ms: int | None) -> str | None:
    """Write a time that may be missing.

    Args:
        at_ms: milliseconds since 1970 UTC, or None.

    Returns:
        As `rfc3339`, or None.
    """
    return None if at_ms is None else rfc3339(at_ms)
