"""What operators see: metrics of all workers together, health, readiness with its reason, and logs without secrets."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

import keywright
from support import data
from support.raw import RawAnswer, exchange, raw_request
from support.server import PASSWORD, Server, environment_of, running, signed, wait_until

MEMBERS = {"type", "title", "status", "detail", "code"}


@pytest.fixture(scope="module")
def talkative(chosen_engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own that logs all it can, and whose database these tests may take away."""
    with running(tmp_path_factory.mktemp("talkative") / "data", KEYWRIGHT_LOG_LEVEL="debug") as found:
        yield found


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def verdicts(server: Server, code: str) -> float:
    """As any of the workers tells it."""
    found = samples(fresh(server.data, b"/metrics").body.decode())
    return found.get(("keywright_verifications_total", (("code", code),)), 0.0)


def fresh(base: str, path: bytes) -> RawAnswer:
    """Over a connection of its own, which may reach any worker."""
    return exchange(base, raw_request(b"GET", path))


def test_the_verdicts_of_all_workers_are_summed(server: Server):
    key = server.key(server.account())
    time.sleep(2)  # each worker hands its counts over once a second, also those of the tests before this one
    before = {code: verdicts(server, code) for code in ("accepted", "nonce_replayed", "signature_missing")}
    requests = [signed(key) for _ in range(40)]
    assert {server.verify_anew(headers) for headers in requests} == {"accepted"}
    assert {server.verify_anew(headers) for headers in requests[:25]} == {"nonce_replayed"}
    assert {server.verify_anew({}) for _ in range(10)} == {"signature_missing"}
    expected = {"accepted": 40, "nonce_replayed": 25, "signature_missing": 10}

    def all_counted() -> bool:
        return all(verdicts(server, code) - before[code] == count for code, count in expected.items())

    wait_until(all_counted, what="both workers' counts")
    # Whichever worker is asked, once all have handed over.
    assert {verdicts(server, "accepted") - before["accepted"] for _ in range(12)} == {40}


def test_what_the_data_plane_measures(server: Server):
    server.verify(signed(server.key(server.account())))
    answer = server.ask("GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    found = {name for name, _ in samples(answer.text)}
    assert {"keywright_cached_credentials", "keywright_nonces_unprovable_through"} <= found
    if "KEYWRIGHT_VALKEY_URL" in environment_of(server.data_dir):
        # Of nonces in Valkey it is told whether they can be asked for, and not how many there are.
        assert samples(answer.text)["keywright_nonce_buckets_answering", ()] == 1
        assert "keywright_nonce_memory_known" in found
        assert samples(answer.text)["keywright_valkey_failures_total", ()] == 0
        return
    assert "keywright_nonce_bytes" in found
    remembered = samples(answer.text)["keywright_nonces", ()]
    server.verify(signed(server.key(server.account())))
    assert samples(server.ask("GET", "/metrics").text)["keywright_nonces", ()] == remembered + 1


def test_what_the_control_plane_measures(server: Server):
    def measured() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        answer = server.call("GET", "/metrics")
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/plain")
        return samples(answer.text)

    def difference(name: str, **labels: str) -> float:
        place = (name, tuple(sorted(labels.items())))
        return after.get(place, 0.0) - before.get(place, 0.0)

    before = measured()
    account = server.account()
    key = server.key(account)
    server.delete_key(account, key.client_id)
    server.delete_key(account, key.client_id)  # not_found: nothing was revoked by this
    server.set_access(account, False)
    server.set_access(account, False)
    for number in range(30):
        assert server.call("GET", f"/v1/nothing/{number}").status == 404
        assert server.call("GET", f"/v1/accounts/acc_{number}", caller=server.operator).status == 404
    after = measured()
    assert difference("keywright_revocations_total") == 2
    count = "keywright_http_request_seconds_count"
    assert difference(count, method="POST", route="/v1/accounts", status="201") == 1
    route = "/v1/accounts/{account_id}/credentials/{client_id}"
    assert difference(count, method="DELETE", route=route, status="200") == 1
    assert difference(count, method="DELETE", route=route, status="404") == 1
    assert difference(count, method="GET", route="/v1/accounts/{account_id}", status="404") == 30
    # Paths are without number, so none of them is a label.
    routes = {dict(labels)["route"] for name, labels in after if name == count}
    assert not [route for route in routes if "acc_" in route or "nothing" in route]


def test_health(server: Server):
    for base in (server.control, server.data):
        for path, status in ((b"/healthz", "ok"), (b"/readyz", "ready")):
            answer = fresh(base, path)
            assert (answer.status, answer.json) == (200, {"status": status})
            assert answer.headers["cache-control"] == "no-store"


def test_readiness_ends_with_the_database_and_comes_back_with_it(talkative: Server, engine: str):
    key = talkative.key(talkative.account())
    # As after a restore of something that is not our database, under the running server.
    with data.looking_into(talkative.data_dir) as database:
        for table in ("revocation_counter", "credentials"):
            database.change(f"ALTER TABLE {table} RENAME TO {table}_gone")
    try:
        for base, code in ((talkative.control, "unavailable"), (talkative.data, "verifier_unavailable")):
            answer = fresh(base, b"/readyz")
            assert answer.status == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) >= 1
            assert set(answer.json) == MEMBERS
            assert (answer.json["status"], answer.json["code"]) == (503, code)
            assert "database" in answer.json["detail"]
            assert fresh(base, b"/healthz").status == 200, "the process is alive, and restarting it would not help"
            assert fresh(base, b"/metrics").status == 200
        # Nothing is accepted on faith meanwhile.
        answer = talkative.verify(signed(key))
        assert (answer.status, answer.code) == (503, "verifier_unavailable")
    finally:
        with data.looking_into(talkative.data_dir) as database:
            for table in ("revocation_counter", "credentials"):
                database.change(f"ALTER TABLE {table}_gone RENAME TO {table}")
    assert {fresh(base, b"/readyz").status for base in (talkative.control, talkative.data)} == {200}
    assert talkative.verify(signed(key)).code == "accepted"
    missing = {"sqlite": "no such table: revocation_counter", "postgresql": 'relation "revocation_counter" does not'}
    assert json.dumps(missing[engine])[1:-1] in talkative.log, "the reason is for the operator, in the log"


def test_log_lines_are_json_and_hold_no_secret(talkative: Server):
    secrets = _use_everything(talkative)
    lines = talkative.log.splitlines()
    events = [json.loads(line) for line in lines]
    assert events
    for event in events:
        assert isinstance(event, dict)
        assert {"event", "level", "timestamp"} <= set(event)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", event["timestamp"])
    log = "\n".join(lines)
    assert not {name for name, secret in secrets.items() if secret in log or json.dumps(secret)[1:-1] in log}
    # Who did what can be told all the same.
    answered = [event for event in events if event["event"] == "answered"]
    callers = {(event["caller"] or {}).get("kind") for event in answered}
    assert {"operator_token", "person", None} <= callers
    assert {"signature_invalid", "nonce_replayed", "token_invalid"} <= {event.get("code") for event in events}
    assert all(set(event) >= {"method", "route", "status", "ms", "caller"} for event in answered)


def _use_everything(server: Server) -> dict[str, str]:
    """Hand in secrets at every place that takes one, and at some that do not; all of them by name."""
    account = server.account()
    owner = server.person(account, "owner")
    keys = [server.key(account, algorithm=algorithm, caller=owner) for algorithm in ("ed25519", "hmac-sha256")]
    body = {"email": "x@example.com", "name": "X", "role": "viewer"}
    invited = server.call("POST", f"/v1/accounts/{account}/users", body, caller=server.operator).json["invitationUrl"]
    wrong = "a password that is wrong " + os.urandom(4).hex()
    secrets = {
        "operator token": server.token("operator"),
        "platform token": server.token("platform"),
        "session": owner.headers["Cookie"].partition("=")[2],
        "password": PASSWORD,
        "wrong password": wrong,
        "invitation": invited.rpartition("/")[2],
        "unknown token": "kwop_" + os.urandom(32).hex(),
        "bearer": "eyJ" + os.urandom(20).hex(),
        "basic": os.urandom(20).hex(),
    }
    server.call("GET", secrets_path(invited))
    server.call("POST", secrets_path(invited), {"password": "short"})
    server.call("POST", "/v1/session", {"email": owner.email, "password": wrong})
    server.call("POST", "/v1/session", {"email": owner.email, "password": wrong, wrong: wrong})
    server.call("GET", "/v1/accounts", headers={"Authorization": f"Bearer {secrets['unknown token']}"})
    server.call("GET", f"/v1/{secrets['unknown token']}?token={secrets['unknown token']}")
    for scheme, name in (("Bearer", "bearer"), ("Basic", "basic")):
        server.verify({"Authorization": f"{scheme} {secrets[name]}"})
        told = {"X-Original-Method": "GET", "X-Original-URL": f"https://api.example.com/?token={secrets[name]}"}
        server.ask("GET", "/v1/forward-auth", headers={**told, "Authorization": f"{scheme} {secrets[name]}"})
    for key in keys:
        secrets |= _misuse(server, key)
    server.call("DELETE", "/v1/session", caller=owner)
    return secrets


def _misuse(server: Server, key: keywright.Credential) -> dict[str, str]:
    headers = signed(key)
    server.verify(headers)
    server.verify(headers)
    server.verify(signed(key), method="PUT")
    server.verify({**signed(key), "Signature": "sig1=:" + key._secret.hex() + ":"})
    server.ask("POST", "/v1/verify", content=json.dumps({"clientSecret": key._secret.hex()}).encode())
    signature = headers["Signature"].partition(":")[2].rstrip(":")
    return {f"secret of {key.algorithm}": key._secret.hex(), f"signature by {key.algorithm}": signature}


def secrets_path(url: str) -> str:
    return "/v1/" + url.partition("/v1/")[2]
