"""Events as the activity page shows them: by day, a sentence each, with the record itself for who wants to see it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from keywright.audit import AuditEvent
from keywright.web.sentences import Sentence, sentence, writable

_ICONS = {"credential": "key", "api_access": "switch", "user": "people"}


@dataclass(frozen=True, slots=True)
class Row:
    """One event.

    Args:
        seq: its number in the chain.
        at: its time as it is stored.
        time: of the day, UTC.
        words: what happened.
        icon: what kind of thing it was.
        raw: the record, as JSON.
    """

    seq: int
    at: str
    time: str
    words: Sentence
    icon: str
    raw: str


@dataclass(frozen=True, slots=True)
class Day:
    """A day with its events."""

    title: str
    rows: list[Row] = field(default_factory=list)


def by_day(events: Iterable[AuditEvent], today: date) -> list[Day]:
    """Put events under their days.

    Args:
        events: in the order in which they are shown.
        today: the day that is called so.

    Returns:
        The days, in the order of the events.
    """
    days: list[Day] = []
    for event in events:
        at = _moment(event.at)
        title = "At a time that cannot be read" if at is None else _title(at.date(), today)
        if not days or days[-1].title != title:
            days.append(Day(title))
        days[-1].rows.append(
            Row(
                seq=event.seq,
                at=str(event.at),
                time="" if at is None else f"{at:%H:%M}",
                words=sentence(event),
                icon=_ICONS.get(str(event.action).partition(".")[0], "account"),
                raw=writable(json.dumps(event.public(), indent=2, ensure_ascii=False)),
            )
        )
    return days


def _moment(at: str) -> datetime | None:
    """The time of an event; none if someone changed it into something else."""
    try:
        return datetime.fromisoformat(at).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def _title(day: date, today: date) -> str:
    named = f"{day:%A}, {day.day} {day:%B %Y}"
    if day == today:
        return f"Today, {day.day} {day:%B %Y}"
    return named
