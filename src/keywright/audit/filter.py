"""Which events of a chain someone wants to see."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What events must have; the empty filter lets all through.

    Args:
        kind: what the action begins with, before its dot: `credential`, `api_access`, `user`; empty for any.
        actor: part of the name of who did it, or of the person for whom a platform's backend acted; upper and lower
            case are one; empty for anyone.
        since: the earliest time, RFC 3339 in UTC; empty for the chain's beginning.
        before: the time before which it was; empty for now.
    """

    kind: str = ""
    actor: str = ""
    since: str = ""
    before: str = ""

    def __bool__(self) -> bool:
        return bool(self.kind or self.actor or self.since or self.before)
