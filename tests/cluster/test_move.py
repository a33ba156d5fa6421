"""Moving a deployment from SQLite to PostgreSQL: everything works there as before, or nothing is left there."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from keywright.storage.moving.rows import MOVED_TABLES
from keywright.valkey.address import parse_valkey_url
from keywright.verification.valkey_nonces import ValkeyNonceStore
from support.postgresql import shared_postgresql
from support.server import Caller, Server, environment_of, run_cli, running, signed, use_postgresql, wait_until
from support.tokens import bearer, token_of
from support.valkey import Valkey, valkey

SETTINGS = {
    # Of a memory of nonces that has just begun, this is how long it cannot tell for older keys.
    "KEYWRIGHT_MAX_AHEAD_SECONDS": "0",
    "KEYWRIGHT_TOKEN_ISSUER": "https://keys.example.com",
}


def move(data_dir: Path, target: str) -> Any:
    return run_cli(
        "migrate", "--from", f"sqlite:///{data_dir}/keywright.db", "--to", target, "--json", data_dir=data_dir
    )


def refused(data_dir: Path, database: str) -> str:
    """Move, and see that it failed and left nothing behind; what it said."""
    postgresql = shared_postgresql()
    done = move(data_dir, postgresql.url(database))
    assert (done.returncode, done.stdout) == (1, "")
    left = [table.name for table in MOVED_TABLES if table.name != "revocation_counter"]
    tables = postgresql.sql("SELECT count(*) FROM pg_tables WHERE tablename = 'accounts'", database)
    if tables == "1":
        counts = " UNION ALL ".join(f"SELECT count(*) FROM {name}" for name in left)
        assert postgresql.sql(f"SELECT sum(count) FROM ({counts}) AS counts", database) == "0"
    return json.loads(done.stderr)["detail"]


def change(data_dir: Path, *statements: str) -> None:
    """Change the SQLite database past Keywright."""
    with closing(sqlite3.connect(data_dir / "keywright.db")) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            connection.execute(statement)


def carry(files: list[str], home: Path) -> Path:
    """The files of keys go along by hand."""
    home.mkdir(mode=0o700)
    for file in files:
        (home / Path(file).name).write_bytes(Path(file).read_bytes())
        (home / Path(file).name).chmod(0o600)
    return home


def seen_by(caller: Caller, server: Server, account: str) -> list[Any]:
    """What someone is shown of an account; when keys were last used is written a moment later."""
    path = f"/v1/accounts/{account}"
    lists = [server.call("GET", f"{path}/{each}", caller=caller) for each in ("credentials", "users", "audit-events")]
    assert [each.status for each in lists] == [200, 200, 200]
    return [re.sub('"lastUsedAt": ?("[^"]*"|null)', "", each.text) for each in lists]


def limit_counts_on(server: Server, account: str) -> None:
    """Of ten keys, two came along."""
    for _ in range(8):
        server.key(account)
    path = f"/v1/accounts/{account}/credentials"
    assert (
        server.call("POST", path, {"email": "a@example.com"}, caller=server.platform).code == "credential_limit_reached"
    )


@pytest.fixture
def memory() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


async def begin_memory(url: str) -> None:
    """What a node does that starts."""
    store = ValkeyNonceStore(parse_valkey_url(url), max_age_seconds=300, max_ahead_seconds=0)
    await store.begin()
    await store.close()


@pytest.fixture
def small(data_dir: Path) -> Path:
    """A SQLite deployment with a little of everything that the command line makes."""
    environment_of(data_dir).clear()
    for command in (
        ("operator-token", "create", "backend", "--scope", "platform"),
        ("account", "create", "Zoë & Søn 🔑", "--type", "corporate"),
        ("account", "create", "acme", "--type", "partner"),
    ):
        done = run_cli(*command, data_dir=data_dir)
        assert done.returncode == 0, done.stderr
    return data_dir


def test_after_the_move_everything_works_as_before(data_dir: Path, tmp_path: Path, memory: Valkey):
    postgresql = shared_postgresql()
    target = postgresql.url(postgresql.empty_database())
    # A Valkey that has remembered for longer than the keys exist, but was never asked about them.
    asyncio.run(begin_memory(memory.url))
    begun = time.time()
    with running(data_dir, **SETTINGS) as server:
        wait_until(lambda: time.time() > begun + 2.5)
        account = server.account(name="Zoë & Søn 🔑")
        keys = [server.key(account, algorithm=algorithm) for algorithm in ("ed25519", "hmac-sha256")]
        deleted = server.key(account)
        used = signed(keys[0])
        assert server.verify(used).code == "accepted"
        assert server.delete_key(account, deleted.client_id).status == 200
        owner = server.person(account, "owner", "olga@example.com")
        access_token = token_of(server, keys[0])
        before = seen_by(owner, server, account)

        # As long as a server runs on the file, what it changes would be missing in the copy.
        done = move(data_dir, target)
        assert done.returncode == 1
        assert "is in use; stop the server" in json.loads(done.stderr)["detail"]
        tokens = server._tokens

    environment_of(data_dir)["KEYWRIGHT_VALKEY_URL"] = memory.url
    done = move(data_dir, target)
    assert done.returncode == 0, done.stderr
    moved = json.loads(done.stdout)
    assert moved["nonceMemoryBegunAnew"] is True
    assert moved["rows"]["credentials"] == 3
    assert moved["rows"]["audit_events"] == moved["auditEvents"]
    assert moved["auditChains"] == 2
    assert [Path(file).name for file in moved["files"]] == ["keyring.json", "token-keys.json"]

    new_home = carry(moved["files"], tmp_path / "new")
    use_postgresql(new_home, target)
    environment_of(new_home)["KEYWRIGHT_VALKEY_URL"] = memory.url
    with running(new_home, **SETTINGS) as server:
        server._tokens = tokens
        # Nobody here remembers what was used there.
        assert server.verify(used).code == "nonce_unprovable"
        for key in keys:
            wait_until(lambda key=key: server.verify(signed(key)).code == "accepted", what="the memory is old enough")
            again = signed(key)
            assert [server.verify(again).code for _ in range(2)] == ["accepted", "nonce_replayed"]
        assert server.verify(used).code in {"nonce_unprovable", "nonce_replayed"}
        assert server.verify(signed(deleted)).code == "credential_unknown"
        assert server.verify(bearer(access_token)).code == "accepted"
        # A session from before, and the password.
        assert seen_by(owner, server, account) == before
        assert server.sign_in("olga@example.com")
        limit_counts_on(server, account)
        assert server.delete_key(account, keys[0].client_id).status == 200
        assert server.verify(signed(keys[0])).code == "credential_unknown"
        checked = run_cli("audit", "verify", "--json", data_dir=new_home)
        assert json.loads(checked.stdout)["holds"]
        assert json.loads(checked.stdout)["events"] == moved["auditEvents"] + 9  # 8 keys, and the deletion


def test_many_rows_in_an_order_that_people_would_give_them(small: Path):
    """Batches are full, and PostgreSQL sorts text in another way than SQLite."""
    postgresql = shared_postgresql()
    postgresql.sql(
        "CREATE DATABASE keywright_icu TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C'"
        " ENCODING 'UTF8'"
    )
    with closing(sqlite3.connect(small / "keywright.db")) as connection, connection:
        connection.executemany(
            "INSERT INTO people (id, email, created_at) VALUES (?, ?, ?)",
            [(f"usr_{'aZéB_ -🔑'[number % 8]}{number}", f"{number}@example.com", number) for number in range(6001)],
        )
    done = move(small, postgresql.url("keywright_icu"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"]["people"] == 6001
    assert postgresql.sql("SELECT count(*) FROM people", "keywright_icu") == "6001"
    # Once more: there is data now.
    assert "holds data already" in json.loads(move(small, postgresql.url("keywright_icu")).stderr)["detail"]


def test_what_postgresql_cannot_hold_is_named(small: Path):
    database = shared_postgresql().new_database()
    change(small, "UPDATE accounts SET name = 'a' || char(0) || 'b' WHERE name = 'acme'")
    with closing(sqlite3.connect(small / "keywright.db")) as connection:
        (account,) = connection.execute("SELECT id FROM accounts WHERE type = 'partner'").fetchone()
    key = f"accounts, id '{account}': column"
    assert refused(small, database).startswith(f"{key} name holds a NUL character")
    change(small, "UPDATE accounts SET name = CAST(x'c328' AS TEXT) WHERE type = 'partner'")
    assert refused(small, database).startswith(f"{key} name holds bytes, or text that is not UTF-8")
    change(small, f"UPDATE accounts SET name = '{'n' * 201}' WHERE type = 'partner'")
    assert refused(small, database).startswith(f"{key} name holds 201 characters")
    change(small, "UPDATE accounts SET name = 'acme', created_at = 'yesterday' WHERE type = 'partner'")
    assert refused(small, database).startswith(f"{key} created_at holds text where a whole number")
    change(small, "UPDATE accounts SET created_at = 1, active_credentials = 11 WHERE type = 'partner'")
    assert "is damaged (CHECK constraint failed in accounts)" in refused(small, database)
    change(small, "UPDATE accounts SET active_credentials = 0 WHERE type = 'partner'")
    change(small, f"INSERT INTO memberships VALUES ('{account}', 'usr_gone', 'Olga', 'owner', 1)")
    said = refused(small, database)
    assert f"memberships: PostgreSQL refuses a row from account_id '{account}'" in said
    assert "fk_memberships_person_id" in said
    change(small, "DELETE FROM memberships")
    assert move(small, shared_postgresql().url(database)).returncode == 0


def test_a_broken_audit_trail_is_not_moved(small: Path):
    database = shared_postgresql().new_database()
    change(small, "UPDATE audit_events SET detail = '{}' WHERE action = 'account.created'")
    said = refused(small, database)
    assert "broken at event 1" in said
    assert "nothing was moved" in said


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("NEW.name = upper(NEW.name); RETURN NEW;", "name differ"),
        ("IF NEW.type = 'partner' THEN RETURN NULL; END IF; RETURN NEW;", "the target does not have it"),
        (
            "INSERT INTO operator_tokens VALUES ('~', 'x', 'operator', '', 1); RETURN NEW;",
            "operator_tokens, id '~': the source does not have it",
        ),
        ("NEW.id = 'acc_' || NEW.type; RETURN NEW;", "does not have it"),
    ],
    ids=["changed", "lost", "added", "another key"],
)
def test_a_copy_that_differs_is_undone(small: Path, what: str, said: str):
    """Something in the target meddles with what comes in."""
    postgresql = shared_postgresql()
    database = postgresql.new_database()
    if "operator_tokens" in what:
        change(small, "DELETE FROM accounts WHERE type = 'partner'")
    postgresql.sql(
        f"CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {what} END$$;"
        " CREATE TRIGGER meddle BEFORE INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION meddle()",
        database,
    )
    told = refused(small, database)
    assert told.startswith("the copy is not equal to the source, so nothing was moved: ")
    assert said in told


def test_the_source_stays_as_it_was_and_can_be_moved_again(small: Path):
    postgresql = shared_postgresql()
    with closing(sqlite3.connect(small / "keywright.db")) as connection:
        before = list(connection.iterdump())
    for _ in range(2):
        assert move(small, postgresql.url(postgresql.empty_database())).returncode == 0
    with closing(sqlite3.connect(small / "keywright.db")) as connection:
        assert list(connection.iterdump()) == before


def test_a_damaged_source_is_not_moved(small: Path):
    file = small / "keywright.db"
    with closing(sqlite3.connect(file)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'ix_accounts_created_at'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("r+b") as damaged:
        damaged.seek((page - 1) * size + size - 40)
        damaged.write(b"\0" * 40)
    assert "is damaged" in refused(small, shared_postgresql().new_database())


def test_what_was_meant_is_asked_for(small: Path):
    def said(*arguments: str) -> list[tuple[str, str]]:
        done = run_cli("migrate", *arguments, "--json", data_dir=small)
        assert done.returncode == 1
        document = json.loads(done.stderr.splitlines()[-1])
        return [(fault["field"], fault["message"]) for fault in document.get("errors", [])] or document["detail"]

    source = f"sqlite:///{small}/keywright.db"
    assert [field for field, _ in said("--to", source)] == ["--from", "--to"]
    assert [field for field, _ in said("--from", "postgresql://a/b", "--to", "postgresql://a/c")] == ["--from"]
    assert [field for field, _ in said("--from", source)] == ["--to"]
    assert "there is no Keywright database" in said("--from", f"sqlite:///{small}/none.db", "--to", "postgresql://a/c")
    nobody = f"postgresql://x:secret@/none?host={small}"
    told = run_cli("migrate", "--from", source, "--to", nobody, data_dir=small)
    assert told.returncode == 1
    assert "every program of this machine can read the password" in told.stderr
    assert "secret@" not in told.stderr
    assert "check that it runs" in told.stderr


def test_the_target_may_be_the_deployments_own_setting(small: Path):
    postgresql = shared_postgresql()
    target = postgresql.url(postgresql.empty_database())
    environment_of(small)["KEYWRIGHT_DATABASE_URL"] = target
    done = run_cli("migrate", "--from", f"sqlite:///{small}/keywright.db", data_dir=small)
    assert done.returncode == 0, done.stderr
    assert re.search(rf"(?m)^from +{small}/keywright.db$", done.stdout)
    assert "with an empty Valkey (FLUSHDB)" in done.stdout


def test_without_its_valkey_nothing_is_moved(small: Path, tmp_path: Path):
    database = shared_postgresql().new_database()
    environment_of(small)["KEYWRIGHT_VALKEY_URL"] = f"unix://{tmp_path}/none"
    assert "does not answer" in refused(small, database)
