"""Backup and restore with the commands of docs/operations.md: the restored database verifies the same requests."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import keywright
from support.postgresql import PostgresqlServer, shared_postgresql
from support.server import Server, run_cli, running, signed, use_postgresql, wait_until

PAGE = (Path(__file__).parents[2] / "docs/operations.md").read_text()
# Of a memory of nonces that has just begun, this is how long it cannot tell for older keys.
SETTINGS = {"KEYWRIGHT_MAX_AHEAD_SECONDS": "0"}


def run_block(title: str, **environment: str | Path) -> None:
    """Run the block of the page that begins with this comment."""
    found = re.findall(rf"^```sh\n# {title}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, title
    environment = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    done = subprocess.run(
        ["sh", "-eu", "-c", found[0]], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


def programs_of(postgresql: PostgresqlServer) -> dict[str, str]:
    """What PostgreSQL's programs must be told to reach the tests' server."""
    return {
        "PGHOST": str(postgresql.folder),
        "PGUSER": "postgres",
        "PATH": f"{postgresql._binaries}:{os.environ['PATH']}",
    }


class Story:
    """What a deployment held when it was backed up, and what happened to it afterwards."""

    def __init__(self, server: Server) -> None:
        self.account = server.account(name="Zoë & Søn 🔑")
        self.keys = [server.key(self.account, algorithm=algorithm) for algorithm in ("ed25519", "hmac-sha256")]
        self.deleted_before = server.key(self.account)
        self.deleted_after = server.key(self.account)
        assert server.delete_key(self.account, self.deleted_before.client_id).status == 200
        self.owner = server.person(self.account, "owner", "olga@example.com")
        self.used = signed(self.keys[0])
        self.verifies(server, *self.keys, self.deleted_after)
        assert server.verify(self.used).code == "accepted"

    def verifies(self, server: Server, *keys: keywright.Credential) -> None:
        for key in keys:
            wait_until(lambda key=key: server.verify(signed(key)).code == "accepted", what=key.client_id)

    def goes_on(self, server: Server) -> None:
        """After the backup: what it does not know."""
        assert server.delete_key(self.account, self.deleted_after.client_id).status == 200
        self.created_after = server.key(self.account)
        assert server.verify(signed(self.created_after)).code == "accepted"

    def is_restored(self, server: Server) -> None:
        """The same requests are judged as at the time of the backup, and what was used stays used."""
        self.verifies(server, *self.keys)
        assert server.verify(self.used).code in {"nonce_replayed", "nonce_unprovable"}
        assert server.verify(signed(self.deleted_before)).code == "credential_unknown"
        assert server.verify(signed(self.created_after)).code == "credential_unknown"
        rows = server.call("GET", f"/v1/accounts/{self.account}/credentials", caller=self.owner).json["credentials"]
        # As the page warns: what was deleted since is back, until it is deleted again.
        expected = {key.client_id for key in (*self.keys, self.deleted_after)}
        assert {row["clientId"] for row in rows} == expected
        self.verifies(server, self.deleted_after)
        done = run_cli(
            "credential", "delete", self.account, self.deleted_after.client_id, "--yes", data_dir=server.data_dir
        )
        assert done.returncode == 0, done.stderr
        assert server.verify(signed(self.deleted_after)).code == "credential_unknown"
        checked = run_cli("audit", "verify", data_dir=server.data_dir)
        assert checked.returncode == 0, checked.stdout + checked.stderr


@contextmanager
def at_work(server: Server) -> Iterator[None]:
    """Keys come and go meanwhile."""
    account, end = server.account(), threading.Event()
    caller, rounds, faults = server.platform, 0, []
    other = Server(server.data_dir, control=server.control, data=server.data)

    def work() -> None:
        nonlocal rounds
        try:
            while not end.is_set():
                key = other.key(account, caller=caller)
                assert other.delete_key(account, key.client_id, caller=caller).status == 200
                rounds += 1
        except AssertionError as error:
            faults.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: rounds or faults, what="keys come and go")
    try:
        yield
    finally:
        end.set()
        thread.join(60)
        other.close()
    assert not faults


def test_a_postgresql_dump_of_a_running_deployment_verifies_the_same_requests(data_dir: Path, tmp_path: Path):
    postgresql = shared_postgresql()
    live = postgresql.new_database()
    use_postgresql(data_dir, postgresql.url(live))
    with running(data_dir, workers=2, **SETTINGS) as server:
        story = Story(server)
        with at_work(server):
            run_block("back up PostgreSQL", DATABASE=live, BACKUP=tmp_path, **programs_of(postgresql))
        story.goes_on(server)
        tokens = server._tokens
    assert (tmp_path / "keywright.dump").stat().st_mode & 0o077 == 0

    run_block("restore PostgreSQL", RESTORED=f"{live}_back", BACKUP=tmp_path, **programs_of(postgresql))
    use_postgresql(data_dir, postgresql.url(f"{live}_back"))
    with running(data_dir, workers=2, **SETTINGS) as server:
        server._tokens = tokens
        story.is_restored(server)


def test_a_dump_that_is_put_in_place_under_running_nodes_ends_what_they_kept(data_dir: Path, tmp_path: Path):
    """Not as the page says, and yet nothing is accepted that the restored database does not know."""
    postgresql = shared_postgresql()
    live = postgresql.new_database()
    use_postgresql(data_dir, postgresql.url(live))
    with running(data_dir, workers=2, **SETTINGS) as server:
        story = Story(server)
        run_block("back up PostgreSQL", DATABASE=live, BACKUP=tmp_path, **programs_of(postgresql))
        story.goes_on(server)
        run_block("restore PostgreSQL", RESTORED=f"{live}_back", BACKUP=tmp_path, **programs_of(postgresql))
        for statement in (
            f"ALTER DATABASE {live} ALLOW_CONNECTIONS false",
            f"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = '{live}'",
            f"ALTER DATABASE {live} RENAME TO {live}_gone",
        ):
            postgresql.sql(statement)
        # Before it stands in its place, or who registers there at once would be waited for to do so again.
        swapped_at = postgresql.sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        postgresql.sql(f"ALTER DATABASE {live}_back RENAME TO {live}")
        # A lease that was got from the old database runs on until its verifier registers with the new one.
        registered = f"SELECT count(*) FROM verifiers WHERE started_at > {swapped_at} AND renewals > 0"
        wait_until(lambda: postgresql.sql(registered, live) == "2", what="both workers have registered anew")
        wait_until(lambda: server.ask("GET", "/readyz").status == 200, what="the nodes are ready again")
        wait_until(lambda: server.call("GET", "/readyz").status == 200, what="the nodes are ready again")
        story.is_restored(server)


@pytest.mark.parametrize("same_machine", [True, False], ids=["same machine", "another machine"])
def test_a_sqlite_backup_of_a_running_server_verifies_the_same_requests(
    data_dir: Path, tmp_path: Path, same_machine: bool
):
    backup = tmp_path / "backup"
    backup.mkdir(mode=0o700)
    with running(data_dir, **SETTINGS) as server:
        story = Story(server)
        with at_work(server):
            run_block("back up SQLite", DATA=data_dir, BACKUP=backup)
        story.goes_on(server)
        tokens = server._tokens

    if not same_machine:
        data_dir = tmp_path / "other"
        data_dir.mkdir(mode=0o700)
        for name in ("keyring.json", "token-keys.json"):
            (backup / name).rename(data_dir / name)
    run_block("restore SQLite", DATA=data_dir, BACKUP=backup)
    with running(data_dir, **SETTINGS) as server:
        server._tokens = tokens
        story.is_restored(server)
        if same_machine:
            assert server.verify(story.used).code == "nonce_replayed"
