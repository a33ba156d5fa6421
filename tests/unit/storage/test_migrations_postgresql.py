"""The migrations on PostgreSQL: the same schema, by whoever and however many run them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from keywright.errors import Conflict, Unavailable
from keywright.storage import migrate as migrate_module
from keywright.storage.migrate import migrate
from keywright.storage.postgresql import MIGRATION_LOCK
from keywright.storage.postgresql_connection import MIGRATION_TIMEOUTS, connect
from keywright.storage.tables import metadata
from support.postgresql import PostgresqlServer, shared_postgresql

_COLUMNS = """
SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default, collation_name
FROM information_schema.columns WHERE table_schema = 'public' AND table_name != 'alembic_version' ORDER BY 1, 2
"""
_CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text != 'alembic_version' ORDER BY 1, 2
"""
_INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename != 'alembic_version' ORDER BY 1"


@pytest.fixture(scope="module")
def postgresql() -> PostgresqlServer:
    return shared_postgresql()


@pytest.fixture
def name(postgresql: PostgresqlServer) -> str:
    return postgresql.empty_database()


def schema_of(postgresql: PostgresqlServer, name: str) -> list[str]:
    found = [line for query in (_COLUMNS, _CONSTRAINTS, _INDEXES) for line in postgresql.sql(query, name).splitlines()]
    # The same condition is written with other casts and parentheses after its column was altered.
    return [re.sub(r"::(text|character varying)(\[\])?|[()]", "", line) for line in found]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: connect(url))
    async with engine.begin() as connection:
        yield connection
    await engine.dispose()


def run_sync(url: str, work: Callable[[Connection], Any]) -> Any:
    async def run() -> Any:
        async with connected(url) as connection:
            return await connection.run_sync(work)

    return asyncio.run(run())


def upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate_module.__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def test_the_migrations_make_what_the_tables_say(postgresql: PostgresqlServer, name: str):
    migrate(postgresql.url(name))
    differences = run_sync(
        postgresql.url(name), lambda found: compare_metadata(MigrationContext.configure(found), metadata)
    )
    assert differences == []
    created = postgresql.empty_database()
    run_sync(postgresql.url(created), metadata.create_all)
    assert schema_of(postgresql, name) == schema_of(postgresql, created)


def test_no_order_depends_on_the_language_of_the_host(postgresql: PostgresqlServer, name: str):
    migrate(postgresql.url(name))
    texts = [line.split("|") for line in postgresql.sql(_COLUMNS, name).splitlines()]
    assert {each[6] for each in texts if each[2] in {"character varying", "text"}} == {"C"}


def test_what_was_there_stays_there(postgresql: PostgresqlServer, name: str):
    run_sync(postgresql.url(name), lambda connection: upgrade(connection, "0001"))
    postgresql.sql(
        "INSERT INTO people (id, email, created_at) VALUES ('usr_1', 'a', 1);"
        "INSERT INTO passwords (person_id, hash, changed_at) VALUES ('usr_1', 'x', 7);"
        "INSERT INTO accounts (id, name, type, api_access, created_at)"
        " VALUES ('acc_1', 'GROSSE \u00c4RZTE', 'corporate', 'enabled', 0)",
        name,
    )
    assert migrate(postgresql.url(name))[0] == "0001"
    assert postgresql.sql("SELECT came_at FROM people", name) == "7"
    assert postgresql.sql("SELECT name_folded FROM accounts", name) == "grosse \u00e4rzte"


def test_migrating_again_changes_nothing(postgresql: PostgresqlServer, name: str):
    assert migrate(postgresql.url(name))[0] is None
    before, after = migrate(postgresql.url(name))
    assert before == after


def test_processes_that_migrate_together_make_one_schema(postgresql: PostgresqlServer, name: str):
    command_line = [sys.executable, "-W", "error", "-m", "keywright", "migrate", "--json"]
    outside = {variable: value for variable, value in os.environ.items() if not variable.startswith("KEYWRIGHT_")}
    environment = {**outside, "KEYWRIGHT_DATABASE_URL": postgresql.url(name)}
    processes = [
        subprocess.Popen(command_line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 6, said
    assert [json.loads(out)["before"] for out, _ in said].count(None) == 1
    assert migrate(postgresql.url(name))[0] is not None


async def test_who_comes_while_another_migrates_waits_however_long(postgresql: PostgresqlServer, name: str):
    migrating = await connect(postgresql.url(name))
    await migrating.execute("BEGIN")
    await migrating.execute(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
    waiting = asyncio.ensure_future(asyncio.to_thread(migrate, postgresql.url(name)))
    await asyncio.sleep(1)
    assert not waiting.done()
    await migrating.close()
    assert (await waiting)[0] is None


def test_a_migration_that_fails_leaves_nothing(postgresql: PostgresqlServer, name: str):
    postgresql.sql("CREATE TABLE verifiers (id int)", name)  # somebody else's
    with pytest.raises(Unavailable, match='"verifiers" already exists'):
        migrate(postgresql.url(name))
    assert postgresql.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", name) == "1"


async def test_a_table_that_others_work_on_is_not_waited_for_long(
    postgresql: PostgresqlServer, name: str, monkeypatch: pytest.MonkeyPatch
):
    url = postgresql.url(name)
    await asyncio.to_thread(run_sync, url, lambda connection: upgrade(connection, "0003"))
    monkeypatch.setattr(migrate_module, "_TABLE_LOCK_SECONDS", 1)
    reading = await connect(url, timeouts=MIGRATION_TIMEOUTS)
    await reading.execute("BEGIN; SELECT * FROM accounts")
    with pytest.raises(Unavailable, match="another session works on its tables"):
        await asyncio.to_thread(migrate, url)
    await reading.close()
    assert (await asyncio.to_thread(migrate, url))[0] == "0003"


def test_a_database_of_a_newer_version_is_left_alone(postgresql: PostgresqlServer, name: str):
    migrate(postgresql.url(name))
    postgresql.sql("UPDATE alembic_version SET version_num = '9999'", name)
    with pytest.raises(Conflict, match="newer"):
        migrate(postgresql.url(name))


def test_an_empty_database_is_not_taken_for_a_deployment(postgresql: PostgresqlServer, name: str):
    with pytest.raises(Unavailable, match="keywright migrate"):
        migrate(postgresql.url(name), create=False)
    assert schema_of(postgresql, name) == []


def test_what_cannot_be_used_is_told_with_the_remedy(postgresql: PostgresqlServer, name: str):
    with pytest.raises(Unavailable, match='database "nowhere" does not exist'):
        migrate(postgresql.url("nowhere"))
    with pytest.raises(Unavailable, match="check that it runs"):
        migrate("postgresql://keeper:hush@127.0.0.1:1/nowhere")
    postgresql.sql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(Unavailable, match="ENCODING 'UTF8'"):
        migrate(postgresql.url("latin"))
    postgresql.sql("CREATE USER guest")
    with pytest.raises(Unavailable, match="GRANT CREATE"):
        migrate(postgresql.url(name).replace("postgres@", "guest@"))


def test_the_database_itself_holds_what_must_never_be(postgresql: PostgresqlServer, name: str):
    migrate(postgresql.url(name))
    account = "INSERT INTO accounts (id, name, type, api_access, active_credentials, created_at) VALUES"
    postgresql.sql(f"{account} ('acc_1', 'A', 'corporate', 'enabled', 10, 0)", name)
    with pytest.raises(AssertionError, match="active_credentials"):
        postgresql.sql("UPDATE accounts SET active_credentials = active_credentials + 1", name)
    row = "INSERT INTO credentials (client_id, account_id, email, algorithm, public_key, sealed_secret, created_at,"
    row += " created_by, deleted_at) VALUES ('ck_1', 'acc_1', 'a@b.c', {}, 0, 'x', {})"
    for values, deleted_at in (
        ("'hmac-sha256', NULL, 'sealed'", "5"),
        ("'hmac-sha256', NULL, NULL", "NULL"),
        ("'hmac-sha256', 'p', 'sealed'", "NULL"),
        ("'ed25519', 'p', 'sealed'", "NULL"),
        ("'ed25519', NULL, NULL", "NULL"),
        ("'rsa', 'p', NULL", "NULL"),
    ):
        with pytest.raises(AssertionError, match="violates check constraint"):
            postgresql.sql(row.format(values, deleted_at), name)
    postgresql.sql(row.format("'ed25519', 'p', NULL", "NULL"), name)
