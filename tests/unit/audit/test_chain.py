"""The audit chain: whole when untouched, broken at the very event that was touched."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy import event as sql_event

from keywright import audit
from keywright.audit import ChainChecker, CheckedChain, check_stored_chain, check_stored_chains
from keywright.audit.store import events_oldest_first
from keywright.storage import Database
from keywright.storage.migrate import migrate
from keywright.storage.sqlite import SqliteDatabase

ACTOR = {"kind": "person", "id": "usr_1", "name": "ünï@example.com"}


@pytest.fixture
async def database(tmp_path: Path):
    migrate(f"sqlite:///{tmp_path}/audit.db")
    found = SqliteDatabase(tmp_path / "audit.db", lambda: 1_800_000_000.25)
    yield found
    await found.close()


async def write(database: Database, chain: str, count: int) -> list[dict]:
    async with database.write() as session:
        for number in range(count):
            await audit.record(
                session,
                chain,
                actor=ACTOR,
                action="thing.done",
                subject={"kind": "thing", "id": str(number)},
                detail={"note": 'ä \u2028 "quoted" \n', "number": number},
            )
        await session.commit()
    async with database.read() as session:
        return [event.public() for event in await events_oldest_first(session, chain, after_seq=0, limit=1000)]


async def check(database: Database) -> tuple:
    async with database.read() as session:
        return await check_stored_chains(session)


async def test_untouched_chains_hold(database: Database):
    await write(database, "acc_a", 5)
    await write(database, "acc_b", 700)  # more than a page
    await write(database, "platform", 1)
    assert await check(database) == (3, 706, None)


async def test_the_hash_is_what_the_docs_say(database: Database):
    (event,) = await write(database, "acc_a", 1)
    assert event["previousHash"] == hashlib.sha256(b"keywright-audit-1\nacc_a").hexdigest()
    hashed = {key: value for key, value in event.items() if key != "hash"}
    text = json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert event["hash"] == hashlib.sha256(text.encode()).hexdigest()
    assert event["at"] == "2027-01-15T08:00:00.250Z"


@pytest.mark.parametrize(
    ("statement", "seq"),
    [
        ("UPDATE audit_events SET at = '2020-01-01T00:00:00.000Z' WHERE seq = 3", 3),
        ('UPDATE audit_events SET actor = \'{"kind":"person"}\' WHERE seq = 1', 1),
        ("UPDATE audit_events SET actor = 'not json' WHERE seq = 4", 4),
        ("UPDATE audit_events SET action = 'nothing' WHERE seq = 5", 5),
        ("UPDATE audit_events SET subject = '{}' WHERE seq = 2", 2),
        ("UPDATE audit_events SET detail = '{\"note\":1e999}' WHERE seq = 2", 2),
        ("UPDATE audit_events SET previous_hash = hash WHERE seq = 2", 2),
        ("UPDATE audit_events SET hash = previous_hash WHERE seq = 2", 2),
        ("DELETE FROM audit_events WHERE seq = 3", 3),
        ("DELETE FROM audit_events WHERE seq = 1", 1),
        ("DELETE FROM audit_events WHERE seq = 6", 6),
        ("DELETE FROM audit_events", 1),
        ("DELETE FROM audit_heads", 1),
        ("UPDATE audit_heads SET hash = 'x'", 6),
        ("UPDATE audit_heads SET seq = 5", 6),
        ("UPDATE audit_events SET chain = 'acc_z'", 1),
        (
            (
                "INSERT INTO audit_events SELECT chain, 7, at, actor, action, subject, detail, previous_hash, hash"
                " FROM audit_events WHERE seq = 6"
            ),
            7,
        ),
    ],
)
async def test_whatever_is_touched_is_found_at_its_event(database: Database, statement: str, seq: int):
    await write(database, "acc_a", 6)
    with sqlite3.connect(database.file) as connection:
        connection.execute(statement)
    connection.close()
    _, _, broken = await check(database)
    assert broken is not None
    assert broken.seq == seq


async def test_a_chain_that_is_hashed_anew_from_a_forged_event_on_contradicts_its_head(database: Database):
    events = await write(database, "acc_a", 4)
    forged = ChainChecker("acc_a")
    last = events[0]["hash"]
    assert forged.check(events[0]) is None
    for event in events[1:]:
        event["detail"] = {"forged": True}
        event["previousHash"] = last
        event["hash"] = last = audit.event_hash(event)
        assert forged.check(event) is None
    stored_head = (await write(database, "acc_a", 0))[-1]["hash"]
    assert forged.finish(4, stored_head) is not None


async def test_two_events_swapped_are_found(database: Database):
    events = await write(database, "acc_a", 4)
    checker = ChainChecker("acc_a")
    assert checker.check(events[0]) is None
    broken = checker.check(events[2])
    assert broken is not None
    assert broken.seq == 2


async def test_a_chain_cannot_pass_as_another_accounts(database: Database):
    events = await write(database, "acc_a", 1)
    assert ChainChecker("acc_b").check(events[0]) is not None


@pytest.mark.parametrize("event", [{}, {"seq": 1}, {"seq": True}])
def test_what_is_no_event_is_a_break(event: dict):
    assert ChainChecker("acc_a").check(event) is not None


async def test_an_event_of_an_undone_transaction_leaves_no_trace(database: Database):
    await write(database, "acc_a", 2)
    async with database.write() as session:
        await audit.record(session, "acc_a", actor=ACTOR, action="undone", subject={})
    assert await check(database) == (1, 2, None)


# --- one chain, for a page ----------------------------------------------------------------------------------


async def check_one(database: Database, at_most: int | None = None) -> CheckedChain | None:
    async with database.read() as session:
        return await check_stored_chain(session, "acc_a", at_most=at_most)


def tamper(database: Database, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(database.file)) as connection, connection:
        assert connection.execute(statement).rowcount


@pytest.mark.parametrize("count", [1, 499, 500, 501, 1200])
async def test_a_chain_is_checked_with_one_query_however_long_it_is(database: Database, count: int):
    await write(database, "acc_a", count)
    await write(database, "acc_b", 2)
    asked = []

    @sql_event.listens_for(Engine, "before_cursor_execute")
    def note(_connection, _cursor, statement, *_rest):
        asked.append(statement)

    try:
        assert await check_one(database) == CheckedChain(count, None)
    finally:
        sql_event.remove(Engine, "before_cursor_execute", note)
    assert len([each for each in asked if each.startswith("SELECT")]) == 1


async def test_a_chain_that_does_not_exist_holds_without_events(database: Database):
    assert await check_one(database) == CheckedChain(0, None)


async def test_a_chain_longer_than_one_has_time_for_is_not_checked(database: Database):
    await write(database, "acc_a", 11)
    assert await check_one(database, 10) is None
    assert await check_one(database, 11) == CheckedChain(11, None)


@pytest.mark.parametrize("claimed", [0, 4, 10])
async def test_a_head_that_says_less_does_not_hide_the_rest(database: Database, claimed: int):
    await write(database, "acc_a", 30)
    tamper(database, f"UPDATE audit_heads SET seq = {claimed}")
    checked = await check_one(database, 10)
    assert checked is not None
    assert checked.broken is not None
    assert checked.broken.seq == claimed + 1


async def test_a_long_chain_that_breaks_early_is_read_no_further(database: Database):
    await write(database, "acc_a", 1200)
    tamper(database, "UPDATE audit_events SET action = 'other.thing' WHERE seq = 3")
    progress: list[int] = []
    async with database.read() as session:
        checked = await check_stored_chain(session, "acc_a", progress=progress.append)
        # The session goes on: nothing of the reading is left over.
        assert await check_stored_chain(session, "acc_b") == CheckedChain(0, None)
    assert checked is not None
    assert (checked.events, checked.broken.seq, progress) == (2, 3, [])
