"""PostgreSQL as the product uses it, on a real server: order of writers, faults, and what is left behind by either."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from keywright.errors import InvalidRequest, Unavailable
from keywright.storage import ReadSession
from keywright.storage.postgresql import PostgresqlDatabase
from keywright.storage.postgresql_connection import Timeouts
from keywright.storage.tables import people
from support.postgresql import PostgresqlServer, shared_postgresql

SHORT = Timeouts(statement=2, lock=1, idle=10)
# As no clock of a test's machine is: what comes from it is seen at once.
LOCAL_TIME = 1_000_000.0


@pytest.fixture(scope="module")
def postgresql() -> PostgresqlServer:
    return shared_postgresql()


@pytest.fixture
def name(postgresql: PostgresqlServer) -> str:
    return postgresql.new_database()


@pytest.fixture
async def database(postgresql: PostgresqlServer, name: str) -> AsyncIterator[PostgresqlDatabase]:
    found = PostgresqlDatabase(postgresql.url(name), lambda: LOCAL_TIME, pool_size=1, timeouts=SHORT)
    yield found
    await found.close()


@pytest.fixture(scope="module")
def own() -> Iterator[PostgresqlServer]:
    """A server that tests may stop and set up anew."""
    server = PostgresqlServer().start()
    yield server
    server.remove()


@pytest.fixture
async def owned(own: PostgresqlServer) -> AsyncIterator[PostgresqlDatabase]:
    found = PostgresqlDatabase(own.url(own.new_database()), lambda: LOCAL_TIME, timeouts=SHORT)
    yield found
    await found.close()


async def add(database: PostgresqlDatabase, person: str, *, alone: bool = True) -> int:
    async with database.write(alone=alone) as session:
        await session.execute(insert(people).values(id=person, email=person, created_at=session.now_ms))
        await session.commit()
        return session.now_ms


async def names(database: PostgresqlDatabase) -> list[str]:
    async with database.read() as session:
        return list((await session.execute(select(people.c.id).order_by(people.c.id))).scalars())


def busy_sessions(postgresql: PostgresqlServer, name: str) -> list[str]:
    """What sessions of a database do that are in a transaction."""
    query = f"SELECT state || ' ' || query FROM pg_stat_activity WHERE datname = '{name}' AND xact_start IS NOT NULL"
    return [line for line in postgresql.sql(query).splitlines() if line]


def locks(postgresql: PostgresqlServer, name: str) -> str:
    query = f"SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database WHERE datname = '{name}'"
    return postgresql.sql(f"{query} AND locktype = 'advisory'")


# --- order ---------------------------------------------------------------------------------------------------------


async def test_what_is_not_committed_is_undone(database: PostgresqlDatabase):
    async with database.write() as session:
        await session.execute(insert(people).values(id="usr_1", email="a", created_at=1))
    await add(database, "usr_2")
    assert await names(database) == ["usr_2"]


async def test_writers_come_one_after_the_other_and_by_the_databases_clock(database: PostgresqlDatabase, name: str):
    other = PostgresqlDatabase(shared_postgresql().url(name), lambda: 0.0)
    order: list[tuple[str, int]] = []

    async def write(which: PostgresqlDatabase, number: int) -> None:
        async with which.write() as session:
            order.append(("begins", session.now_ms))
            await session.execute(insert(people).values(id=f"usr_{number}", email=f"{number}", created_at=1))
            await asyncio.sleep(0.01)
            order.append(("ends", session.now_ms))
            await session.commit()

    await asyncio.gather(*(write((database, other)[number % 2], number) for number in range(12)))
    await other.close()
    assert [what for what, _ in order] == ["begins", "ends"] * 12
    times = [at for _, at in order]
    assert times == sorted(times)
    assert abs(times[-1] / 1000 - time.time()) < 60, "the time of a write is the database's, not the process's"


async def test_bookkeeping_goes_past_those_who_wait(database: PostgresqlDatabase):
    async with database.write():
        waiting = asyncio.ensure_future(add(database, "usr_1"))
        await asyncio.sleep(0.05)
        await add(database, "usr_2", alone=False)
        assert await names(database) == ["usr_2"]
        assert not waiting.done()
    await waiting
    assert await names(database) == ["usr_1", "usr_2"]


async def test_a_reader_sees_one_moment_and_cannot_write(database: PostgresqlDatabase):
    async with database.read() as session:
        assert session.now_ms == LOCAL_TIME * 1000
        assert (await session.execute(select(people.c.id))).all() == []
        await add(database, "usr_1")
        assert (await session.execute(select(people.c.id))).all() == []
    assert await names(database) == ["usr_1"]
    with pytest.raises(Unavailable):
        async with database.read() as session:
            await session.execute(text("DELETE FROM people"))
    assert await names(database) == ["usr_1"]


async def test_many_rows_are_read_piece_by_piece(database: PostgresqlDatabase):
    async with database.write() as session:
        rows = [{"id": f"usr_{number:04}", "email": str(number), "created_at": 1} for number in range(1200)]
        await session.execute(insert(people), rows)
        await session.commit()
    async with database.read() as session:
        batches = [len(rows) async for rows in session.stream(select(people), batch=500)]
    assert batches == [500, 500, 200]


# --- faults --------------------------------------------------------------------------------------------------------


async def test_whoever_cannot_have_the_write_lock_is_told_that_others_have_it(
    database: PostgresqlDatabase, postgresql: PostgresqlServer, name: str
):
    other = PostgresqlDatabase(postgresql.url(name), lambda: 0.0)
    async with other.write():
        for refused in await asyncio.gather(*(add(database, "usr_1") for _ in range(4)), return_exceptions=True):
            assert isinstance(refused, Unavailable)
            assert "busy" in refused.message
        assert await names(database) == []
    await other.close()
    await add(database, "usr_1")


async def test_more_readers_than_connections_wait_and_are_told(database: PostgresqlDatabase):
    async with database.read():
        with pytest.raises(Unavailable, match="busy"):
            await names(database)
    assert await names(database) == []


async def test_a_statement_that_takes_too_long_is_given_up(
    database: PostgresqlDatabase, postgresql: PostgresqlServer, name: str
):
    with pytest.raises(Unavailable, match="did not answer"):
        async with database.write() as session:
            await session.execute(text("SELECT pg_sleep(60)"))
    assert busy_sessions(postgresql, name) == []
    await add(database, "usr_1")


async def test_a_fault_of_ours_is_no_fault_of_the_databases(database: PostgresqlDatabase):
    await add(database, "usr_1")
    for _ in range(3):
        with pytest.raises(IntegrityError):
            await add(database, "usr_1")
    await add(database, "usr_2")


async def test_connections_that_were_ended_are_replaced(
    database: PostgresqlDatabase, postgresql: PostgresqlServer, name: str
):
    end = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'"
    await add(database, "usr_1")
    assert await names(database) == ["usr_1"]
    assert int(postgresql.sql(end)) == 2
    await asyncio.sleep(0.1)
    # Nobody is told of what happened while nobody asked.
    await add(database, "usr_2")
    assert await names(database) == ["usr_1", "usr_2"]

    async def lose(work: Callable[[], AbstractAsyncContextManager[ReadSession]]) -> None:
        async with work() as session:
            await session.execute(select(people.c.id))
            postgresql.sql(end)
            await session.execute(select(people.c.id))

    for work in (database.read, database.write):
        with pytest.raises(Unavailable):
            await lose(work)
    await add(database, "usr_3")
    assert await names(database) == ["usr_1", "usr_2", "usr_3"]


async def test_a_restarted_database_is_used_again_and_a_stopped_one_told(
    own: PostgresqlServer, owned: PostgresqlDatabase
):
    await add(owned, "usr_1")
    assert await names(owned) == ["usr_1"]
    own.restart()
    await asyncio.sleep(0.1)
    await add(owned, "usr_2")
    assert await names(owned) == ["usr_1", "usr_2"]
    own.stop()
    try:
        for _ in range(2):
            for work in (names(owned), add(owned, "usr_3"), owned.check()):
                with pytest.raises(Unavailable, match="did not answer"):
                    await work
    finally:
        own.start()
    await owned.check()
    await add(owned, "usr_3")


async def test_a_database_that_hangs_is_given_up_and_left_in_time(own: PostgresqlServer, owned: PostgresqlDatabase):
    await add(owned, "usr_1")
    await names(owned)
    own.pause()
    try:
        began = time.monotonic()
        asked = (names(owned), add(owned, "usr_2"))
        for refused in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(refused, Unavailable)
        await owned.close()
        assert time.monotonic() - began < 40
    finally:
        own.resume()
    assert await names(owned) == ["usr_1"]


async def test_a_node_that_stops_in_the_middle_holds_the_write_lock_for_a_bounded_time(
    database: PostgresqlDatabase, postgresql: PostgresqlServer, name: str
):
    """As a control node that is SIGSTOPped: its session sends nothing any more, and does not end."""
    stopped = PostgresqlDatabase(postgresql.url(name), lambda: 0.0, timeouts=Timeouts(idle=0.3))

    async def stop() -> None:
        async with stopped.write() as session:
            await session.execute(insert(people).values(id="usr_1", email="a", created_at=1))
            await add(database, "usr_2")
            await session.commit()

    with pytest.raises(Unavailable):
        await stop()
    await stopped.close()
    assert await names(database) == ["usr_2"]


async def test_whatever_is_cancelled_leaves_nothing_behind(
    database: PostgresqlDatabase, postgresql: PostgresqlServer, name: str
):
    """As when the server ends while it works, at any point of a transaction."""
    chance = random.Random(5)
    await add(database, "usr_0")
    for number in range(150):
        work = (add(database, f"usr_{number}x"), add(database, f"usr_{number}y", alone=False), names(database))
        tasks = [asyncio.ensure_future(each) for each in work]
        await asyncio.sleep(chance.random() * 0.012)
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(outcome, asyncio.CancelledError | int | list), outcome
    await add(database, "usr_last")
    assert "usr_last" in await names(database)
    assert busy_sessions(postgresql, name) == []
    assert locks(postgresql, name) == "0"


@pytest.mark.parametrize("alone", [True, False])
async def test_a_statement_that_is_cancelled_ends_and_frees_its_connection(
    database: PostgresqlDatabase, postgresql: PostgresqlServer, name: str, *, alone: bool
):
    async def sleep() -> None:
        async with database.write(alone=alone) as session:
            await session.execute(insert(people).values(id="usr_1", email="a", created_at=1))
            await session.execute(text("SELECT pg_sleep(1.5)"))
            await session.commit()

    for _ in range(4):
        task = asyncio.ensure_future(sleep())
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert busy_sessions(postgresql, name) == []
    await add(database, "usr_1")


# --- commits that nobody confirms ----------------------------------------------------------------------------------


@pytest.fixture
async def lonely(own: PostgresqlServer, owned: PostgresqlDatabase) -> AsyncIterator[PostgresqlDatabase]:
    """A database whose synchronous standby never comes."""
    await add(owned, "usr_0")
    own.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    own.sql("SELECT pg_reload_conf()")
    await asyncio.sleep(0.2)
    yield owned
    own.sql("ALTER SYSTEM RESET synchronous_standby_names")
    own.sql("SELECT pg_reload_conf()")
    await asyncio.sleep(0.2)


async def _waiting(own: PostgresqlServer) -> None:
    for _ in range(200):
        if own.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") != "0":
            return
        await asyncio.sleep(0.05)
    raise AssertionError("nobody waits for the standby")


@pytest.mark.parametrize("how", ["pg_cancel_backend", "pg_terminate_backend"])
async def test_a_commit_whose_wait_for_the_standby_is_broken_off_did_not_succeed(
    own: PostgresqlServer, lonely: PostgresqlDatabase, how: str
):
    task = asyncio.ensure_future(add(lonely, "usr_1"))
    await _waiting(own)
    own.sql(f"SELECT {how}(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
    with pytest.raises(Unavailable, match="may or may not have been made"):
        await task
    # Here it was made; on the standby, which may be what is left tomorrow, it was not.
    assert await names(lonely) == ["usr_0", "usr_1"]


async def test_a_commit_that_waits_too_long_for_the_standby_did_not_succeed(lonely: PostgresqlDatabase):
    for number in range(3):
        with pytest.raises(Unavailable, match="may or may not have been made"):
            await add(lonely, f"usr_{number + 1}")
    assert await names(lonely) == ["usr_0", "usr_1", "usr_2", "usr_3"]


async def test_a_commit_during_which_the_database_ends_did_not_succeed(
    own: PostgresqlServer, lonely: PostgresqlDatabase
):
    task = asyncio.ensure_future(add(lonely, "usr_1"))
    await _waiting(own)
    own.restart()
    with pytest.raises(Unavailable, match="may or may not have been made"):
        await task


# --- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("impossible", ["a\0b", "a\ud800b", "\udfff"])
async def test_texts_that_cannot_be_stored_are_not_found_and_not_taken(database: PostgresqlDatabase, impossible: str):
    await add(database, "usr_1")
    async with database.read() as session:
        for condition in (people.c.id == impossible, people.c.email.contains(impossible, autoescape=True)):
            assert (await session.execute(select(people.c.id).where(condition))).all() == []
    async with database.write() as session:
        with pytest.raises(InvalidRequest, match="cannot be stored"):
            await session.execute(insert(people).values(id=impossible, email="b", created_at=1))
        rows = [{"id": "usr_2", "email": "c", "created_at": 1}, {"id": "usr_3", "email": impossible, "created_at": 1}]
        with pytest.raises(InvalidRequest, match="cannot be stored"):
            await session.execute(insert(people), rows)
        await session.execute(insert(people).values(id="usr_\U0001f511\uffff", email="d", created_at=1))
        await session.commit()
    assert await names(database) == ["usr_1", "usr_\U0001f511\uffff"]


# --- who is let in -------------------------------------------------------------------------------------------------


async def test_a_standby_is_refused_and_the_primary_found_among_several(own: PostgresqlServer):
    name = own.new_database()
    standby = PostgresqlServer(standby_of=own).start()
    try:
        refused = PostgresqlDatabase(standby.url(name), lambda: 0.0)
        with pytest.raises(Unavailable):
            await names(refused)
        await refused.close()
        hosts = f"host={standby.folder},{own.folder}&port=5432,5432"
        found = PostgresqlDatabase(f"postgresql://postgres@/{name}?{hosts}", lambda: 0.0)
        await add(found, "usr_1")
        await found.close()
    finally:
        standby.remove()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://postgres@127.0.0.1:1/nowhere",
        "postgresql://postgres@/nowhere?host=/nowhere",
        "postgresql://postgres@no-such-host.invalid/nowhere",
        "postgresql://postgres@127.0.0.1:1/nowhere?sslmode=perhaps",
        "postgresql://postgres@/nowhere?host=/nowhere&port=hush",
        f"postgresql://postgres@{'x' * 70}.example/nowhere",
    ],
)
async def test_a_database_that_cannot_be_reached_is_told(url: str):
    database = PostgresqlDatabase(url, lambda: 0.0)
    for work in (names(database), add(database, "usr_1"), database.check()):
        with pytest.raises(Unavailable, match="did not answer"):
            await work
    await database.close()
