"""When the database is damaged or gone, the server says so, lets nothing through, and recovers."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from pathlib import Path

import pytest

from keywright.keyring import load_or_create_keyring
from support.server import Server, run_cli, running, signed, wait_until


@pytest.mark.engines("sqlite")
def test_a_damaged_database_gives_503_and_is_used_again_once_restored(data_dir: Path):
    with running(data_dir) as server:
        account = server.account()
        key = server.key(account)
        assert server.verify(signed(key)).code == "accepted"
        assert server.stop() == 0
        file = data_dir / "keywright.db"
        shutil.copy(file, data_dir / "good")
        server.start()
        # Overwritten in place, as a failing disk would: the same file, and other content.
        with file.open("r+b") as stream:
            stream.seek(4096)
            stream.write(b"\xa5" * (file.stat().st_size - 4096))
        # Pages that a connection has in memory still answer; what has to be read anew cannot.
        paths = [f"/v1/accounts/{account}{rest}" for rest in ("", "/users", "/credentials", "/audit-events")]
        answers = [server.call("GET", path, caller=server.operator) for path in (*paths, "/v1/accounts", "/readyz")]
        answers += [server.call("POST", "/v1/accounts", {"name": "B", "type": "partner"}, caller=server.operator)]
        assert {answer.status for answer in answers} <= {200, 503}, [answer.text for answer in answers]
        broken = [answer for answer in answers if answer.status == 503]
        assert {answer.code for answer in broken} == {"unavailable"}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in broken)
        answer = server.verify(signed(key))
        assert (answer.status, answer.code) == (503, "verifier_unavailable"), answer.text
        with file.open("r+b") as stream:
            stream.write((data_dir / "good").read_bytes())
        wait_until(lambda: server.call("GET", "/readyz").status == 200, what="the control plane recovers")
        wait_until(lambda: server.ask("GET", "/readyz").status == 200, what="the data plane recovers")
        assert server.verify(signed(key)).code == "accepted"
        assert {server.call("GET", path, caller=server.operator).status for path in paths} == {200}


@pytest.mark.engines("sqlite")
def test_a_database_moved_away_is_not_served_from_and_not_made_anew(data_dir: Path):
    with running(data_dir) as server:
        key = server.key(server.account())
        assert server.verify(signed(key)).code == "accepted"
        file = data_dir / "keywright.db"
        file.rename(data_dir / "moved")
        assert server.call("GET", "/readyz").status == 503
        assert server.ask("GET", "/readyz").status == 503
        wait_until(lambda: server.verify(signed(key)).status == 503, what="the verifier notices")
        assert "restart" in server.verify(signed(key)).json["detail"]
        assert not file.exists()
        (data_dir / "moved").rename(file)
        assert server.ask("GET", "/readyz").status == 200
        assert server.verify(signed(key)).code == "accepted"


def test_a_server_does_not_start_without_the_keyring_of_its_database(data_dir: Path, engine: str):
    with running(data_dir) as server:
        account = server.account()
        key = server.key(account, algorithm="hmac-sha256")
        assert server.stop() == 0
        keyring = data_dir / "keyring.json"
        keyring.rename(data_dir / "safe")
        for _ in range(2):  # it is not made anew the second time either
            refused = run_cli("serve", "--port", "0", "--gateway-port", "0", data_dir=data_dir)
            assert refused.returncode == 1
            # On many nodes it is another node that has it.
            assert {"sqlite": "restore the keyring", "postgresql": "copy"}[engine] in refused.stderr
            assert not keyring.exists()
        load_or_create_keyring(keyring, os.urandom)  # another deployment's
        assert run_cli("serve", "--port", "0", "--gateway-port", "0", data_dir=data_dir).returncode == 1
        (data_dir / "safe").replace(keyring)
        server.start()
        assert server.verify(signed(key)).code == "accepted"


@pytest.mark.engines("sqlite")  # else Valkey remembers nonces: tests/cluster
def test_readiness_tells_when_no_verdict_can_be_given(data_dir: Path):
    with running(data_dir) as server:
        key = server.key(server.account(), algorithm="hmac-sha256")
        assert server.ask("GET", "/readyz").status == 200
        assert server.ask("HEAD", "/readyz").status == 200
        with (data_dir / "nonces" / "control").open("rb") as control:
            fcntl.flock(control, fcntl.LOCK_EX)
            answer = server.ask("GET", "/readyz")
            assert (answer.status, answer.code) == (503, "verifier_unavailable")
            assert server.verify(signed(key)).status == 503
        assert server.ask("GET", "/readyz").status == 200
        assert server.verify(signed(key)).code == "accepted"


@pytest.mark.engines("sqlite")
def test_two_servers_on_one_database_share_their_memory_of_nonces(data_dir: Path, tmp_path: Path):
    with running(data_dir) as first:
        other = Server(
            tmp_path / "elsewhere", environment={"KEYWRIGHT_DATABASE_URL": f"sqlite:///{data_dir}/keywright.db"}
        )
        try:
            other.start()
            key = first.key(first.account())
            headers = signed(key)
            assert first.verify(headers).code == "accepted"
            assert other.verify(headers).code == "nonce_replayed"
        finally:
            other.close()


def test_a_body_that_does_not_arrive_does_not_hold_a_connection_for_ever(data_dir: Path):
    with running(data_dir) as server:
        for base, path in ((server.control, "/v1/session"), (server.data, "/v1/verify")):
            host, _, port = base.removeprefix("http://").rpartition(":")
            with socket.create_connection((host, int(port)), timeout=30) as stalled:
                head = (
                    f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{{"
                )
                stalled.sendall(head.encode())
                assert b"did not arrive" in stalled.recv(4096)
