"""What is moved, in which order, and which values PostgreSQL can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Dialect, Integer, LargeBinary, String, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from keywright.storage.tables import metadata, verifiers

# Rows that are read, sent and compared at a time.
BATCH = 2000
# Told now and then: what is being done, to which table, how many rows of how many.
Progress = Callable[[str, str, int, int], None]

_SQLITE: Dialect = sqlite.dialect()
_POSTGRESQL: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's is untyped

# Those who verify now are no data: they register where they run.
MOVED_TABLES: tuple[Table, ...] = tuple(table for table in metadata.sorted_tables if table is not verifiers)


def read_from_sqlite(table: Table) -> str:
    """Return the statement that reads a table from SQLite in the order of its key."""
    return str(select(*table.c).order_by(*table.primary_key).compile(dialect=_SQLITE))


def read_from_postgresql(table: Table) -> str:
    """Return the statement that reads a table from PostgreSQL in the very order in which SQLite gives it.

    SQLite compares text byte by byte. A PostgreSQL database may be made to compare it as people do.
    """
    keys = [key.collate("C") if isinstance(key.type, String) else key for key in table.primary_key]
    return str(select(*table.c).order_by(*keys).compile(dialect=_POSTGRESQL))


def key_of(table: Table, row: Sequence[Any]) -> str:
    """Name a row of a table by its key, for people."""
    named = zip(table.primary_key, _key(table, row), strict=True)
    return ", ".join(f"{column.name} {_shown(value)}" for column, value in named)


def fault_in(table: Table, row: Sequence[Any]) -> str | None:
    """Find what PostgreSQL could not hold, or would hold as something else.

    Args:
        table: the table.
        row: a row of it, as SQLite gave it; SQLite holds any value in any column.

    Returns:
        None, or which row and column, and what is wrong there; never the value.
    """
    for column, value in zip(table.c, row, strict=True):
        fault = _fault(column, value)
        if fault is not None:
            return f"{table.name}, {key_of(table, row)}: column {column.name} {fault}"
    return None


def _fault(column: Column[Any], value: Any) -> str | None:
    kind = column.type
    if value is None:
        return None if column.nullable else "is empty, and must not be"
    if isinstance(kind, LargeBinary):
        return None if isinstance(value, bytes) else f"holds {_kind(value)} where bytes belong"
    if isinstance(kind, Integer):
        if not isinstance(value, int):
            return f"holds {_kind(value)} where a whole number belongs"
        bits = 64 if isinstance(kind, BigInteger) else 32
        return None if -(1 << bits - 1) <= value < 1 << bits - 1 else "holds a number that is too large"
    assert isinstance(kind, String), column
    if not isinstance(value, str):
        return f"holds {_kind(value)} where text belongs"
    if "\0" in value:
        return "holds a NUL character, which PostgreSQL cannot"
    if kind.length is not None and len(value) > kind.length:
        return f"holds {len(value)} characters, and at most {kind.length} fit"
    return None


def _kind(value: Any) -> str:
    if isinstance(value, bytes):
        return "bytes, or text that is not UTF-8,"
    return {str: "text", int: "a whole number", float: "a number with a fraction"}[type(value)]


def _shown(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else repr(value) if isinstance(value, str) else str(value)


def first_difference(table: Table, here: Sequence[Any] | None, there: Sequence[Any] | None) -> str | None:
    """Compare a row with what became of it.

    Args:
        table: the table.
        here: the next row of the source in the order of the key; None after the last.
        there: the next row of the target; None after the last.

    Returns:
        None if they are equal, else which row differs and how; never the values.
    """
    if here is there or (here is not None and there is not None and tuple(here) == tuple(there)):
        return None  # both None, or equal, as mostly
    if there is None or (here is not None and _key(table, here) < _key(table, there)):
        assert here is not None
        return f"{table.name}, {key_of(table, here)}: the target does not have it"
    if here is None or _key(table, there) < _key(table, here):
        return f"{table.name}, {key_of(table, there)}: the source does not have it"
    return f"{table.name}, {key_of(table, here)}: {', '.join(_differing(table, here, there))} differ"


def _key(table: Table, row: Sequence[Any]) -> tuple[Any, ...]:
    """A row's place. Python compares text as both databases are told to: UTF-8 keeps the order of code points."""
    values = dict(zip((column.name for column in table.c), row, strict=True))
    return tuple(values[column.name] for column in table.primary_key)


def _differing(table: Table, here: Sequence[Any], there: Sequence[Any]) -> Iterable[str]:
    return (f"{column.name}" for column, one, other in zip(table.c, here, there, strict=True) if one != other)
