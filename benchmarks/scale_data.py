"""Fills a PostgreSQL database with many keys, as the services would have written them, in minutes instead of days.

Accounts and keys have numbers, from which their IDs are computed, so that nobody has to remember millions of them. All
keys have one secret: verifying costs the same, whosever key it is.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import asyncpg

from keywright.formats import format_client_secret, new_client_id, new_identifier
from keywright.signatures import public_key_of
from keywright.storage.migrate import migrate
from support.postgresql import PostgresqlServer

KEYS_PER_ACCOUNT = 10
SEED = hashlib.sha256(b"the secret of all keys of the benchmark").digest()
SECRET = format_client_secret(SEED, "live")
_CHUNK_OF_ACCOUNTS = 10_000
_ACCOUNT_COLUMNS = ["id", "name", "name_folded", "type", "api_access", "active_credentials", "created_at"]
_PEOPLE_COLUMNS = ["id", "email", "created_at", "came_at"]
_MEMBER_COLUMNS = ["account_id", "person_id", "name", "role", "created_at"]
_KEY_COLUMNS = ["client_id", "account_id", "email", "label", "algorithm", "public_key", "created_at", "created_by"]
# One event for each key, and the head of each account's chain. The hashes are of the right length and of nothing.
_EVENTS = """
INSERT INTO audit_events (chain, seq, at, actor, action, subject, detail, previous_hash, hash)
SELECT account_id, row_number() OVER (PARTITION BY account_id), '2026-01-01T00:00:00.000Z',
       '{"kind":"person","id":"usr_00000000000000000000","name":"owner@example.com"}', 'credential.created',
       '{"id":"' || client_id || '","kind":"credential"}', '{"algorithm":"ed25519","email":"' || email || '"}',
       md5(client_id) || md5(account_id), md5(account_id) || md5(client_id)
FROM credentials
"""
_HEADS = f"""
INSERT INTO audit_heads (chain, seq, hash) SELECT id, {KEYS_PER_ACCOUNT}, md5(id) || md5(name) FROM accounts
"""


def account_id(number: int) -> str:
    return new_identifier("acc", _bytes_of(f"account {number}"))


def client_id(number: int) -> str:
    """Of a key; those of account `a` are numbered from `10 a`."""
    return new_client_id(_bytes_of(f"key {number}"))


async def fill(server: PostgresqlServer, database: str, keys: int) -> float:
    """Make a database with so many keys, ten for each account; the seconds that it took."""
    started = time.monotonic()
    server.sql(f"CREATE DATABASE {database}")
    url = server.url(database)
    await asyncio.to_thread(migrate, url)
    connection = await connected(url)
    tables = ("accounts", "people", "memberships", "credentials", "audit_events", "audit_heads")
    indexes = await _drop_indexes(connection, tables)
    accounts, now = keys // KEYS_PER_ACCOUNT, int(time.time() * 1000)
    # Computing IDs takes longer than writing rows, so each processor takes a part.
    parts = min(os.cpu_count() or 1, max(1, accounts // _CHUNK_OF_ACCOUNTS))
    with ProcessPoolExecutor(parts, mp_context=multiprocessing.get_context("spawn")) as pool:
        loop, bounds = asyncio.get_running_loop(), [accounts * part // parts for part in range(parts + 1)]
        await asyncio.gather(
            *(loop.run_in_executor(pool, _copy, url, range(*bound), now) for bound in itertools.pairwise(bounds))
        )
    await connection.execute(_EVENTS)
    await connection.execute(_HEADS)
    for index in indexes:
        await connection.execute(index)
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("CHECKPOINT")
    await connection.close()
    return time.monotonic() - started


async def _drop_indexes(connection: asyncpg.Connection, tables: Iterable[str]) -> list[str]:
    """Drop indexes that are slow to fill row by row; the statements that make them again."""
    found = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY($1) AND indexname LIKE 'ix_%'", list(tables)
    )
    for row in found:
        await connection.execute(f"DROP INDEX {row['indexname']}")
    keyed = await connection.fetch(
        """
        SELECT conrelid::regclass::text AS tab, conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
        WHERE contype IN ('p', 'u', 'f') AND conrelid = ANY($1::text[]::regclass[]) ORDER BY contype = 'f' DESC
        """,
        list(tables),
    )
    outside = await connection.fetch(
        """
        SELECT conrelid::regclass::text AS tab, conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
        WHERE contype = 'f' AND confrelid = ANY($1::text[]::regclass[]) AND conrelid <> ALL($1::text[]::regclass[])
        """,
        list(tables),
    )
    for row in [*outside, *keyed]:
        await connection.execute(f"ALTER TABLE {row['tab']} DROP CONSTRAINT {row['conname']}")
    again = [
        f"ALTER TABLE {row['tab']} ADD CONSTRAINT {row['conname']} {row['definition']}"
        for row in [*reversed(keyed), *outside]
    ]
    return [*again, *(row["indexdef"] for row in found)]


def _copy(url: str, accounts: range, now: int) -> None:
    """Write these accounts with all that they have; a process of its own."""
    asyncio.run(_copy_all(url, accounts, now))


async def _copy_all(url: str, accounts: range, now: int) -> None:
    connection = await connected(url)
    for first in range(accounts.start, accounts.stop, _CHUNK_OF_ACCOUNTS):
        some = range(first, min(first + _CHUNK_OF_ACCOUNTS, accounts.stop))
        for table, columns, rows in (
            ("accounts", _ACCOUNT_COLUMNS, _accounts(some, now)),
            ("people", _PEOPLE_COLUMNS, _people(some, now)),
            ("memberships", _MEMBER_COLUMNS, _memberships(some, now)),
            ("credentials", _KEY_COLUMNS, _keys(some, now)),
        ):
            await connection.copy_records_to_table(table, records=list(rows), columns=columns)
    await connection.close()


async def connected(url: str) -> asyncpg.Connection:
    """A connection that fills tables."""
    connection = await asyncpg.connect(url)
    # What is copied in refers to what is there; to look it up for each row would take longer than all the rest.
    await connection.execute("SET session_replication_role = replica; SET maintenance_work_mem = '512MB'")
    return connection


def _accounts(numbers: range, now: int) -> Iterator[tuple[Any, ...]]:
    for n in numbers:
        yield account_id(n), f"Company {n} Ltd", f"company {n} ltd", "corporate", "enabled", KEYS_PER_ACCOUNT, now


def _people(numbers: range, now: int) -> Iterator[tuple[Any, ...]]:
    for n in numbers:
        yield _person_id(n), f"owner-{n}@example.com", now, now


def _memberships(numbers: range, now: int) -> Iterator[tuple[Any, ...]]:
    for n in numbers:
        yield account_id(n), _person_id(n), f"Owner {n}", "owner", now


def _keys(numbers: range, now: int) -> Iterator[tuple[Any, ...]]:
    public_key = public_key_of(SEED)
    for a in numbers:
        account = account_id(a)
        for n in range(a * KEYS_PER_ACCOUNT, (a + 1) * KEYS_PER_ACCOUNT):
            email, by = f"integration-{n}@example.com", f"owner-{a}@example.com"
            yield client_id(n), account, email, "production", "ed25519", public_key, now, by


def _person_id(number: int) -> str:
    return new_identifier("usr", _bytes_of(f"person {number}"))


def _bytes_of(text: str) -> Any:
    return lambda count: hashlib.blake2b(text.encode(), digest_size=count).digest()
