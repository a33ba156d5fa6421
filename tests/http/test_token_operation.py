"""What operators do and see: new signing keys, stolen ones, metrics and logs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.server import Server, run_cli, running, wait_until
from support.tokens import (
    GRANT,
    ORIGINAL,
    assertion,
    assertion_fields,
    basic,
    bearer,
    damaged,
    header_of,
    introspect,
    post_form,
    post_json,
    secret_of,
    token_of,
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose proxies are believed, so that a test can come from many addresses."""
    folder = tmp_path_factory.mktemp("tokens") / "data"
    with running(folder, KEYWRIGHT_TRUSTED_PROXIES="127.0.0.1", KEYWRIGHT_LOG_LEVEL="debug") as found:
        yield found


def rotate(server: Server, *options: str) -> list[dict[str, Any]]:
    done = run_cli("token-key", "rotate", "--json", *options, data_dir=server.data_dir)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def published(server: Server) -> list[list[str]]:
    return [
        [key["kid"] for key in server._send("GET", base + "/.well-known/jwks.json", {}, None).json["keys"]]
        for base in (server.control, server.data)
    ]


def test_a_new_signing_key_is_published_first_and_the_old_one_stays(data_dir: Any):
    with running(data_dir, workers=2) as other:
        key = other.key(other.account())
        old = token_of(other, key)
        first = header_of(old)["kid"]
        rotated = rotate(other, "--signs-in", "3")
        rotated_at = time.monotonic()
        assert [each["state"] for each in rotated] == ["signs", "signs later"]
        second = rotated[1]["kid"]
        assert published(other) == [[first, second]] * 2, "at once, on both listeners, without a restart"
        if time.monotonic() - rotated_at < 1.5:
            assert header_of(token_of(other, key))["kid"] == first
        wait_until(lambda: header_of(token_of(other, key))["kid"] == second, what="the new key signs")
        assert time.monotonic() - rotated_at > 1.9, "and not before its time"
        new = token_of(other, key)
        for token in (old, new):
            assert {other.verify_anew(bearer(token)) for _ in range(6)} == {"accepted"}
        assert published(other) == [[first, second]] * 2
        listed = json.loads(run_cli("token-key", "list", "--json", data_dir=other.data_dir).stdout)
        assert [each["state"] for each in listed] == ["signed", "signs"]
        # A stolen key: everything that was signed ends, in every worker, within a second.
        (only,) = rotate(other, "--stolen")
        assert published(other) == [[only["kid"]]] * 2
        time.sleep(1.2)
        for token in (old, new):
            assert {other.verify_anew(bearer(token)) for _ in range(6)} == {"token_invalid"}
        assert {other.verify_anew(bearer(token_of(other, key))) for _ in range(6)} == {"accepted"}
        assert (other.data_dir / "token-keys.json").stat().st_mode & 0o777 == 0o600


def test_metrics_and_logs(own: Server):
    account = own.account()
    key = own.key(account)
    secret = secret_of(key)
    token = token_of(own, key)
    used = assertion(key, own.control)
    for base in (own.control, own.data):
        post_json(own, base, key.client_id, damaged(secret))
        post_json(own, base, secret, key.client_id)  # the two mixed up
        post_form(own, base, GRANT, headers=basic(key.client_id, secret))
        post_form(own, base, {**GRANT, "client_id": key.client_id, "client_secret": secret + "0"})
        post_form(own, base, assertion_fields(used))
        introspect(own, base, token, basic(key.client_id, secret))
        introspect(own, base, token, bearer(own.token()))
    own.verify(bearer(token))
    own.verify(bearer(token + "x"))
    own.ask("GET", "/v1/forward-auth", headers={**ORIGINAL, **bearer(token)})
    log = own.log
    for hidden in (secret, secret[8:72], token, token.split(".")[2], used, used.split(".")[2], own.token()):
        assert hidden not in log
    events = [json.loads(line) for line in log.splitlines()]
    assert {"token_issued", "client_refused"} <= {event["event"] for event in events}
    assert any(event.get("client_id") == key.client_id for event in events if event["event"] == "client_refused")
    for base in (own.control, own.data):
        text = own._send("GET", base + "/metrics", {}, None).text
        counted = {
            sample.labels["outcome"]: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "keywright_token_requests_total"
        }
        assert counted["issued"] >= 1
        assert counted["invalid_client"] >= 3
