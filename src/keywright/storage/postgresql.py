"""PostgreSQL: one database for many nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from keywright.errors import Unavailable
from keywright.storage.database import Clock, Database, ReadSession, WriteSession, no_answer, unknown_outcome

# How long a connection may take to come about, and a statement to be answered.
CONNECT_TIMEOUT_SECONDS = 5
STATEMENT_TIMEOUT_SECONDS = 20
# A control node that is stopped in the middle of a transaction holds the write lock no longer than this.
_IDLE_TIMEOUT_SECONDS = 10
# Names the write lock among the database's advisory locks, and the lock of migrations.
WRITE_LOCK = 0x6B77_7772_6974_65
MIGRATION_LOCK = 0x6B77_6D69_6772_61
# The clause is computed for each row of `taken`, so after the lock was had: times grow with the order of commits, and
# those of all nodes come from one clock.
_TAKE_WRITE_LOCK = text(
    "WITH taken AS MATERIALIZED (SELECT pg_advisory_xact_lock(:key))"
    " SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM taken"
)
_TIME = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")


class WatchedConnection(asyncpg.Connection):  # type: ignore[misc] # asyncpg's class is untyped
    """A connection that notes the database's warnings: one at a commit says that a standby may lack it."""

    warning: str | None = None


async def connect(
    url: str,
    *,
    application_name: str = "keywright",
    statement_seconds: int = STATEMENT_TIMEOUT_SECONDS,
    idle_seconds: int = _IDLE_TIMEOUT_SECONDS,
) -> WatchedConnection:
    """Open a connection to the primary.

    Args:
        url: postgresql://user:password@host:port/name, as libpq reads it; several hosts may be named.
        application_name: shown in pg_stat_activity.
        statement_seconds: how long a statement, and the wait for a lock in it, may take.
        idle_seconds: how long a transaction may do nothing before the server ends it.

    Returns:
        The connection; whoever asks closes it.

    Raises:
        OSError: nobody answers.
        asyncpg.PostgresError: the database refuses.
    """
    connection = await asyncpg.connect(
        url,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=statement_seconds,
        # A standby lags behind, and deleted keys would go on working from there.
        target_session_attrs="primary",
        connection_class=WatchedConnection,
        server_settings={
            "application_name": application_name,
            "idle_in_transaction_session_timeout": str(idle_seconds * 1000),
            "lock_timeout": str(statement_seconds * 1000),
            "jit": "off",  # our statements are short; compiling them costs more than it brings
        },
    )
    connection.add_log_listener(_note_warning)
    return connection  # type: ignore[no-any-return] # as above


def _note_warning(connection: Any, message: Any) -> None:
    if message.severity_en == "WARNING":
        connection.warning = message.message


class PostgresqlDatabase(Database):
    """The one door to a PostgreSQL database.

    Args:
        url: postgresql://user:password@host:port/name.
        clock: tells the time, seconds since 1970 UTC, to read transactions; write transactions have the database's.
        pool_size: most connections of this process for reading; two more are for writing.
    """

    def __init__(self, url: str, clock: Clock, *, pool_size: int = 4) -> None:
        self._clock = clock
        self._reader = _engine(url, pool_size, isolation_level="REPEATABLE READ", read_only=True)
        # One waits for the write lock, or has it, while the other takes bookkeeping past it.
        self._writer = _engine(url, 2, isolation_level="READ COMMITTED", read_only=False)

    @property
    def is_shared(self) -> bool:
        """Nodes on other hosts work with it, too."""
        return True

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """Open a read transaction; see Database."""
        async with _connection(self._reader) as connection:
            yield ReadSession(connection, int(self._clock() * 1000))

    @asynccontextmanager
    async def write(self, *, alone: bool = True) -> AsyncIterator[WriteSession]:
        """Open a write transaction; see Database."""
        async with _connection(self._writer) as connection:
            session = _PostgresqlWriteSession(connection, 0)
            taken = await (session.execute(_TAKE_WRITE_LOCK, {"key": WRITE_LOCK}) if alone else session.execute(_TIME))
            session.now_ms = taken.scalar_one()
            yield session

    async def check(self) -> None:
        """Make sure that questions are answered; see Database."""
        async with self.read() as session:
            await session.execute(text("SELECT number FROM revocation_counter"))

    async def close(self) -> None:
        """Close every connection."""
        await self._reader.dispose()
        await self._writer.dispose()


class _PostgresqlWriteSession(WriteSession):
    async def commit(self) -> None:
        """Make the changes last, on a synchronous standby too, where there is one."""
        connection: WatchedConnection = (await self._connection.get_raw_connection()).driver_connection  # type: ignore[assignment]
        connection.warning = None
        try:
            await self._connection.commit()
        except (OSError, DBAPIError) as error:
            raise unknown_outcome(error) from error
        # The wait for the standby was broken off: committed here, but gone if the standby takes over.
        if connection.warning is not None:
            raise unknown_outcome(RuntimeError(connection.warning))


def _engine(url: str, pool_size: int, *, isolation_level: str, read_only: bool) -> AsyncEngine:
    creator: Callable[[], Awaitable[WatchedConnection]] = lambda: connect(url)  # noqa: E731 - one expression
    return create_async_engine(
        # The URL goes to the driver as it is, which reads it as libpq does.
        "postgresql+asyncpg://",
        async_creator=creator,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=STATEMENT_TIMEOUT_SECONDS,
        hide_parameters=True,  # errors are logged, and parameters hold hashes and addresses
        isolation_level=isolation_level,
        execution_options={"postgresql_readonly": read_only},
    )


@asynccontextmanager
async def _connection(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    opened = engine.connect()
    try:
        connection = await opened.start()
    except PoolTimeoutError as error:
        raise Unavailable("the database is busy; try again in a moment", private=str(error)) from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, DBAPIError) as error:
        raise no_answer(error) from error
    try:
        await connection.begin()
        yield connection
    except IntegrityError:
        raise  # a fault of ours, not of the database
    except DBAPIError as error:
        raise no_answer(error) from error
    finally:
        await _give_back(connection)


async def _give_back(connection: AsyncConnection) -> None:
    """Undo what was not committed, and return the connection; one that is broken is thrown away."""
    try:
        await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, DBAPIError):
        await connection.invalidate()
