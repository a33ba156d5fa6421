"""Every node has the same keyring and token keys, or is told so; nodes are told before they serve."""

from __future__ import annotations

import asyncio
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from keywright.app import match_keyring, match_token_keys, prepare
from keywright.errors import Unavailable
from keywright.settings import Settings
from support.nodes import KEY_FILES, Deployment
from support.server import run_cli, signed, wait_until


def settings_of(deployment: Deployment, name: str) -> Settings:
    return Settings(data_dir=deployment.data_dir(name), database_url=deployment.url, valkey_url=deployment.valkey_url)


def match(settings: Settings) -> str:
    """What a node does with its files of keys at its start; what it is told."""

    async def both() -> None:
        await match_keyring(settings)
        await match_token_keys(settings)

    try:
        asyncio.run(both())
    except Unavailable as error:
        return error.message
    return ""


def test_the_first_node_makes_the_files_and_the_second_one_is_told_to_copy_them(deployment: Deployment):
    first, second = settings_of(deployment, "first"), settings_of(deployment, "second")
    assert match(first) == ""
    kept = {name: (first.data_dir / name).read_bytes() for name in KEY_FILES}
    told = match(second)
    assert f"no keyring at {second.keyring_path}" in told
    assert "copy it" in told
    assert "KEYWRIGHT_KEYRING_FILE" in told
    assert not second.keyring_path.exists()  # nothing was made that stands in the way of the copy
    Deployment.hand_over(first.data_dir, second.data_dir)
    second.token_keys_path.unlink()
    assert "KEYWRIGHT_TOKEN_KEYS_FILE" in match(second)
    Deployment.hand_over(first.data_dir, second.data_dir)
    assert match(second) == match(first) == ""
    assert {name: (first.data_dir / name).read_bytes() for name in KEY_FILES} == kept


def test_the_database_holds_nothing_of_the_keys(deployment: Deployment):
    first = settings_of(deployment, "first")
    assert match(first) == ""
    rows = deployment.sql("SELECT file, fingerprint FROM deployment_keys ORDER BY file").splitlines()
    assert [row.split("|")[0] for row in rows] == ["keyring", "token-keys"]
    for name in KEY_FILES:
        document = (first.data_dir / name).read_text()
        assert all(row.split("|")[1] not in document for row in rows)


def test_of_first_nodes_that_start_together_one_makes_the_files(deployment: Deployment):
    nodes = [settings_of(deployment, f"node-{number}") for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(match, nodes))
    assert told.count("") == 1
    assert sum(node.keyring_path.exists() for node in nodes) == 1
    assert all("copy it" in each for each in told if each)


def test_a_file_of_another_deployment_is_refused(deployment: Deployment):
    first, stranger = settings_of(deployment, "first"), settings_of(deployment, "stranger")
    assert match(first) == ""
    for command, name in (("keyring", "keyring.json"), ("token-key", "token-keys.json")):
        Deployment.hand_over(first.data_dir, stranger.data_dir)
        (stranger.data_dir / name).unlink()
        made = run_cli(command, "create", str(stranger.data_dir / name), "--json")
        assert made.returncode == 0, made.stderr
        assert "not that of this deployment" in match(stranger)
        # Nor can it be made the deployment's by mistake.
        change = ("keyring", "add-key") if command == "keyring" else ("token-key", "rotate")
        before = (stranger.data_dir / name).read_bytes()
        refused = run_cli(*change, data_dir=stranger.data_dir)
        assert refused.returncode == 1
        assert "not that of this deployment" in refused.stderr
        assert (stranger.data_dir / name).read_bytes() == before
    assert match(first) == ""


def test_a_server_is_refused_before_it_serves(deployment: Deployment):
    prepare(settings_of(deployment, "first"))
    done = run_cli("serve", "--port", "0", "--gateway-port", "0", data_dir=deployment.data_dir("second"))
    assert done.returncode == 1
    assert "copy it from the node that was started first" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("change", "name"), [(("keyring", "add-key"), "keyring.json"), (("token-key", "rotate"), "token-keys.json")]
)
def test_after_a_key_is_added_on_one_node_an_older_copy_is_refused(
    deployment: Deployment, change: tuple[str, str], name: str
):
    first, second = settings_of(deployment, "first"), settings_of(deployment, "second")
    assert match(first) == ""
    Deployment.hand_over(first.data_dir, second.data_dir)
    done = run_cli(*change, data_dir=first.data_dir)
    assert done.returncode == 0, done.stderr
    assert "copy the file to every other node" in done.stderr
    told = match(second)
    assert f"{second.data_dir / name} is an older copy" in told
    # Two nodes that each add a key would each have one that the other lacks.
    assert "older copy" in run_cli(*change, data_dir=second.data_dir).stderr
    Deployment.hand_over(first.data_dir, second.data_dir)
    assert match(second) == ""


def test_a_sealing_key_that_seals_nothing_any_more_may_go(deployment: Deployment):
    first, second = settings_of(deployment, "first"), settings_of(deployment, "second")
    assert match(first) == ""
    for command in (("keyring", "add-key"), ("keyring", "reseal")):
        assert run_cli(*command, data_dir=first.data_dir).returncode == 0
    keyring = json.loads(first.keyring_path.read_text())
    del keyring["keys"]["k1"]
    first.keyring_path.write_text(json.dumps(keyring))
    Deployment.hand_over(first.data_dir, second.data_dir)
    assert match(first) == match(second) == ""


def test_a_lost_file_is_replaced_by_word_only(deployment: Deployment):
    first, second = settings_of(deployment, "first"), settings_of(deployment, "second")
    assert match(first) == ""
    for name in KEY_FILES:
        (first.data_dir / name).unlink()
    assert "no keyring" in match(first)
    assert run_cli("keyring", "register", data_dir=first.data_dir).returncode == 0
    assert "no file of token keys" in match(first)
    assert run_cli("token-key", "rotate", "--stolen", data_dir=first.data_dir).returncode == 0
    assert match(first) == ""
    Deployment.hand_over(first.data_dir, second.data_dir)
    assert match(second) == ""


@pytest.mark.parametrize("command", ["keyring", "token-key"])
def test_create_writes_a_private_file_once_and_says_what_to_do_with_it(tmp_path: Path, command: str):
    file = tmp_path / "new.json"
    made = run_cli(command, "create", str(file))
    assert made.returncode == 0, made.stderr
    assert "every node" in made.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    again = run_cli(command, "create", str(file))
    assert again.returncode == 1
    assert "is there already" in again.stderr
    assert file.read_bytes() == before


def test_running_nodes_say_that_their_copy_is_older_and_read_the_new_one(deployment: Deployment):
    first = deployment.node("all").start()
    second = deployment.node("gateway").start()
    key = first.key(first.account(), algorithm="hmac-sha256")
    assert run_cli("keyring", "add-key", data_dir=first.data_dir).returncode == 0
    assert run_cli("token-key", "rotate", data_dir=first.data_dir).returncode == 0
    # It goes on: what it has is good, until something is sealed or signed with what it lacks.
    assert second.ask("GET", "/readyz").status == 200
    assert second.verify(signed(key)).code == "accepted"
    assert "keywright_key_files_outdated 2.0" in second.ask("GET", "/metrics").text
    assert second.log.count("key_file_outdated") == 2
    Deployment.hand_over(first.data_dir, second.data_dir)
    assert second.ask("GET", "/readyz").status == 200
    wait_until(lambda: "keywright_key_files_outdated 0.0" in second.ask("GET", "/metrics").text)
    later = first.key(first.account(), algorithm="hmac-sha256")
    assert second.verify(signed(later)).code == "accepted"


def test_a_node_that_still_trusts_stolen_token_keys_is_not_ready(deployment: Deployment):
    first = deployment.node("all").start()
    second = deployment.node("gateway").start()
    assert run_cli("token-key", "rotate", "--stolen", data_dir=first.data_dir).returncode == 0
    assert first.ask("GET", "/readyz").status == first.call("GET", "/readyz").status == 200
    answer = second.ask("GET", "/readyz")
    assert answer.status == 503
    assert "token-keys.json is not the deployment's" in answer.json["detail"]
    Deployment.hand_over(first.data_dir, second.data_dir)
    assert second.ask("GET", "/readyz").status == 200
