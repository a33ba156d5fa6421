"""PostgreSQL: one database for many nodes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from keywright.errors import Fault, InvalidRequest, Unavailable
from keywright.storage.database import Clock, Database, ReadSession, WriteSession, no_answer, unknown_outcome
from keywright.storage.postgresql_connection import (
    DATABASE_ERRORS,
    DEFAULT_TIMEOUTS,
    Timeouts,
    WatchedConnection,
    connect,
)

__all__ = ["MIGRATION_LOCK", "WRITE_LOCK", "PostgresqlDatabase", "WatchedConnection", "connect"]

# Names the write lock among the database's advisory locks, and the lock of migrations.
WRITE_LOCK = 0x6B77_7772_6974_65
MIGRATION_LOCK = 0x6B77_6D69_6772_61
# The clause is computed for each row of `taken`, so after the lock was had: times grow with the order of commits, and
# those of all nodes come from one clock.
_TAKE_WRITE_LOCK = text(
    "WITH taken AS MATERIALIZED (SELECT pg_advisory_xact_lock(:key))"
    " SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM taken"
)
_NOTIFY = text("SELECT pg_notify(:channel, '')")
_TIME = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
# How many transactions of a process queue for the write lock in the database: while one works the next is in line.
_IN_LINE = 2
_LOCK_NOT_AVAILABLE = "55P03"
_CLOSE_SECONDS = 5
# What no text in PostgreSQL holds, and what stands for it in a question, where it is found as little.
_IMPOSSIBLE, _NEVER_STORED = re.compile("[\x00\ud800-\udfff]"), "\uffff"


class PostgresqlDatabase(Database):
    """The one door to a PostgreSQL database.

    Args:
        url: postgresql://user:password@host:port/name.
        clock: tells the time, seconds since 1970 UTC, to read transactions; write transactions have the database's.
        pool_size: most connections of this process for reading; three more are for writing.
        timeouts: how long to wait for what.
    """

    def __init__(self, url: str, clock: Clock, *, pool_size: int = 4, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> None:
        self._clock = clock
        self._timeouts = timeouts
        self._reader = _engine(url, pool_size, timeouts, isolation_level="REPEATABLE READ", read_only=True)
        # One more than queue for the write lock, so that bookkeeping goes past them.
        self._writer = _engine(url, _IN_LINE + 1, timeouts, isolation_level="READ COMMITTED", read_only=False)
        self._line = asyncio.Semaphore(_IN_LINE)

    @property
    def is_shared(self) -> bool:
        """Nodes on other hosts work with it, too."""
        return True

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """Open a read transaction; see Database."""
        async with _connection(self._reader) as connection:
            server = (await _driver(connection)).server
            yield ReadSession(connection, int(self._clock() * 1000), server=server)

    @asynccontextmanager
    async def write(self, *, alone: bool = True) -> AsyncIterator[WriteSession]:
        """Open a write transaction; see Database."""
        if alone:
            await self._stand_in_line()
        try:
            async with _connection(self._writer) as connection:
                session = _PostgresqlWriteSession(connection, 0, server=(await _driver(connection)).server)
                session.now_ms = await (_take_write_lock(session) if alone else _time(session))
                yield session
        finally:
            if alone:
                self._line.release()

    async def check(self) -> None:
        """Make sure that questions are answered; see Database."""
        async with self.read() as session:
            await session.execute(text("SELECT number FROM revocation_counter"))

    async def reconnect(self) -> None:
        """Read over new connections from now on; see Database. Those in use are closed when they are given back."""
        with suppress(*DATABASE_ERRORS):
            await self._reader.dispose()

    async def close(self) -> None:
        """Close every connection; those of a database that does not answer are cut after a while."""
        for engine in (self._reader, self._writer):
            with suppress(*DATABASE_ERRORS):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await engine.dispose()

    async def _stand_in_line(self) -> None:
        try:
            async with asyncio.timeout(self._timeouts.lock):
                await self._line.acquire()
        except TimeoutError as error:
            raise _busy(error) from error


class _PostgresqlWriteSession(WriteSession):
    async def notify(self, channel: str) -> None:
        """Wake whoever listens; see WriteSession."""
        await self.execute(_NOTIFY, {"channel": channel})

    async def commit(self) -> None:
        """Make the changes last, on a synchronous standby too, where there is one."""
        driver = await _driver(self._connection)
        driver.warning = None
        try:
            await self._connection.commit()
        except DATABASE_ERRORS as error:
            raise unknown_outcome(error) from error
        # The wait for the standby was broken off: committed here, but gone if the standby takes over.
        if driver.warning is not None:
            raise unknown_outcome(RuntimeError(driver.warning))


async def _take_write_lock(session: WriteSession) -> int:
    try:
        return int((await session.execute(_TAKE_WRITE_LOCK, {"key": WRITE_LOCK})).scalar_one())
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise _busy(error) from error
        raise


async def _time(session: WriteSession) -> int:
    return int((await session.execute(_TIME)).scalar_one())


def _engine(url: str, pool_size: int, timeouts: Timeouts, *, isolation_level: str, read_only: bool) -> AsyncEngine:
    def creator() -> Coroutine[Any, Any, WatchedConnection]:
        return connect(url, timeouts=timeouts)

    engine = create_async_engine(
        # The URL goes to the driver as it is, which reads it as libpq does.
        "postgresql+asyncpg://",
        async_creator=creator,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=timeouts.lock,
        hide_parameters=True,  # errors are logged, and parameters hold hashes and addresses
        isolation_level=isolation_level,
        execution_options={"postgresql_readonly": read_only},
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    event.listen(engine.sync_engine, "before_cursor_execute", _hold_to_possible_texts, retval=True)
    return engine


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """Connect anew, instead of failing whoever comes first after the database was restarted."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _hold_to_possible_texts(
    _connection: Any, _cursor: Any, statement: str, parameters: Any, context: Any, _is_many: bool
) -> tuple[str, Any]:
    """Let texts that PostgreSQL refuses (U+0000, halves of surrogate pairs) be what they are to SQLite: not found."""
    if not any(isinstance(value, str) and _IMPOSSIBLE.search(value) for value in _values(parameters)):
        return statement, parameters
    if context.isinsert or context.isupdate:
        raise InvalidRequest(
            [Fault("", "a text holds a character that cannot be stored, such as U+0000; leave it out")]
        )
    return statement, tuple(
        _IMPOSSIBLE.sub(_NEVER_STORED, value) if isinstance(value, str) else value for value in parameters
    )


def _values(parameters: Any) -> Any:
    """All values of one execution, or of many."""
    if isinstance(parameters, list):
        return (value for row in parameters for value in row)
    return parameters or ()


@asynccontextmanager
async def _connection(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    try:
        connection = await engine.connect().start()
    except PoolTimeoutError as error:
        raise _busy(error) from error
    except DATABASE_ERRORS as error:
        raise no_answer(error) from error
    is_in_doubt = True  # until it is known where the database stands
    try:
        await connection.begin()
        yield connection
        is_in_doubt = False
    except IntegrityError:
        is_in_doubt = False
        raise  # a fault of ours, not of the database
    except DBAPIError as error:
        is_in_doubt = False
        raise no_answer(error) from error
    except Exception as error:
        is_in_doubt = isinstance(error.__cause__, OSError)
        raise
    finally:
        await _to_its_end(_give_back(connection, is_in_doubt=is_in_doubt))


async def _give_back(connection: AsyncConnection, *, is_in_doubt: bool) -> None:
    """Undo what was not committed and return the connection; one that may still be in a transaction is thrown away.

    A statement that was cut short (no answer in time, or whoever asked was cancelled) leaves the driver not knowing
    whether there is a transaction; its next user would be refused, or worse, find one open that has the write lock.
    """
    try:
        if not (is_in_doubt or connection.invalidated):
            driver = await _driver(connection)
            await connection.rollback()
            is_in_doubt = driver.is_in_transaction()
    except DATABASE_ERRORS:
        is_in_doubt = True
    with suppress(*DATABASE_ERRORS):
        if is_in_doubt:
            await connection.invalidate()
    with suppress(*DATABASE_ERRORS):
        await connection.close()


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do something to its end, also if whoever waits for it is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _driver(connection: AsyncConnection) -> WatchedConnection:
    return (await connection.get_raw_connection()).driver_connection  # type: ignore[return-value] # made by connect


def _busy(error: BaseException) -> Unavailable:
    return Unavailable("the database is busy; try again in a moment", private=repr(error))
