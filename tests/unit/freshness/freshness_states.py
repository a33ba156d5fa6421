"""The states of the model, and a search through all that can be reached."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

LEASE = 20.0
TICK = 10.0
NEVER = float("-inf")


class Row(NamedTuple):
    id: str
    applied: int
    renewals: int
    live: bool


class Database(NamedTuple):
    up: bool
    keys: frozenset[str]
    number: int
    revoked: tuple[tuple[int, str], ...]
    rows: tuple[Row, ...]
    locked_by: str | None  # who holds the counter's row
    next_id: int

    def row(self, id_: str) -> Row | None:
        return next((row for row in self.rows if row.id == id_), None)

    def with_row(self, row: Row) -> Database:
        return self._replace(rows=(*(each for each in self.rows if each.id != row.id), row))

    def without_row(self, id_: str | None) -> Database:
        return self._replace(rows=tuple(each for each in self.rows if each.id != id_))


class Verifier(NamedTuple):
    at: str  # away, inserting, inserted, idle, began, selected, told, updated, leaving
    lease: tuple[Any, ...]
    round: tuple[Any, ...] | None  # of the round under way
    seen: tuple[Any, ...] | None  # what the last statement answered
    fill: tuple[Any, ...] | None  # key, begun, what was read
    owed: str | None  # a row whose deletion is still under way


class Node(NamedTuple):
    at: str  # idle, begun, committed, waiting, returned, dead
    key: str
    clock: float | None
    seen: tuple[Any, ...] | None  # number, rows
    over_at: tuple[tuple[str, float], ...]
    lost: tuple[str, ...]


class Left(NamedTuple):
    """How often each of these may still happen."""

    ticks: int = 0
    registrations: int = 0
    rounds: int = 0
    fills: int = 0
    crashes: int = 0
    outages: int = 0
    leaves: int = 0
    lost_answers: int = 0
    backups: int = 0
    prunings: int = 0


class State(NamedTuple):
    database: Database
    verifiers: tuple[Verifier, ...]
    nodes: tuple[Node, ...]
    left: Left
    returned: frozenset[str]  # keys whose deletion has returned
    backup: Database | None


class Explored(NamedTuple):
    states: int
    complete: bool
    fault: str | None
    story: list[str]


def explore(world: Any, *, most: int) -> Explored:
    """Look at every state that can be reached, nearest first, until one is faulty or there were enough."""
    came_from: dict[State, tuple[State, str] | None] = {world.start: None}
    queue = deque([world.start])
    while queue:
        state = queue.popleft()
        for step, after in world.steps(state):
            if after in came_from:
                continue
            came_from[after] = state, step
            fault = world.fault(after)
            if fault is not None:
                return Explored(len(came_from), False, fault, story(came_from, after))
            queue.append(after)
        if len(came_from) >= most:
            return Explored(len(came_from), False, None, [])
    return Explored(len(came_from), True, None, [])


def story(came_from: dict[State, tuple[State, str] | None], state: State) -> list[str]:
    steps: list[str] = []
    while (before := came_from[state]) is not None:
        state, step = before
        steps.append(step)
    return steps[::-1]
