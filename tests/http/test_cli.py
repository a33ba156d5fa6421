"""The command line on a real data directory, beside a running server and without one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support import data
from support.server import Server, run_cli, running, signed


def as_json(*arguments: str, data_dir: Path) -> object:
    done = run_cli(*arguments, "--json", data_dir=data_dir)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_operator_token_is_printed_alone_and_kept_as_a_hash(data_dir: Path):
    made = run_cli("operator-token", "create", "Maria", data_dir=data_dir)
    assert made.returncode == 0, made.stderr
    token = made.stdout.removesuffix("\n")
    assert token.startswith("kwop_")
    assert "\n" not in token
    stored = {str(file): file.read_bytes() for file in data_dir.rglob("*") if file.is_file()}
    stored |= dict(data.stored_bytes(data_dir))
    for form in (token.encode(), token[5:].encode(), bytes.fromhex(token[5:])):
        assert not [name for name, content in stored.items() if form in content]
    again = run_cli("operator-token", "create", "Maria", data_dir=data_dir)
    assert again.returncode == 1
    assert "choose another name" in again.stderr
    assert [row["name"] for row in as_json("operator-token", "list", data_dir=data_dir)] == ["Maria"]
    assert as_json("operator-token", "delete", "Maria", data_dir=data_dir) == {"deleted": "Maria"}
    assert as_json("operator-token", "list", data_dir=data_dir) == []
    assert run_cli("operator-token", "delete", "Maria", data_dir=data_dir).returncode == 1


def test_a_deleted_operator_token_ends_at_once(server: Server):
    made = run_cli("operator-token", "create", "leaver", data_dir=server.data_dir).stdout.strip()
    headers = {"Authorization": f"Bearer {made}"}
    assert server.call("GET", "/v1/accounts", headers=headers).status == 200
    assert run_cli("operator-token", "delete", "leaver", data_dir=server.data_dir).returncode == 0
    assert server.call("GET", "/v1/accounts", headers=headers).code == "unauthenticated"


def test_accounts_people_and_access_are_administered(data_dir: Path, engine: str):
    migrated = as_json("migrate", data_dir=data_dir)
    # A PostgreSQL database is made by its administrator, here with the schema in it.
    assert migrated["before"] == {"sqlite": None, "postgresql": migrated["after"]}[engine]
    account = as_json("account", "create", "Acme Ltd", "--type", "corporate", data_dir=data_dir)["accountId"]
    assert as_json("account", "list", data_dir=data_dir)[0]["name"] == "Acme Ltd"
    assert as_json("account", "show", account, data_dir=data_dir)["apiAccess"] == "not_requested"
    assert as_json("access", "requests", data_dir=data_dir) == []
    assert as_json("access", "enable", account, data_dir=data_dir)["apiAccess"] == "enabled"
    off = as_json("access", "disable", account, "--reason", "incident", data_dir=data_dir)
    assert (off["apiAccess"], off["reason"]) == ("disabled", "incident")
    assert set(off["receipt"]) == {"confirmed", "expired", "tookMs"}

    olga = as_json("user", "add", account, "olga@acme.example", "Olga", "--role", "owner", data_dir=data_dir)
    assert "/invitations/kwi_" in olga["invitationUrl"]
    last = run_cli("user", "remove", account, olga["userId"], data_dir=data_dir)
    assert (last.returncode, "last Owner" in last.stderr) == (1, True)
    ben = as_json("user", "add", account, "ben@acme.example", "Ben", "--role", "viewer", data_dir=data_dir)
    changed = as_json("user", "set-role", account, ben["userId"], "--role", "admin", data_dir=data_dir)
    assert changed["role"] == "admin"
    assert as_json("user", "remove", account, ben["userId"], data_dir=data_dir) == {"removed": ben["userId"]}
    assert [row["email"] for row in as_json("user", "list", account, data_dir=data_dir)] == ["olga@acme.example"]
    for arguments, told in (
        (("account", "list"), (account, "Acme Ltd", "corporate", "disabled")),
        (("account", "show", account), (account, "Acme Ltd", "corporate", "disabled")),
        (("user", "list", account), (olga["userId"], "olga@acme.example", "Olga", "owner")),
        (("audit", "list", account), ("account.created", "api_access.disabled", "user.role_changed", "user.removed")),
    ):
        shown = run_cli(*arguments, data_dir=data_dir)
        assert shown.returncode == 0, shown.stderr
        assert [each for each in told if each not in shown.stdout] == [], (arguments, shown.stdout)
    assert "ben@" not in run_cli("user", "list", account, data_dir=data_dir).stdout


def test_keys_are_listed_and_deleted_and_never_created(data_dir: Path):
    with running(data_dir) as server:
        account = server.account()
        key = server.key(account)
        assert "create" not in run_cli("credential", "--help").stdout.split("Commands:")[1].replace("are created", "")
        (row,) = as_json("credential", "list", account, data_dir=data_dir)
        assert row["clientId"] == key.client_id
        refused = run_cli("credential", "delete", account, key.client_id, data_dir=data_dir, stdin="n\n")
        assert refused.returncode == 1
        assert server.verify(signed(key)).code == "accepted"
        gone = as_json("credential", "delete", account, key.client_id, "--yes", data_dir=data_dir)
        assert gone["clientId"] == key.client_id
        assert server.verify(signed(key)).code == "credential_unknown"


def test_the_audit_trail_is_verified_online_and_as_an_export(data_dir: Path, tmp_path: Path):
    as_json("migrate", data_dir=data_dir)
    account = as_json("account", "create", "Größe 株式会社", "--type", "partner", data_dir=data_dir)["accountId"]
    as_json("access", "enable", account, data_dir=data_dir)
    as_json("operator-token", "create", "x", data_dir=data_dir)
    assert as_json("audit", "verify", data_dir=data_dir) == {"chains": 2, "events": 3, "holds": True}
    export = tmp_path / "trail.jsonl"
    export.write_text(run_cli("audit", "export", account, data_dir=data_dir).stdout)
    elsewhere = run_cli("audit", "verify", str(export), "--json")  # no server, no data directory
    assert (elsewhere.returncode, json.loads(elsewhere.stdout)["events"]) == (0, 2)
    assert run_cli("audit", "verify", "-", stdin=export.read_text()).returncode == 0

    lines = export.read_text().splitlines()
    for broken, seq in (
        ([lines[0], lines[1].replace("Größe", "Kleine"), lines[2]], 1),
        ([lines[0], lines[1], lines[2].replace("enabled", "disabled")], 2),
        ([lines[0], lines[2]], 1),
        ([lines[0], lines[1]], 2),
        ([lines[0], lines[1], "{"], 2),
        ([lines[0].replace(account, "acc_other"), lines[1], lines[2]], 1),
    ):
        export.write_text("\n".join(broken))
        done = run_cli("audit", "verify", str(export), "--json")
        assert done.returncode == 1
        assert json.loads(done.stdout)["broken"]["seq"] == seq
    for nonsense in ("", "hello", "{}", "[]"):
        export.write_text(nonsense)
        done = run_cli("audit", "verify", str(export))
        assert done.returncode == 1
        assert "not an export" in done.stderr
    assert run_cli("audit", "verify", str(tmp_path / "absent")).returncode == 1


def test_a_tampered_database_is_found_with_status_1(data_dir: Path):
    as_json("migrate", data_dir=data_dir)
    account = as_json("account", "create", "A", "--type", "corporate", data_dir=data_dir)["accountId"]
    as_json("access", "enable", account, data_dir=data_dir)
    data.change(data_dir, "UPDATE audit_events SET at = '2020-01-01T00:00:00.000Z' WHERE seq = 2")
    done = run_cli("audit", "verify", data_dir=data_dir)
    assert done.returncode == 1
    assert f"{account} is broken at event 2" in done.stdout


def test_a_new_sealing_key_reseals_what_is_there(data_dir: Path):
    with running(data_dir) as server:
        account = server.account()
        key, gone = (server.key(account, algorithm="hmac-sha256") for _ in range(2))
        server.delete_key(account, gone.client_id)
        assert server.verify(signed(key)).code == "accepted"
        assert server.stop() == 0
        added = as_json("keyring", "add-key", data_dir=data_dir)
        assert added["current"] == "k2"
        assert as_json("keyring", "reseal", data_dir=data_dir)["resealed"] == 1
        assert as_json("keyring", "reseal", data_dir=data_dir)["resealed"] == 0
        keyring = json.loads((data_dir / "keyring.json").read_text())
        del keyring["keys"]["k1"]
        (data_dir / "keyring.json").write_text(json.dumps(keyring))
        server.start()
        assert server.verify(signed(key)).code == "accepted"


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("arguments", [("credential", "list", "acc_x"), ("audit", "verify"), ("account", "list")])
def test_a_mistyped_folder_is_not_taken_for_an_empty_deployment(arguments: tuple[str, ...], tmp_path: Path):
    done = run_cli(*arguments, data_dir=tmp_path / "mistyped")
    assert done.returncode == 1
    assert "check --data-dir" in done.stderr
    assert not (tmp_path / "mistyped").exists()


def test_faults_are_told_in_words_and_as_json(data_dir: Path):
    done = run_cli("serve", "--port", "99999", "--public-url", "nonsense", data_dir=data_dir)
    assert done.returncode == 1
    assert "port" in done.stderr
    assert "public_url" in done.stderr
    as_json("migrate", data_dir=data_dir)
    done = run_cli("account", "show", "acc_x", "--json", data_dir=data_dir)
    assert json.loads(done.stderr)["code"] == "not_found"
    account = as_json("account", "create", "A", "--type", "corporate", data_dir=data_dir)["accountId"]
    done = run_cli("user", "add", account, "nonsense", "\x07", "--role", "owner", "--json", data_dir=data_dir)
    assert [fault["field"] for fault in json.loads(done.stderr)["errors"]] == ["EMAIL", "NAME"]


def test_a_taken_port_is_told(server: Server, data_dir: Path):
    done = run_cli("serve", "--port", server.control.rpartition(":")[2], "--gateway-port", "0", data_dir=data_dir)
    assert done.returncode == 1
    assert "--port" in done.stderr


def test_settings_are_shown(data_dir: Path):
    shown = as_json("settings", data_dir=data_dir)
    assert shown["data_dir"] == str(data_dir)
    assert shown["max_age_seconds"] == 300


def test_the_version_is_printed():
    import keywright  # noqa: PLC0415

    for command in ([sys.executable, "-m", "keywright"], [str(Path(sys.executable).with_name("keywright"))]):
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout == f"keywright {keywright.__version__}\n"


def test_signing_commands_load_nothing_of_the_server():
    code = "import sys; sys.argv = ['keywright', 'sign', '--help']\n"
    code += "from keywright.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    code += (
        "print([name for name in ('sqlalchemy', 'litestar', 'granian', 'msgspec', 'alembic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_listeners_are_forked_before_anything_that_only_one_of_them_serves_with_is_loaded():
    code = (
        "import sys, keywright.cli.serve, keywright.app, keywright.serving, threading\n"
        "dear = ('litestar', 'jinja2', 'webauthn', 'alembic', 'prometheus_client')\n"
        "print([name for name in dear if name in sys.modules], threading.active_count())"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout == "[] 1\n"
