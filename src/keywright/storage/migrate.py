"""Bring a database to the schema of this version: one Alembic tree, for every engine."""

from __future__ import annotations

import os
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DatabaseError

from keywright.errors import Conflict, Unavailable
from keywright.storage.engine import prepare_connection


def migrate(file: Path) -> tuple[str | None, str]:
    """Bring the database file to this version's schema, creating it if need be. Safe to run at any time, by many.

    Args:
        file: the SQLite file; its folder is created, readable by its owner only.

    Returns:
        The revision before (None for a new database) and after.

    Raises:
        Conflict: the file was made by a newer version.
        Unavailable: the file cannot be opened or is not a database.
    """
    _create_private(file)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    newest = ScriptDirectory.from_config(config).get_current_head()
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": 60}, hide_parameters=True)
    event.listen(engine, "connect", prepare_connection)

    # The write lock makes two processes that start together migrate one after the other.
    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        with engine.begin() as connection:
            before = MigrationContext.configure(connection).get_current_revision()
            known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
            if before is not None and before not in known:
                raise Conflict(f"{file} was made by a newer Keywright (schema {before}); start that version instead")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DatabaseError as error:
        raise Unavailable(
            f"{file} cannot be used as a Keywright database ({error.orig}); check the path, its rights and the disk"
        ) from error
    finally:
        engine.dispose()
    return before, str(newest)


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
