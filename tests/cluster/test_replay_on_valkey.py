"""Two servers and one Valkey: a request is accepted once by both together, and by neither while nobody remembers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.server import PASSWORD, Server, running, signed, wait_until
from support.tokens import assertion, assertion_fields, post_form
from support.valkey import Valkey, valkey


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as found:
        yield found


@pytest.fixture(scope="module")
def pair(server: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """Two servers that share a database as well; the tokens' issuer is the first one's address."""
    data_dir = tmp_path_factory.mktemp("pair") / "data"
    issuer = "https://id.example.com"
    more = {"KEYWRIGHT_VALKEY_URL": server.url, "KEYWRIGHT_TOKEN_ISSUER": issuer}
    with running(data_dir, workers=2, **more) as one, running(data_dir, **more) as other:
        yield one, other


def test_a_request_is_accepted_once_by_all_servers_together(pair: tuple[Server, Server]):
    key = pair[0].key(pair[0].account())
    for _ in range(10):
        headers = signed(key)
        together = threading.Barrier(8)

        def send(number: int, headers=headers, together=together) -> str:
            together.wait()
            return pair[number % 2].verify_anew(headers)

        with ThreadPoolExecutor(8) as threads:
            outcomes = list(threads.map(send, range(8)))
        assert sorted(outcomes) == ["accepted"] + ["nonce_replayed"] * 7
    assert not (pair[0].data_dir / "nonces").exists()


def test_an_assertion_works_once_for_all_servers_together(pair: tuple[Server, Server]):
    key = pair[0].key(pair[0].account())
    text = assertion(key, "https://id.example.com")
    answers = [
        post_form(server, base, assertion_fields(text)) for server in pair for base in (server.data, server.control)
    ]
    assert [answer.status for answer in answers] == [200, 401, 401, 401]


def test_wrong_passwords_are_counted_by_all_servers_together(pair: tuple[Server, Server]):
    person = pair[0].person(pair[0].account(), "owner")
    wrong = {"email": person.email, "password": "wrong horse battery"}
    statuses = [pair[number % 2].call("POST", "/v1/session", wrong).status for number in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert pair[1].call("POST", "/v1/session", {"email": person.email, "password": PASSWORD}).status == 429


def test_while_valkey_is_away_nothing_is_accepted_and_the_reason_is_told(tmp_path: Path):
    with valkey() as server, running(tmp_path / "data", KEYWRIGHT_VALKEY_URL=server.url) as keywright:
        account = keywright.account()
        old = keywright.key(account)
        person = keywright.person(account, "owner")
        assert keywright.verify(signed(old)).code == "accepted"
        server.kill()
        refused = keywright.verify(signed(old))
        assert (refused.status, refused.code) == (503, "verifier_unavailable")
        assert "memory of used nonces" in refused.json["detail"]
        sign_in = keywright.call("POST", "/v1/session", {"email": person.email, "password": PASSWORD})
        assert (sign_in.status, sign_in.code) == (503, "unavailable")
        assert keywright.ask("GET", "/readyz").status == 503
        assert keywright.call("GET", "/readyz").status == 503
        assert keywright.ask("GET", "/healthz").status == 200
        wait_until(lambda: _metric(keywright, "keywright_valkey_failures_total") > 1, what="failures are counted")
        assert _metric(keywright, "keywright_nonce_memory_known") == 0
        assert _metric(keywright, "keywright_nonce_buckets_answering") == 0
        server.start()
        wait_until(lambda: keywright.ask("GET", "/readyz").status == 200, what="it is ready again")
        assert keywright.verify(signed(old)).code == "nonce_unprovable"
        new = keywright.key(account)
        wait_until(lambda: keywright.verify(signed(new)).code == "accepted" or _renew(keywright, account), seconds=20)
        server.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        assert keywright.ask("GET", "/readyz").status == 503
        assert keywright.verify(signed(old)).status == 503
        server.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
        assert keywright.ask("GET", "/readyz").status == 200
        assert "memory_began_anew" in keywright.log
        assert "maxmemory-policy is allkeys-lru" in keywright.log


def test_a_server_does_not_start_without_its_valkey(tmp_path: Path):
    log = _refusal(tmp_path / "one", f"unix://{tmp_path}/none")
    assert "memory of used nonces does not answer" in log
    assert "No such file" in log
    with valkey(maxmemory_policy="allkeys-lfu") as server:
        assert "maxmemory-policy is allkeys-lfu" in _refusal(tmp_path / "two", server.url)


def _refusal(data_dir: Path, url: str) -> str:
    server = Server(data_dir, environment={"KEYWRIGHT_VALKEY_URL": url})
    with pytest.raises(AssertionError, match="did not start"):
        server.start()
    assert server.process is not None
    assert server.process.wait(60) == 1
    return server.log


def test_a_key_that_is_made_right_after_the_first_start_works_at_once(tmp_path: Path):
    with valkey() as server, running(tmp_path / "data", KEYWRIGHT_VALKEY_URL=server.url) as keywright:
        assert keywright.verify(signed(keywright.key(keywright.account()))).code == "accepted"
        assert _metric(keywright, "keywright_nonces_unprovable_through") > 0


def _renew(keywright: Server, account: str) -> bool:
    """A key of the first two seconds of a memory may precede it: make another."""
    key = keywright.key(account)
    accepted = keywright.verify(signed(key)).code == "accepted"
    keywright.delete_key(account, key.client_id)
    return accepted


def _metric(keywright: Server, name: str) -> float:
    lines = keywright.ask("GET", "/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.partition("{")[0].partition(" ")[0] == name)
