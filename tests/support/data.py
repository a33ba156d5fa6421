"""A look into a deployment's database past its servers, whichever engine it is on.

Statements are written with `?` for values, as SQLite has them, and each is a transaction of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import shutil
import sqlite3
import threading
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import asyncpg
import redis

from keywright.settings import Settings
from keywright.storage.tables import metadata
from support.postgresql import shared_postgresql
from support.server import environment_of

ResultT = TypeVar("ResultT")


class Data(Protocol):
    """An open look into a database."""

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a query finds."""

    def change(self, statement: str, *values: Any) -> int:
        """Change something; the number of rows that were changed."""

    def change_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Change something once for each row of values, all in one transaction."""


def url_of(data_dir: Path) -> str:
    """The URL of a deployment's database."""
    return environment_of(data_dir).get("KEYWRIGHT_DATABASE_URL", f"sqlite:///{data_dir / 'keywright.db'}")


def settings_of(data_dir: Path) -> Settings:
    """The settings of a deployment, for the parts of it that a test runs in its own process."""
    valkey_url = environment_of(data_dir).get("KEYWRIGHT_VALKEY_URL")
    return Settings(data_dir=data_dir, database_url=url_of(data_dir), valkey_url=valkey_url)


def is_postgresql(data_dir: Path) -> bool:
    return url_of(data_dir).startswith("postgresql:")


@contextlib.contextmanager
def looking_into(data_dir: Path) -> Iterator[Data]:
    """Look into a deployment's database for a while."""
    data = _Postgresql(url_of(data_dir)) if is_postgresql(data_dir) else _Sqlite(data_dir / "keywright.db")
    try:
        yield data
    finally:
        data.close()


def rows(data_dir: Path, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """What one query finds."""
    with looking_into(data_dir) as data:
        return data.rows(statement, *values)


def change(data_dir: Path, statement: str, *values: Any) -> int:
    """Change something past the servers; the number of rows, which is not none."""
    with looking_into(data_dir) as data:
        count = data.change(statement, *values)
    assert count > 0, statement
    return count


def every_row(data_dir: Path, *, without: tuple[str, ...]) -> dict[str, list[str]]:
    """All that the tables hold, but for some of them."""
    with looking_into(data_dir) as data:
        names = [table for table in metadata.tables if table not in without]
        return {table: sorted(map(repr, data.rows(f"SELECT * FROM {table}"))) for table in names}


def plan(data_dir: Path, statement: str) -> str:
    """How the database means to execute a statement that the product made, whatever its values are."""
    if not is_postgresql(data_dir):
        told = rows(data_dir, f"EXPLAIN QUERY PLAN {statement}", *["x"] * statement.count("?"))
        return "\n".join(row[3] for row in told)
    with looking_into(data_dir) as data:
        # Whoever estimates needs to know how many rows there are; autovacuum would tell sooner or later.
        data.change("ANALYZE")
        data.change("SET plan_cache_mode = force_generic_plan")
        data.change(f"PREPARE planned AS {statement}")
        values = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", statement))))
        return "\n".join(row[0] for row in data.rows(f"EXPLAIN EXECUTE planned({values})"))


def forget_nonces(data_dir: Path) -> None:
    """Lose the memory of nonces, as when a stopped deployment's host, or its Valkey, begins anew."""
    if is_postgresql(data_dir):
        with redis.Redis.from_url(environment_of(data_dir)["KEYWRIGHT_VALKEY_URL"]) as valkey:
            valkey.flushdb()
    else:
        shutil.rmtree(data_dir / "nonces")


def stored_bytes(data_dir: Path) -> Iterator[tuple[str, bytes]]:
    """Every file in which the database keeps something, with its content; write-ahead logs are among them."""
    if is_postgresql(data_dir):
        postgresql = shared_postgresql()
        database = url_of(data_dir).partition("@/")[2].partition("?")[0]
        # Pages are in memory until then, and the log's last ones, too.
        postgresql.sql("CHECKPOINT")
        number = postgresql.sql(f"SELECT oid FROM pg_database WHERE datname = '{database}'")
        dump = postgresql.run("pg_dump", "-h", str(postgresql.folder), "-U", "postgres", "--inserts", database)
        yield "pg_dump", dump.encode()
        files = [postgresql.folder / "log", *_files(postgresql.data / "base" / number, postgresql.data / "pg_wal")]
    else:
        files = [file for file in data_dir.iterdir() if file.name.startswith("keywright.db")]
    for file in files:
        with contextlib.suppress(FileNotFoundError):  # a checkpoint removes what it no longer needs
            yield str(file), file.read_bytes()


def _files(*folders: Path) -> list[Path]:
    return [file for folder in folders for file in folder.rglob("*") if file.is_file()]


class _Sqlite:
    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(f"file:{file}?mode=rw", uri=True, timeout=30, isolation_level=None)

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()

    def change(self, statement: str, *values: Any) -> int:
        return self._connection.execute(statement, values).rowcount

    def change_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(statement, rows)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


class _Postgresql:
    def __init__(self, url: str) -> None:
        self._connection = _wait(asyncpg.connect(url))

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in _wait(self._connection.fetch(_numbered(statement), *values))]

    def change(self, statement: str, *values: Any) -> int:
        status = _wait(self._connection.execute(_numbered(statement), *values))
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    def change_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        _wait(self._connection.executemany(_numbered(statement), rows))

    def close(self) -> None:
        _wait(self._connection.close())


def _numbered(statement: str) -> str:
    """The statement with $1, $2, .. for its values."""
    numbers = itertools.count(1)
    return re.sub(r"\?", lambda _: f"${next(numbers)}", statement)


def _wait(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run something on an event loop in a thread of its own: the test may have one, and so may a browser's driver."""
    return asyncio.run_coroutine_threadsafe(work, _loop()).result(120)


_loops: list[asyncio.AbstractEventLoop] = []


def _loop() -> asyncio.AbstractEventLoop:
    if not _loops:
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, daemon=True, name="looking into PostgreSQL").start()
        _loops.append(loop)
    return _loops[0]
