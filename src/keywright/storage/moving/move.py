"""One transaction on the target: copy, compare, check, and only then commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy import Table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from keywright.errors import Conflict, Unavailable
from keywright.storage.database import ReadSession
from keywright.storage.migrate import migrate
from keywright.storage.moving.rows import (
    MOVED_TABLES,
    Progress,
    fault_in,
    first_difference,
    key_of,
    read_from_postgresql,
)
from keywright.storage.moving.source import Source, held_still
from keywright.storage.open import is_sqlite, sqlite_file
from keywright.storage.postgresql import MIGRATION_LOCK, WRITE_LOCK
from keywright.storage.postgresql_connection import DATABASE_ERRORS, Timeouts, WatchedConnection, connect
from keywright.storage.tables import metadata, revocation_counter

# A large table is sorted, a large file is checked; nobody waits for it but us.
_TIMEOUTS = Timeouts(statement=None, lock=60, idle=3600)
# Held to the end: no node starts on, or writes to, a database that is being filled.
_LOCKS = (MIGRATION_LOCK, WRITE_LOCK)


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved.

    Args:
        rows: name of each table to its rows, in the order in which they were copied.
    """

    rows: dict[str, int]


def move(source: str, target: str, *, verify: Callable[[ReadSession], Awaitable[None]], progress: Progress) -> Moved:
    """Copy everything from a SQLite database to an empty PostgreSQL database, which then holds the same, or nothing.

    Args:
        source: sqlite:////absolute/path.db; nobody else may have it open. It is brought to this version's schema, and
            otherwise left as it is.
        target: postgresql://user:password@host:port/name, which exists and holds no data.
        verify: looks at what the target will hold once committed, and raises if it is not as it must be.
        progress: told what is being done.

    Returns:
        What was moved.

    Raises:
        Conflict: the source is in use, or holds what PostgreSQL cannot; the target holds data; or, what must never be,
            the target holds something else than the source.
        Unavailable: one of the two cannot be used, or did not confirm the commit.
    """
    assert is_sqlite(source)
    assert not is_sqlite(target)
    file = sqlite_file(source)
    with held_still(file) as still:
        still.check()
    # Let go of between the two, since the migrations open it themselves.
    migrate(source)
    migrate(target)
    with held_still(file) as still:
        return asyncio.run(_move(still, target, verify=verify, progress=progress))


async def _move(
    source: Source, target: str, *, verify: Callable[[ReadSession], Awaitable[None]], progress: Progress
) -> Moved:
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: connect(target, application_name="keywright migrate", timeouts=_TIMEOUTS),
        hide_parameters=True,
    )
    try:
        async with engine.connect() as connection:
            moved = await _fill(connection, source, verify=verify, progress=progress)
            await _commit(connection)
            return moved
    except DATABASE_ERRORS as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise Unavailable(
            f"the PostgreSQL database gave up ({reason}), and nothing was moved; see that it runs and has room, and"
            " move again"
        ) from error
    finally:
        await engine.dispose()


async def _commit(connection: AsyncConnection) -> None:
    watched: WatchedConnection = (await connection.get_raw_connection()).driver_connection  # type: ignore[assignment]
    watched.warning = None
    try:
        await connection.commit()
    except DATABASE_ERRORS as error:
        raise _unconfirmed(repr(error)) from error
    if watched.warning is not None:  # a standby that could take over may not have it
        raise _unconfirmed(watched.warning)


def _unconfirmed(reason: str) -> Unavailable:
    return Unavailable(
        f"the PostgreSQL database did not confirm that it keeps what was moved ({reason}); see that it and its standby"
        " run, make the target anew with `dropdb` and `createdb`, and move again"
    )


async def _fill(
    connection: AsyncConnection,
    source: Source,
    *,
    verify: Callable[[ReadSession], Awaitable[None]],
    progress: Progress,
) -> Moved:
    for lock in _LOCKS:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})
    await _must_be_empty(connection)
    await connection.execute(revocation_counter.delete())  # the row of a new database
    raw = (await connection.get_raw_connection()).driver_connection
    rows = {table.name: await _copy(raw, source, table, progress) for table in MOVED_TABLES}
    for table in MOVED_TABLES:
        await _compare(raw, source, table, rows[table.name], progress)
    await verify(ReadSession(connection, 0))
    # Otherwise the first questions are planned as if the tables were empty.
    await connection.execute(text("ANALYZE " + ", ".join(table.name for table in MOVED_TABLES)))
    return Moved(rows)


async def _must_be_empty(connection: AsyncConnection) -> None:
    for table in metadata.sorted_tables:
        found = await connection.execute(table.select().limit(1))
        row = found.mappings().one_or_none()
        is_new = row is None or (table is revocation_counter and row["number"] == 0 and row["token"] == "")
        if not is_new:
            raise Conflict(
                f"the target holds data already (in the table {table.name}); move into a new, empty database, which"
                " `createdb` makes, and start no server on it before"
            )


async def _copy(raw: Any, source: Source, table: Table, progress: Progress) -> int:
    total, done = source.count(table), 0
    for batch in source.rows(table):
        for row in batch:
            if fault := fault_in(table, row):
                raise Conflict(f"{fault}; mend it in the source, and move again")
        try:
            await raw.copy_records_to_table(table.name, records=batch, columns=[column.name for column in table.c])
        except (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError) as error:
            raise Conflict(
                f"{table.name}: PostgreSQL refuses a row from {key_of(table, batch[0])} to {key_of(table, batch[-1])}"
                f" ({error.args[0]}); mend it in the source, and move again"
            ) from error
        done += len(batch)
        progress("copied", table.name, done, total)
    return done


async def _compare(raw: Any, source: Source, table: Table, total: int, progress: Progress) -> None:
    cursor = await raw.cursor(read_from_postgresql(table))
    done = 0
    for here in source.rows(table):
        there = await cursor.fetch(len(here))
        for number, row in enumerate(here):
            _must_be_equal(table, row, there[number] if number < len(there) else None)
        done += len(here)
        progress("compared", table.name, done, total)
    more = await cursor.fetch(1)
    _must_be_equal(table, None, more[0] if more else None)


def _must_be_equal(table: Table, here: Any, there: Any) -> None:
    if difference := first_difference(table, here, there):
        raise Conflict(f"the copy is not equal to the source, so nothing was moved: {difference}")
