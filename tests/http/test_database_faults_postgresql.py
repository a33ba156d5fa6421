"""When PostgreSQL is gone, stopped or not ours, the server says so, lets nothing through, and recovers by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from keywright.storage.postgresql import WRITE_LOCK
from support import data
from support.postgresql import PostgresqlServer
from support.server import Server, run_cli, running, signed, use_postgresql, wait_until

pytestmark = pytest.mark.engines("postgresql")
PASSWORD = "hush/hush@hush"
SPELLED = "hush%2Fhush%40hush"
SERVE = ("serve", "--port", "0", "--gateway-port", "0")


@pytest.fixture(scope="module")
def own() -> Iterator[PostgresqlServer]:
    """A server that tests may stop; its user `keeper` has a password."""
    server = PostgresqlServer(rules="local all keeper scram-sha-256").start()
    server.sql(f"CREATE USER keeper PASSWORD '{PASSWORD}'")
    yield server
    server.remove()


@pytest.fixture
def keeper(own: PostgresqlServer) -> str:
    """The URL of a database of the user with a password."""
    name = own.empty_database()
    own.sql(f"ALTER DATABASE {name} OWNER TO keeper")
    return own.url(name).replace("postgres@", f"keeper:{SPELLED}@")


@pytest.fixture
def apart(data_dir: Path, keeper: str) -> Path:
    """The data directory of a deployment with a database on that server."""
    use_postgresql(data_dir, keeper)
    return data_dir


def assert_says_nothing(*texts: str) -> None:
    for text in texts:
        assert PASSWORD not in text
        assert SPELLED not in text


def assert_answers_503(server: Server, account: str) -> None:
    calls = [("GET", f"/v1/accounts/{account}{rest}") for rest in ("", "/credentials", "/users", "/audit-events")]
    for method, path in (*calls, ("POST", "/v1/accounts"), ("GET", "/readyz")):
        body = {"name": "B", "type": "partner"} if method == "POST" else None
        answer = server.call(method, path, body, caller=server.operator)
        assert (answer.status, answer.code) == (503, "unavailable"), answer.text
        assert int(answer.headers["retry-after"]) >= 1
    assert server.call("GET", "/healthz").status == 200


def test_a_restarted_database_gives_503_and_is_used_again(apart: Path, own: PostgresqlServer):
    with running(apart) as server:
        account = server.account()
        key, other = server.key(account), server.key(account)
        assert server.verify(signed(key)).code == "accepted"
        own.stop()
        try:
            assert_answers_503(server, account)
            answer = server.verify(signed(other))
            assert (answer.status, answer.code) == (503, "verifier_unavailable"), "a key that was not asked for before"
            # One that was is trusted for as long as its lease runs.
            wait_until(lambda: server.verify(signed(key)).status == 503, what="the lease ends")
        finally:
            own.start()
        wait_until(lambda: server.call("GET", "/readyz").status == 200, what="the control plane recovers")
        wait_until(lambda: server.ask("GET", "/readyz").status == 200, what="the data plane recovers")
        assert {server.verify(signed(each)).code for each in (key, other)} == {"accepted"}
        assert server.call("GET", f"/v1/accounts/{account}", caller=server.operator).status == 200
        assert server.delete_key(account, key.client_id).status == 200
        assert server.verify(signed(key)).code == "credential_unknown"
        assert_says_nothing(server.log)
        assert server.stop() == 0


def test_connections_that_are_ended_are_made_anew(apart: Path, own: PostgresqlServer):
    with running(apart) as server:
        account = server.account()
        key = server.key(account)
        for _ in range(3):
            own.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'keeper'")
            wait_until(lambda: server.call("GET", "/readyz").status == 200, what="the control plane recovers")
            assert server.call("GET", f"/v1/accounts/{account}", caller=server.operator).status == 200
            wait_until(lambda: server.verify(signed(key)).code == "accepted", what="the data plane recovers")
            assert server.account()


def test_writers_wait_for_each_other_and_readers_for_nobody(apart: Path, own: PostgresqlServer):
    with running(apart) as server:
        account, caller = server.account(), server.operator
        with data.looking_into(apart) as holder:
            holder.change(f"SELECT pg_advisory_lock({WRITE_LOCK})")
            refused = server.call("POST", "/v1/accounts", {"name": "B", "type": "partner"}, caller=caller)
            assert (refused.status, refused.code) == (503, "unavailable")
            assert "busy" in refused.json["detail"]
            assert server.call("GET", f"/v1/accounts/{account}", caller=caller).status == 200
        assert server.account()


def test_a_wrong_password_is_told_and_none_is_shown(data_dir: Path, keeper: str):
    wrong = keeper.replace(SPELLED, "not-the-password")
    use_postgresql(data_dir, wrong)
    for command in (SERVE, ("migrate",), ("account", "list")):
        refused = run_cli(*command, data_dir=data_dir)
        assert refused.returncode == 1
        assert 'password authentication failed for user "keeper"' in refused.stderr
        assert "database_url" in refused.stderr
        assert "not-the-password" not in refused.stdout + refused.stderr
    use_postgresql(data_dir, keeper)
    said = [run_cli(*command, data_dir=data_dir) for command in (("migrate",), ("migrate", "--json"), ("settings",))]
    assert [each.returncode for each in said] == [0, 0, 0], [each.stderr for each in said]
    assert_says_nothing(*(each.stdout + each.stderr for each in said))
    assert "keeper:***@" in said[0].stdout
    # As people write it who do not know that a / has to be spelled: it must not be taken for a port, and then shown.
    use_postgresql(data_dir, keeper.replace(SPELLED, PASSWORD))
    refused = run_cli("migrate", data_dir=data_dir)
    assert refused.returncode == 1
    assert "%40" in refused.stderr
    assert not re.search("hush", refused.stdout + refused.stderr)


def test_a_password_that_changes_under_a_running_server(apart: Path, own: PostgresqlServer):
    with running(apart) as server:
        account = server.account()
        own.sql("ALTER USER keeper PASSWORD 'another'")
        try:
            assert server.call("GET", f"/v1/accounts/{account}", caller=server.operator).status == 200
            own.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'keeper'")
            # The first refusals may still be of the connections just ended, before a new one is tried.
            assert server.call("GET", "/readyz").status == 503
            wait_until(
                lambda: server.call("GET", "/readyz").status == 503 and "password authentication failed" in server.log,
                what="the server tries the password that no longer holds",
            )
            assert_says_nothing(server.log)
        finally:
            own.sql(f"ALTER USER keeper PASSWORD '{PASSWORD}'")
        wait_until(lambda: server.call("GET", "/readyz").status == 200, what="the control plane recovers")


def test_what_is_no_database_of_ours_is_refused_at_the_start(data_dir: Path, own: PostgresqlServer):
    use_postgresql(data_dir, own.url("nowhere"))
    refused = run_cli(*SERVE, data_dir=data_dir)
    assert (refused.returncode, 'database "nowhere" does not exist' in refused.stderr) == (1, True)

    name = own.empty_database()
    use_postgresql(data_dir, own.url(name))
    refused = run_cli("account", "list", data_dir=data_dir)
    assert (refused.returncode, "keywright migrate" in refused.stderr) == (1, True)
    assert own.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", name) == "0"

    assert run_cli("migrate", data_dir=data_dir).returncode == 0
    own.sql("UPDATE alembic_version SET version_num = '9999'", name)
    refused = run_cli(*SERVE, data_dir=data_dir)
    assert (refused.returncode, "newer Keywright" in refused.stderr) == (1, True)


def test_a_standby_is_refused(data_dir: Path, own: PostgresqlServer):
    name = own.new_database()
    standby = PostgresqlServer(standby_of=own).start()
    try:
        use_postgresql(data_dir, standby.url(name))
        for command in (SERVE, ("account", "list")):
            refused = run_cli(*command, data_dir=data_dir)
            assert (refused.returncode, "standby" in refused.stderr) == (1, True), refused.stderr
    finally:
        standby.remove()


def test_a_server_brings_an_older_schema_up_to_its_own(apart: Path, own: PostgresqlServer):
    """Two that start at once: the second waits until the first has migrated."""
    with running(apart) as server:
        key = server.key(server.account())
        assert server.stop() == 0
        name = data.url_of(apart).partition("@/")[2].partition("?")[0]
        own.sql("DROP INDEX ix_accounts_api_access_name; UPDATE alembic_version SET version_num = '0003'", name)
        with running(apart) as second:
            server.start()
            assert {each.verify(signed(key)).code for each in (server, second)} == {"accepted"}
        assert own.sql("SELECT version_num FROM alembic_version", name) > "0003"
