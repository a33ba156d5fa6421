"""A node serves what its role says and nothing else; several of each work on one database."""

from __future__ import annotations

import http.client
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import keywright
from support.nodes import Deployment
from support.server import run_cli, running, set_environment, signed


def test_several_control_and_gateway_nodes_are_one_deployment(deployment: Deployment):
    deployment.settings["KEYWRIGHT_TOKEN_ISSUER"] = "https://keys.example.com"
    first = deployment.node("control").start()
    second = deployment.node("control").start()
    gateways = [deployment.node("gateway").start() for _ in range(2)]
    assert [bool(node.control) for node in deployment.nodes] == [True, True, False, False]
    assert [bool(node.data) for node in deployment.nodes] == [False, False, True, True]
    account = first.account()
    for algorithm in ("ed25519", "hmac-sha256"):
        body = {"email": "integration@example.com", "algorithm": algorithm}
        made = second.call("POST", f"/v1/accounts/{account}/credentials", body, caller=second.platform).json
        key = keywright.Credential(made["clientId"], made["clientSecret"], algorithm=algorithm)
        for gateway in gateways:
            assert gateway.verify(signed(key)).code == "accepted"
        secret = {"clientId": made["clientId"], "clientSecret": made["clientSecret"]}
        token = second.call("POST", "/auth/token", secret).json["access_token"]
        for gateway in gateways:
            assert gateway.verify({"Authorization": f"Bearer {token}"}).code == "accepted"
        assert first.delete_key(account, key.client_id).status == 200
        for gateway in gateways:
            assert gateway.verify(signed(key)).code == "credential_unknown"
            assert gateway.verify({"Authorization": f"Bearer {token}"}).code == "token_invalid"
    assert [node.stop() for node in reversed(deployment.nodes)] == [0, 0, 0, 0]


@pytest.mark.parametrize(("role", "said"), [("control", "control plane"), ("gateway", "data plane")])
def test_only_the_listener_of_the_role_is_opened(data_dir: Path, role: str, said: str):
    """The other one's port may be in use, and is left alone; its settings are not looked at."""
    with running(data_dir) as other:
        _, port = (other.data if role == "control" else other.control).removeprefix("http://").split(":")
        taken = {"control": "KEYWRIGHT_GATEWAY_PORT", "gateway": "KEYWRIGHT_PORT"}[role]
        with running(data_dir, KEYWRIGHT_ROLE=role, **{taken: port}) as node:
            assert bool(node.control) is (role == "control")
            assert bool(node.data) is (role == "gateway")
            address = (node.control or node.data).removeprefix("http://")
            connection = http.client.HTTPConnection(address, timeout=60)
            connection.request("GET", "/v1/verify" if role == "control" else "/v1/accounts")
            assert connection.getresponse().status == 404
            connection.close()


def test_a_role_that_does_not_exist_is_refused_with_those_that_do(data_dir: Path):
    done = run_cli("serve", "--role", "verifier", data_dir=data_dir)
    assert done.returncode == 2
    assert all(role in done.stderr for role in ("all", "control", "gateway"))


def test_nodes_that_share_a_database_need_a_valkey(deployment: Deployment):
    """Commands do without."""
    data_dir = deployment.data_dir("alone")
    set_environment(data_dir, {"KEYWRIGHT_DATABASE_URL": deployment.url})
    for role in ("all", "control", "gateway"):
        done = run_cli("serve", "--role", role, "--port", "0", "--gateway-port", "0", data_dir=data_dir)
        assert (done.returncode, done.stdout) == (1, "")
        assert "valkey_url: must be set" in done.stderr
        assert "KEYWRIGHT_VALKEY_URL" in done.stderr
    assert run_cli("account", "list", data_dir=data_dir).returncode == 0
    assert not list(data_dir.iterdir())  # and what is refused leaves nothing behind


def test_a_node_keeps_as_many_connections_as_documented_and_no_more(deployment: Deployment):
    """docs/settings.md: in each process database_connections and three more, and one where requests are verified."""
    node = deployment.node("all", workers=2, KEYWRIGHT_DATABASE_CONNECTIONS="1").start()
    account = node.account()
    keys = [node.key(account, label=str(number)) for number in range(3)]

    def use(number: int) -> None:
        for _ in range(6):
            assert node.verify_anew(signed(keys[number % 3])) == "accepted"
            assert node.call("GET", f"/v1/accounts/{account}/credentials", caller=node.operator).status == 200
            assert node.set_access(account, True).status == 200

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(use, range(12)))
    held = deployment.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    # Connections that are not used now stay open, so this is the most there ever was.
    assert 3 <= int(held) <= (1 + 3) + 2 * (1 + 3 + 1)
