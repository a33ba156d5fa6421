"""SQLite: one file on one host, shared by the processes there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, text
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from keywright.errors import Unavailable
from keywright.storage.database import Clock, Database, ReadSession, WriteSession

# How long a writer waits for the others before it gives up and says so.
BUSY_TIMEOUT_SECONDS = 20


class SqliteDatabase(Database):
    """The one door to a SQLite file.

    Args:
        file: the database file; its folder must exist.
        clock: tells the time, seconds since 1970 UTC.
        pool_size: most connections for reading.
    """

    def __init__(self, file: Path, clock: Clock, *, pool_size: int = 4) -> None:
        self.file = file
        self._clock = clock
        self._opened = _identity(file)
        # One writer: SQLite has one write lock, so a second connection would only wait inside SQLite.
        self._writer = _engine(file, begin="BEGIN IMMEDIATE", pool_size=1)
        self._reader = _engine(file, begin="BEGIN", pool_size=pool_size)

    @property
    def is_shared(self) -> bool:
        """Not beyond this host, where every verifier sees each commit."""
        return False

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """Open a read transaction; see Database."""
        async with _connection(self._reader) as connection:
            yield ReadSession(connection, self._now_ms())

    @asynccontextmanager
    async def write(self, *, alone: bool = True) -> AsyncIterator[WriteSession]:
        """Open a write transaction; see Database. SQLite lets only one in at a time, whatever it is for."""
        async with _connection(self._writer) as connection:
            # The time is taken once the lock is held, so that times grow with commit order.
            yield WriteSession(connection, self._now_ms())

    async def check(self) -> None:
        """Make sure that questions are answered, and from the file that is in its place; see Database."""
        async with self.read() as session:
            await session.execute(text("SELECT number FROM revocation_counter"))
        if _identity(self.file) != self._opened:
            raise Unavailable(
                "the database file was moved or replaced under the running server; restart the server",
                private=f"{self.file} is not the file that was opened",
            )

    async def reconnect(self) -> None:
        """There is one file, and `check` sees whether it is still the same; see Database."""

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
