"""Connections to PostgreSQL: to the primary only, each bounded in time on both ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy.exc import DBAPIError

# What the driver raises of its own accord, beside OSError, which a time-out is, too.
DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
# What a connection can fail with, whoever talks to it. UnicodeError: a host's name is none.
DATABASE_ERRORS = (OSError, UnicodeError, DBAPIError, *DRIVER_ERRORS)
# How much longer than the server the client waits: a server that is there gives up first, and says why.
_GRACE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each thing may take, in seconds; None is for as long as it takes.

    Args:
        connect: until a connection has come about.
        statement: until a statement is answered, a commit too.
        lock: until a lock is had.
        idle: between two statements of a transaction. A node that is stopped in the middle of one holds its locks no
            longer than this, so it is shorter than `lock`: who waits for them then gets them.
    """

    connect: float = 5
    statement: float | None = 20
    lock: float | None = 15
    idle: float = 10


DEFAULT_TIMEOUTS = Timeouts()
# Building an index takes as long as it takes; so does waiting for the node that builds it.
MIGRATION_TIMEOUTS = Timeouts(statement=None, lock=None, idle=60)


class WatchedConnection(asyncpg.Connection):  # type: ignore[misc] # asyncpg's class is untyped
    """A connection that knows which server it leads to, and notes the database's warnings.

    A warning at a commit says that a standby may lack it. A server is named by when it was started, to the microsecond:
    two servers of one deployment, the one replaced and the one in its place, differ in that.
    """

    warning: str | None = None
    server: str = ""


async def connect(
    url: str, *, application_name: str = "keywright", timeouts: Timeouts = DEFAULT_TIMEOUTS
) -> WatchedConnection:
    """Open a connection to the primary.

    Args:
        url: postgresql://user:password@host:port/name, as libpq reads it; several hosts may be named.
        application_name: shown in pg_stat_activity.
        timeouts: how long to wait.

    Returns:
        The connection; whoever asks closes it.

    Raises:
        OSError: nobody answers.
        UnicodeError: there can be no such host.
        asyncpg.PostgresError: the database refuses.
        asyncpg.InterfaceError: the URL cannot be used.
        asyncpg.InternalClientError: it is a standby, or speaks another language.
    """
    try:
        connection = await asyncpg.connect(
            url,
            timeout=timeouts.connect,
            command_timeout=None if timeouts.statement is None else timeouts.statement + _GRACE_SECONDS,
            # A standby lags behind, and deleted keys would go on working from there.
            target_session_attrs="primary",
            connection_class=WatchedConnection,
            server_settings={
                "application_name": application_name,
                "statement_timeout": _milliseconds(timeouts.statement),
                "lock_timeout": _milliseconds(timeouts.lock),
                "idle_in_transaction_session_timeout": _milliseconds(timeouts.idle),
                # Whatever the server's default is: a delete that was confirmed must not be undone by a power cut.
                "synchronous_commit": "on",
                "jit": "off",  # our statements are short; compiling them costs more than it brings
            },
        )
    except ValueError as error:
        if isinstance(error, UnicodeError | asyncpg.InterfaceError):
            raise
        # An option that is none. What the driver says of it may hold a part of the URL.
        raise asyncpg.InterfaceError("database_url cannot be read; check its options") from None
    connection.add_log_listener(_note_warning)
    try:
        connection.server = await connection.fetchval("SELECT pg_postmaster_start_time()::text")
    except BaseException:
        connection.terminate()
        raise
    return connection  # type: ignore[no-any-return] # as above


def _milliseconds(seconds: float | None) -> str:
    return "0" if seconds is None else str(round(seconds * 1000))


def _note_warning(connection: Any, message: Any) -> None:
    # By the word that is not translated; whoever waits for the statement comes behind this call in the event loop.
    if message.severity_en == "WARNING":
        connection.warning = message.message
