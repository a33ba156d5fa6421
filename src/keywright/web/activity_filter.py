"""Which part of the activity someone asks for, as it stands in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from urllib.parse import urlencode

from keywright.audit import EventFilter
from keywright.errors import Fault

# What the page calls the kinds of action, and what their names begin with.
KINDS = {"keys": "credential", "access": "api_access", "users": "user"}
_MOST_CHARACTERS = 100
_MOST_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for.

    Args:
        only: which events; as far as it could be read.
        before_seq: only events older than this number; None begins with the newest.
        values: the filter's fields as they were filled in.
        faults: what could not be read.
    """

    only: EventFilter
    before_seq: int | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()

    @property
    def query(self) -> str:
        """The filter as it goes into an address, without the page; empty for no filter."""
        return urlencode({name: value for name, value in self.values.items() if value})

    @property
    def is_everything(self) -> bool:
        """Whether it is the beginning of the whole activity."""
        return not self.only and self.before_seq is None and not self.faults


def read_filter(given: Mapping[str, str]) -> Asked:
    """Read the filter.

    Args:
        given: the address's parameters; others than `kind`, `who`, `from`, `to` and `before` are left alone.

    Returns:
        What is asked for, with every fault.
    """
    values = {name: given.get(name, "").strip() for name in ("kind", "who", "from", "to")}
    faults: list[Fault] = []
    if values["kind"] and values["kind"] not in KINDS:
        faults.append(Fault("kind", "choose one of those offered"))
    if len(values["who"]) > _MOST_CHARACTERS:
        faults.append(Fault("who", f"give at most {_MOST_CHARACTERS} characters of the name or email"))
    since, until = _day("from", values, faults), _day("to", values, faults)
    if since and until and until < since:
        faults.append(Fault("to", "this is before the first day; give the same day or a later one"))
    before = given.get("before", "")
    is_number = before.isascii() and before.isdigit() and len(before) <= _MOST_DIGITS
    if before and not is_number:
        faults.append(Fault("", "this link leads nowhere; filter again to begin with the newest"))
    only = EventFilter(
        kind=KINDS.get(values["kind"], ""),
        actor=values["who"][:_MOST_CHARACTERS],
        since=_midnight(since),
        before=_midnight(_next(until)),
    )
    return Asked(only, int(before) if is_number else None, values, tuple(faults))


def _day(name: str, values: Mapping[str, str], faults: list[Fault]) -> date | None:
    if not values[name]:
        return None
    try:
        return date.fromisoformat(values[name])
    except ValueError:
        faults.append(Fault(name, "give a day as year-month-day, such as 2026-11-23"))
        return None


def _next(day: date | None) -> date | None:
    """The day after; there is none after the last that the calendar has."""
    return None if day is None or day == date.max else day + timedelta(days=1)


def _midnight(day: date | None) -> str:
    return "" if day is None else f"{day.isoformat()}T00:00:00.000Z"
