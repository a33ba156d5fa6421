"""The migrations make just what tables.py describes, and can be run at any time."""

from __future__ import annotations

import ast
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from keywright.errors import Conflict, Unavailable
from keywright.storage import migrate as migrate_module
from keywright.storage.migrate import migrate
from keywright.storage.tables import metadata


def schema_of(connection: sqlite3.Connection) -> dict[str, list[str]]:
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version'")
    # Alembic adds columns and constraints in another order than CREATE TABLE of the metadata: as sets they are equal.
    return {name: sorted(parts_of(sql)) for name, sql in rows}


def parts_of(sql: str) -> list[str]:
    """What stands between the outer parentheses, split at its commas."""
    parts, depth = [""], 0
    for letter in sql.partition("(")[2].rpartition(")")[0]:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [" ".join(part.split()) for part in parts]


def test_the_migrations_make_what_the_tables_say(tmp_path: Path):
    migrate(f"sqlite:///{tmp_path}/migrated.db")
    engine = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
    created = create_engine(f"sqlite:///{tmp_path / 'created.db'}")
    metadata.create_all(created)
    created.dispose()
    schemas = []
    for name in ("migrated.db", "created.db"):
        connection = sqlite3.connect(tmp_path / name)
        schemas.append(schema_of(connection))
        connection.close()
    assert schemas[0] == schemas[1]


def test_what_was_there_before_counts_as_come_and_as_shown(tmp_path: Path):
    file = tmp_path / "a.db"
    migrations = Path(migrate_module.__file__).parent / "migrations"
    config = Config()
    config.set_main_option("script_location", str(migrations))
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql(
            "INSERT INTO people (id, email, created_at) VALUES ('usr_1', 'a', 1), ('usr_2', 'b', 2)"
        )
        connection.exec_driver_sql("INSERT INTO passwords (person_id, hash, changed_at) VALUES ('usr_1', 'x', 7)")
        connection.exec_driver_sql(
            "INSERT INTO accounts (id, name, type, api_access, created_at)"
            " VALUES ('acc_1', 'A', 'corporate', 'enabled', 0)"
        )
        connection.exec_driver_sql(
            "INSERT INTO invitations (token_hash, person_id, account_id, created_at, expires_at)"
            " VALUES (x'00', 'usr_2', 'acc_1', 5, 9)"
        )
    engine.dispose()
    assert migrate(f"sqlite:///{file}")[0] == "0001"
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT came_at FROM people ORDER BY id").fetchall() == [(7,), (None,)]
    assert connection.execute("SELECT shown_at FROM invitations").fetchall() == [(5,)]
    connection.close()


def test_migrating_again_changes_nothing(tmp_path: Path):
    assert migrate(f"sqlite:///{tmp_path}/a.db")[0] is None
    before, after = migrate(f"sqlite:///{tmp_path}/a.db")
    assert before == after


def test_processes_that_migrate_together_make_one_schema(tmp_path: Path):
    with ThreadPoolExecutor(6) as threads:
        results = list(threads.map(lambda _: migrate(f"sqlite:///{tmp_path}/a.db"), range(6)))
    assert [before for before, _ in results].count(None) == 1


def test_the_database_is_for_its_owner_only(tmp_path: Path):
    migrate(f"sqlite:///{tmp_path}/new/a.db")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    for file in (tmp_path / "new").iterdir():
        assert file.stat().st_mode & 0o077 == 0


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path):
    migrate(f"sqlite:///{tmp_path}/a.db")
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(Conflict, match="newer"):
        migrate(f"sqlite:///{tmp_path}/a.db")


def at_schema(file: Path, revision: str) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [revision])
    connection.close()


def test_a_newer_schema_that_only_adds_is_worked_on_and_left_as_it_is(tmp_path: Path):
    _, ours = migrate(f"sqlite:///{tmp_path}/a.db")
    newer = f"9999_from_{ours[:4]}"
    at_schema(tmp_path / "a.db", newer)
    assert migrate(f"sqlite:///{tmp_path}/a.db") == (newer, newer)
    at_schema(tmp_path / "a.db", f"9999_from_{int(ours[:4]) + 1:04}")
    with pytest.raises(Conflict, match=f"schema {ours}.* does not run; start that version instead"):
        migrate(f"sqlite:///{tmp_path}/a.db")


@pytest.mark.parametrize(
    ("newer", "ours", "runs"),
    [
        ("0007_from_0005", "0005", True),
        ("0007_from_0005", "0006_from_0005", True),
        ("0007_from_0005", "0004", False),
        ("0007_from_0006", "0005_from_0003", False),
        ("0007", "0006", False),
        ("0007_from_", "0006", False),
        ("0007_from_0005x", "0006", False),
        ("3f1c2d9a7b", "0006", False),
    ],
)
def test_the_name_of_a_schema_says_who_runs_on_it(newer: str, ours: str, runs: bool):
    assert migrate_module.runs_on(newer, ours) is runs


_ADDING = {"add_column", "create_table", "create_index", "f"}


def not_additive(source: str) -> list[str]:
    """What in a migration may stop a server that does not know of it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        call, text = node.func, ast.unparse(node)
        if isinstance(call.value, ast.Name) and call.value.id == "op" and call.attr not in _ADDING:
            found.append(text)
        if call.attr == "add_column" and "nullable=False" in text and "server_default" not in text:
            found.append(text)
        if call.attr == "create_index" and "unique=True" in text:
            found.append(text)
    return found


@pytest.mark.parametrize(
    ("line", "adds"),
    [
        ("op.add_column('accounts', sa.Column('colour', sa.Text()))", True),
        ("op.add_column('accounts', sa.Column('colour', sa.Text(), nullable=False, server_default='red'))", True),
        ("op.create_table('colours', sa.Column('id', sa.Integer(), nullable=False))", True),
        ("op.create_index('ix_accounts_colour', 'accounts', ['colour'])", True),
        ("op.add_column('accounts', sa.Column('colour', sa.Text(), nullable=False))", False),
        ("op.create_index('ix_accounts_colour', 'accounts', ['colour'], unique=True)", False),
        ("op.drop_column('accounts', 'name')", False),
        ("op.create_check_constraint('ck', 'accounts', 'name > 0')", False),
        ("op.execute('UPDATE accounts SET name = 1')", False),
    ],
)
def test_what_counts_as_adding(line: str, adds: bool):
    assert (not_additive(f"def upgrade():\n    {line}\n") == []) is adds


def test_a_migration_that_says_that_older_servers_run_on_it_only_adds():
    oldest = 0
    for file in sorted((Path(migrate_module.__file__).parent / "migrations" / "versions").glob("*.py")):
        source = file.read_text()
        revision = re.search(r'^revision = "([0-9]{4})(?:_from_([0-9]{4}))?"$', source, re.MULTILINE)
        assert revision is not None, f"{file.name}: the revision is named 0007 or 0007_from_0005"
        if revision[2] is None:
            oldest = int(revision[1])
        else:
            # Not past a migration that older servers do not run on.
            assert oldest <= int(revision[2]) < int(revision[1]), file.name
            assert not_additive(source) == [], file.name


def test_what_is_no_database_is_told(tmp_path: Path):
    (tmp_path / "a.db").write_text("something else entirely, and long enough to be read as a header" * 20)
    with pytest.raises(Unavailable, match="cannot be used"):
        migrate(f"sqlite:///{tmp_path}/a.db")


def test_the_database_itself_refuses_an_eleventh_active_key(tmp_path: Path):
    migrate(f"sqlite:///{tmp_path}/a.db")
    connection = sqlite3.connect(tmp_path / "a.db")
    connection.execute(
        "INSERT INTO accounts (id, name, type, api_access, active_credentials, created_at)"
        " VALUES ('acc_1', 'A', 'corporate', 'enabled', 10, 0)"
    )
    with pytest.raises(sqlite3.IntegrityError, match="active_credentials"):
        connection.execute("UPDATE accounts SET active_credentials = active_credentials + 1")
    connection.close()


def test_the_database_itself_refuses_a_deleted_key_with_a_secret(tmp_path: Path):
    migrate(f"sqlite:///{tmp_path}/a.db")
    connection = sqlite3.connect(tmp_path / "a.db")
    row = "INSERT INTO credentials (client_id, account_id, email, algorithm, public_key, sealed_secret, created_at,"
    row += " created_by, deleted_at) VALUES ('ck_1', 'acc_1', 'a@b.c', ?, ?, ?, 0, 'x', ?)"
    for algorithm, public_key, sealed, deleted_at in (
        ("hmac-sha256", None, b"sealed", 5),
        ("hmac-sha256", None, None, None),
        ("hmac-sha256", b"p", b"sealed", None),
        ("ed25519", b"p", b"sealed", None),
        ("ed25519", None, None, None),
        ("rsa", b"p", None, None),
    ):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(row, (algorithm, public_key, sealed, deleted_at))
    connection.close()
