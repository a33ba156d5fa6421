"""The SQLite database that data is moved from, held still meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from keywright.errors import Conflict, Unavailable
from keywright.storage.moving.rows import BATCH, read_from_sqlite

# A command that is just ending is waited for; a server does not end.
_BUSY_SECONDS = 5


class Source:
    """An open SQLite database that nobody else can open.

    Args:
        connection: in a transaction that holds every lock.
        file: where it is.
    """

    def __init__(self, connection: sqlite3.Connection, file: Path) -> None:
        self._connection = connection
        self._file = file

    def count(self, table: Table) -> int:
        """Return how many rows a table has."""
        return int(self._connection.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()[0])  # noqa: S608 - our name

    def rows(self, table: Table) -> Iterator[list[tuple[Any, ...]]]:
        """Read a table in the order of its key, in batches, none of them empty."""
        cursor = self._connection.execute(read_from_sqlite(table))
        while batch := cursor.fetchmany(BATCH):
            yield batch

    def check(self) -> None:
        """Make sure that the file is whole: what SQLite cannot read any more must not get lost in silence.

        Raises:
            Unavailable: it is damaged.
        """
        said = self._connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if said != "ok":
            raise Unavailable(f"{self._file} is damaged ({said}); move from a backup that is whole")


@contextmanager
def held_still(file: Path) -> Iterator[Source]:
    """Open a database so that nobody else has it open, nor can open it meanwhile.

    Waiting writers would not be enough. A server that goes on with the old file after the move accepts what is deleted
    in the new one, and changes what nobody moves any more; so it must be ended first, and this sees whether it was. In
    exclusive mode SQLite locks the file itself, of which whoever has a WAL database open holds a shared lock.

    Args:
        file: the database file, which exists.

    Yields:
        The database.

    Raises:
        Conflict: somebody else has it open.
        Unavailable: it cannot be read.
    """
    try:
        connection = sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=_BUSY_SECONDS)
    except sqlite3.Error as error:
        raise _unreadable(file, error) from error
    # SQLite holds any value in any column: text that is no UTF-8 is named by its row, instead of breaking off the read.
    connection.text_factory = _text
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN IMMEDIATE")
        yield Source(connection, file)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise Conflict(
                f"{file} is in use; stop the server and every command that work with it, and move again: what they"
                " change from now on would be missing in the new database"
            ) from error
        raise _unreadable(file, error) from error
    finally:
        connection.close()


def _text(stored: bytes) -> str | bytes:
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored


def _unreadable(file: Path, error: sqlite3.Error) -> Unavailable:
    return Unavailable(f"{file} cannot be read ({error}); check the path, its rights and the disk")
