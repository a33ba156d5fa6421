"""Bring a database to the schema of this version: one Alembic tree, for every engine.

A revision is named `0007`, or `0007_from_0005`: then servers that know schema 0005 or a later one run on it as well,
since all that came after only adds. So a node knows of a schema that is newer than itself whether it may go on; see
docs/decisions/0012-rolling-upgrades.md.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DatabaseError, DBAPIError
from sqlalchemy.pool import NullPool

from keywright.errors import Conflict, Unavailable
from keywright.storage.open import is_sqlite, sqlite_file
from keywright.storage.sqlite import prepare_connection

# How long a migration waits for a table that other sessions work on.
_TABLE_LOCK_SECONDS = 30
_INSUFFICIENT_PRIVILEGE, _LOCK_NOT_AVAILABLE = "42501", "55P03"


def migrate(url: str, *, create: bool = True) -> tuple[str | None, str]:
    """Bring a database to this version's schema, creating it if need be. Safe to run at any time, by many.

    Args:
        url: sqlite:////absolute/path.db, whose folder is created, readable by its owner only; or
            postgresql://user:password@host:port/name, which must exist.
        create: whether a database without anything in it is meant; else it is a mistake in the URL.

    Returns:
        The revision before (None for a new database) and after. They are one if the schema is newer, and this version
        runs on it.

    Raises:
        Conflict: the schema is newer, and this version does not run on it.
        Unavailable: it cannot be opened, is no database, or is empty and must not be.
    """
    if is_sqlite(url):
        return _migrate_sqlite(sqlite_file(url), create=create)
    return asyncio.run(_migrate_postgresql(url, create=create))


def _migrate_sqlite(file: Path, *, create: bool) -> tuple[str | None, str]:
    if not create and (not file.exists() or file.stat().st_size == 0):
        raise Unavailable(
            f"there is no Keywright database at {file}; check --data-dir, or make one with `keywright migrate`"
        )
    _create_private(file)
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": 60}, hide_parameters=True)
    event.listen(engine, "connect", prepare_connection)

    # The write lock makes two processes that start together migrate one after the other.
    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        with engine.begin() as connection:
            return _upgrade(connection, str(file), create=create)
    except DatabaseError as error:
        raise Unavailable(
            f"{file} cannot be used as a Keywright database ({error.orig}); check the path, its rights and the disk"
        ) from error
    finally:
        engine.dispose()


async def _migrate_postgresql(url: str, *, create: bool) -> tuple[str | None, str]:
    # Only who uses PostgreSQL loads its driver.
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

    from keywright.storage.postgresql import MIGRATION_LOCK  # noqa: PLC0415
    from keywright.storage.postgresql_connection import (  # noqa: PLC0415
        DATABASE_ERRORS,
        MIGRATION_TIMEOUTS,
        connect,
    )

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: connect(url, timeouts=MIGRATION_TIMEOUTS),
        poolclass=NullPool,
        hide_parameters=True,
    )
    try:
        async with engine.begin() as connection:
            encoding = (await connection.exec_driver_sql("SHOW server_encoding")).scalar_one()
            if encoding != "UTF8":
                raise Unavailable(
                    f"the PostgreSQL database is encoded in {encoding}, which cannot hold every name; make another:"
                    " CREATE DATABASE keywright ENCODING 'UTF8' TEMPLATE template0"
                )
            # Nodes that start together migrate one after the other, however long the first one takes.
            await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
            # What waits for a table stands in the way of all who come after it, so it does not wait for long.
            await connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_TABLE_LOCK_SECONDS}s'")
            return await connection.run_sync(_upgrade, "the PostgreSQL database", create=create)
    except DATABASE_ERRORS as error:
        raise _unusable(error) from error
    finally:
        await engine.dispose()


def _unusable(error: Exception) -> Unavailable:
    """Say why a PostgreSQL database cannot be used, and what to do; the URL's password is in no driver's message."""
    reason = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(reason, "sqlstate", None)
    if state == _INSUFFICIENT_PRIVILEGE:
        remedy = "let the user own the database, or GRANT CREATE, USAGE ON SCHEMA public TO it"
    elif state == _LOCK_NOT_AVAILABLE:
        remedy = "another session works on its tables; try again, or stop the other nodes first"
    else:
        remedy = "check that it runs and is no standby, and the host, name, user and password in database_url"
    return Unavailable(f"the PostgreSQL database cannot be used ({reason}); {remedy}")


def _upgrade(connection: Connection, name: str, *, create: bool) -> tuple[str | None, str]:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    before = MigrationContext.configure(connection).get_current_revision()
    ours = str(scripts.get_current_head())
    if before is None and not create:
        raise Unavailable(
            f"there is nothing of Keywright in {name}; check database_url, or make it one with `keywright migrate`"
        )
    if before is not None and before not in {script.revision for script in scripts.walk_revisions()}:
        if runs_on(before, ours):
            return before, before
        raise Conflict(
            f"{name} was made by a newer Keywright (schema {before}), on which this version (schema {ours}) does not"
            " run; start that version instead"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return before, ours


def runs_on(newer: str, ours: str) -> bool:
    """Tell whether this version may work on a schema that it does not know.

    Args:
        newer: that schema's revision, such as `0007_from_0005`.
        ours: the last revision that this version knows.

    Returns:
        Whether the name says so.
    """
    named = re.fullmatch(r"[0-9]{4}_from_([0-9]{4})", newer)
    return named is not None and named[1] <= ours[:4]


def _create_private(file: Path) -> None:
    """Make folder and file for their owner alone, before SQLite would make them for everyone."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Only a file that is not there yet: closing a descriptor of a live database would drop SQLite's locks on it.
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise Unavailable(
            f"{file} cannot be created or opened ({error.strerror});"
            " choose another folder with --data-dir, or mend its rights"
        ) from error
