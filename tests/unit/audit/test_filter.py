"""Which events a filter lets through, and that pages of them lose none."""

from __future__ import annotations

from pathlib import Path

import pytest

from keywright import audit
from keywright.audit import EventFilter, events_newest_first, events_oldest_first
from keywright.storage import Database
from keywright.storage.migrate import migrate
from keywright.storage.sqlite import SqliteDatabase

OLGA = {"kind": "person", "id": "usr_name", "name": "olga@acme.example"}
PETRA = {"kind": "person", "id": "usr_2", "name": "petra_50%@acme.example"}
PORTAL = {"kind": "operator_token", "id": "tok_1", "name": 'Portal "A"\\B', "onBehalfOf": "olga@acme.example"}
EVENTS = [
    (OLGA, "credential.created"),
    (PETRA, "credential.deleted"),
    (PORTAL, "api_access.enabled"),
    (OLGA, "user.added"),
    (OLGA, "user_group.added"),  # begins like `user`, and is another kind
    (PETRA, "apixaccess.enabled"),  # `_` stands for itself
]


class Clock:
    """Every transaction is an hour after the one before."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        self.now += 3600
        return self.now


@pytest.fixture
async def database(tmp_path: Path):
    migrate(f"sqlite:///{tmp_path}/audit.db")
    found = SqliteDatabase(tmp_path / "audit.db", Clock())
    for actor, action in EVENTS:
        async with found.write() as session:
            await audit.record(session, "acc_a", actor=actor, action=action, subject={"kind": "thing", "id": "1"})
            await audit.record(session, "acc_b", actor=actor, action=action, subject={"kind": "thing", "id": "1"})
            await session.commit()
    yield found
    await found.close()


async def found_by(database: Database, only: EventFilter) -> list[int]:
    async with database.read() as session:
        newest = await events_newest_first(session, "acc_a", before_seq=None, limit=50, only=only)
        oldest = await events_oldest_first(session, "acc_a", after_seq=0, limit=50, only=only)
    assert newest == oldest[::-1], "both directions find the same"
    return [event.seq for event in oldest]


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (EventFilter(), [1, 2, 3, 4, 5, 6]),
        (EventFilter(kind="credential"), [1, 2]),
        (EventFilter(kind="user"), [4]),
        (EventFilter(kind="api_access"), [3]),
        (EventFilter(kind="nothing"), []),
        (EventFilter(actor="olga"), [1, 3, 4, 5]),
        (EventFilter(actor="OLGA@acme"), [1, 3, 4, 5]),
        (EventFilter(actor="acme.example"), [1, 2, 3, 4, 5, 6]),
        (EventFilter(actor="petra_50%"), [2, 6]),
        (EventFilter(actor="petra.50"), []),  # `_` and `%` stand for themselves
        (EventFilter(actor="p%a"), []),
        (EventFilter(actor='portal "a"\\b'), [3]),
        (EventFilter(actor="person"), []),  # what the JSON calls its members is not a name
        (EventFilter(actor="usr_"), []),
        (EventFilter(kind="credential", actor="petra"), [2]),
        (EventFilter(since="2027-01-15T10:00:00.000Z"), [2, 3, 4, 5, 6]),
        (EventFilter(before="2027-01-15T10:00:00.000Z"), [1]),
        (EventFilter(since="2027-01-15T10:00:00.000Z", before="2027-01-15T12:00:00.000Z"), [2, 3]),
    ],
)
async def test_a_filter_lets_through_what_it_says(database: Database, only: EventFilter, expected: list[int]):
    assert await found_by(database, only) == expected


def test_an_empty_filter_is_false():
    assert not EventFilter()
    assert all([EventFilter(kind="x"), EventFilter(actor="x"), EventFilter(since="x"), EventFilter(before="x")])


async def test_pages_of_filtered_events_lose_none(database: Database):
    seen: list[int] = []
    async with database.read() as session:
        while page := await events_newest_first(
            session, "acc_a", before_seq=seen[-1] if seen else None, limit=1, only=EventFilter(actor="olga")
        ):
            seen += [event.seq for event in page]
    assert seen == [5, 4, 3, 1]
