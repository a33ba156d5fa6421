"""Which engine a database URL means."""
# ruff: noqa: PLC0415 - a process loads the driver of the engine that it uses

from __future__ import annotations

from pathlib import Path

from keywright.storage.database import Clock, Database

SQLITE = "sqlite:///"


def is_sqlite(url: str) -> bool:
    """Tell whether a database URL means a file on this host."""
    return url.startswith(SQLITE)


def sqlite_file(url: str) -> Path:
    """Return the file that a sqlite:/// URL means."""
    return Path(url.removeprefix(SQLITE))


def open_database(url: str, clock: Clock, *, pool_size: int = 4) -> Database:
    """Open a database, which must be migrated. Nothing is connected before the first transaction.

    Args:
        url: sqlite:////absolute/path.db or postgresql://user:password@host:port/name.
        clock: tells the time, seconds since 1970 UTC.
        pool_size: most connections for reading.

    Returns:
        The database.
    """
    if is_sqlite(url):
        from keywright.storage.sqlite import SqliteDatabase

        return SqliteDatabase(sqlite_file(url), clock, pool_size=pool_size)
    from keywright.storage.postgresql import PostgresqlDatabase

    return PostgresqlDatabase(url, clock, pool_size=pool_size)
