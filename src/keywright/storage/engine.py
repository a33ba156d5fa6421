"""Connections and transactions. Read and write sessions are different types, so that a reader cannot write."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, CursorResult, Executable, Row, event, text
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from keywright.errors import Unavailable

Clock = Callable[[], float]

# How long a writer waits for the others before it gives up and says so.
BUSY_TIMEOUT_SECONDS = 20


class ReadSession:
    """One read transaction: a consistent view of the database.

    Args:
        connection: an open connection inside a transaction.
        now_ms: the time of this transaction, milliseconds since 1970 UTC.
    """

    def __init__(self, connection: AsyncConnection, now_ms: int) -> None:
        self._connection = connection
        self.now_ms = now_ms

    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run one statement.

        Args:
            statement: a SQLAlchemy Core statement.
            parameters: its values, or a list of them to run it many times.

        Returns:
            The buffered result.
        """
        return await self._connection.execute(statement, parameters)

    async def stream(self, statement: Executable, *, batch: int) -> AsyncGenerator[Sequence[Row[Any]]]:
        """Run one statement whose rows are too many to hold at once.

        Args:
            statement: a SQLAlchemy Core statement.
            batch: how many rows to read at a time.

        Yields:
            The rows in batches, none of them empty. Nothing else runs in this session meanwhile.
        """
        async with self._connection.stream(statement, execution_options={"yield_per": batch}) as result:
            async for rows in result.partitions():
                yield rows


class WriteSession(ReadSession):
    """One write transaction. It is undone unless the edge calls `commit`; services never do."""

    async def commit(self) -> None:
        """Make the changes last. When this returns, they are on the disk."""
        await self._connection.commit()


class Database:
    """The one door to the SQLite file.

    Args:
        file: the database file; its folder must exist.
        clock: tells the time, seconds since 1970 UTC.
    """

    def __init__(self, file: Path, clock: Clock) -> None:
        self.file = file
        self._clock = clock
        self._opened = _identity(file)
        # One writer: SQLite has one write lock, so a second connection would only wait inside SQLite.
        self._writer = _engine(file, begin="BEGIN IMMEDIATE", pool_size=1)
        self._reader = _engine(file, begin="BEGIN", pool_size=4)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """Open a read transaction.

        Raises:
            Unavailable: the database does not answer in time.
        """
        async with _connection(self._reader) as connection:
            yield ReadSession(connection, self._now_ms())

    @asynccontextmanager
    async def write(self) -> AsyncIterator[WriteSession]:
        """Open a write transaction, alone among all processes; undone unless committed.

        Raises:
            Unavailable: others held the write lock too long.
        """
        async with _connection(self._writer) as connection:
            # The time is taken once the lock is held, so that times grow with commit order.
            yield WriteSession(connection, self._now_ms())

    async def check(self) -> None:
        """Make sure that questions are answered, and from the file that is in its place.

        Raises:
            Unavailable: the database does not answer, or was replaced under the running process.
        """
        async with self.read() as session:
            await session.execute(text("SELECT number FROM revocation_counter"))
        if _identity(self.file) != self._opened:
            raise Unavailable(
                "the database file was moved or replaced under the running server; restart the server",
                private=f"{self.file} is not the file that was opened",
            )

    async def close(self) -> None:
        """Close every connection."""
        await self._reader.dispose()
        await self._writer.dispose()

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


@asynccontextmanager
async def _connection(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    try:
        async with engine.connect() as connection:
            await connection.begin()
            yield connection
    except PoolTimeoutError as error:
        raise Unavailable("the database is busy; try again in a moment", private=str(error)) from error
    except IntegrityError:
        raise  # a fault of ours, not of the database
    except DatabaseError as error:
        # Locked, full, unreadable, damaged: nothing was written, and another attempt may succeed. The connections
        # are given up, since one that has seen damage keeps failing after the file was mended.
        if not _is_busy(error):
            await engine.dispose()
        raise Unavailable("the database did not answer; try again in a moment", private=str(error)) from error


def _is_busy(error: DatabaseError) -> bool:
    return getattr(error.orig, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _engine(file: Path, *, begin: str, pool_size: int) -> AsyncEngine:
    engine = create_async_engine(
        # mode=rw: a file that is gone must not be made anew, empty.
        URL.create("sqlite+aiosqlite", database=file.as_uri(), query={"mode": "rw", "uri": "true"}),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_SECONDS,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS},
        hide_parameters=True,  # errors are logged, and parameters hold hashes and addresses
    )
    event.listen(engine.sync_engine, "connect", prepare_connection)

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def prepare_connection(connection: Any, _record: Any) -> None:
    """Set what every SQLite connection of ours needs.

    Args:
        connection: a new DBAPI connection.
        _record: SQLAlchemy's own note on it.
    """
    # The driver would otherwise open transactions of its own, without the write lock that we ask for.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}",
        "journal_mode = WAL",
        "synchronous = FULL",  # an acknowledged change survives a power cut
        "foreign_keys = ON",
        "secure_delete = ON",  # erased sealed secrets are overwritten, not merely unlinked
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
