"""Requests through nginx, Caddy and HAProxy, as their pages configure them: what passes, and what is stopped."""

from __future__ import annotations

import json
import time

import pytest

from support.gateways import Received
from support.ways import Way

PATH = "/v1/payments?currency=EUR&note=a%20b"
BODY = b'{"amount":"12.50"}'


def assert_refused(answer: Received, code: str, *, status: int = 401) -> None:
    """The client learns all that Keywright said."""
    assert answer.status == status, answer
    assert answer.all("Content-Type") == ["application/problem+json"]
    assert answer.all("Cache-Control") == ["no-store"]
    problem = json.loads(answer.body)
    assert (problem["code"], problem["status"]) == (code, status)
    assert set(problem) - {"signatureBase"} == {"type", "title", "status", "detail", "code"}
    if status == 401:
        assert any(f'error="{code}"' in challenge for challenge in answer.all("WWW-Authenticate"))
        [asked_for] = answer.all("Accept-Signature")
        assert asked_for.startswith('sig1=("@method" "@target-uri"')
    else:
        assert answer.all("WWW-Authenticate") == answer.all("Accept-Signature") == []


@pytest.mark.parametrize(
    "target", [PATH, "/", "/v1/a%2Fb/%7Ec;x=1?q=%C3%BC&q=a+b&empty=", "/v1//double/../up?", "/v1/(a)'!*,$&+=:@?/?"]
)
def test_a_signed_get_reaches_the_backend_as_it_was_sent(way: Way, target: str):
    _, seen = way.passed("GET", target, way.signed("GET", target))
    assert (seen.method, seen.target, seen.body) == ("GET", target, b"")
    assert seen.all("Keywright-Client-Id") == [way.key.client_id]
    assert seen.all("Keywright-Account-Id") == [way.account_id]
    assert seen.all("Keywright-Body-Verified") == ["false"]
    assert seen.all("X-Forwarded-Host") == ["api.example.com"]
    assert seen.all("X-Forwarded-Proto") == ["https"]
    assert seen.all("X-Forwarded-For") == ["127.0.0.1"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_signed_body_reaches_the_backend_whole(way: Way, method: str):
    for body in (BODY, b"x" * 300_000):
        headers = [*way.signed(method, PATH, body), ("Content-Type", "application/json")]
        _, seen = way.passed(method, PATH, headers, body)
        assert (seen.method, seen.target, seen.body) == (method, PATH, body)


def test_a_signed_body_in_chunks_reaches_the_backend_whole(way: Way):
    pieces = [b"a" * 70_000, b"b", b"c" * 5000]
    _, seen = way.passed("POST", PATH, way.signed("POST", PATH, b"".join(pieces)), pieces)
    assert seen.body == b"".join(pieces)


def test_a_key_that_signs_with_hmac_and_a_head(way: Way):
    key = way.server.key(way.account_id, algorithm="hmac-sha256")
    _, seen = way.passed("POST", PATH, way.signed("POST", PATH, BODY, key=key), BODY)
    assert seen.all("Keywright-Client-Id") == [key.client_id]
    way.passed("HEAD", PATH, way.signed("HEAD", PATH))


def test_an_unsigned_request_is_stopped_and_told_how_to_sign(way: Way):
    assert_refused(way.stopped("GET", PATH), "signature_missing")
    answer = way.stopped("POST", PATH, [], BODY)
    assert_refused(answer, "signature_missing")
    assert '"content-digest"' in answer.all("Accept-Signature")[0]
    assert_refused(way.stopped("GET", PATH, [("Authorization", "Basic eDp5")]), "authorization_missing")


def test_what_was_tampered_with_is_stopped(way: Way):
    signed = way.signed("GET", PATH, headers={"X-Role": "user"}, cover=["x-role"])
    role = [("X-Role", "user")]
    for method, target, headers in (
        ("DELETE", PATH, role),
        ("GET", PATH.replace("payments", "payouts"), role),
        ("GET", PATH.replace("EUR", "USD"), role),
        ("GET", PATH + "&admin=1", role),
        ("GET", PATH.partition("?")[0], role),
        ("GET", PATH.replace("%20", "+"), role),
        ("GET", PATH, [("X-Role", "admin")]),
        ("GET", PATH, [*role, ("X-Role", "admin")]),
        ("GET", PATH, [*role, ("X-Role", "")]),
    ):
        assert_refused(way.stopped(method, target, [*signed, *headers]), "signature_invalid")
    assert_refused(way.stopped("GET", PATH, signed), "signature_invalid")
    way.passed("GET", PATH, [*signed, *role])


def test_a_request_is_let_through_once(way: Way):
    headers = way.signed("POST", PATH, BODY)
    way.passed("POST", PATH, headers, BODY)
    for _ in range(5):
        assert_refused(way.stopped("POST", PATH, headers, BODY), "nonce_replayed")


def test_an_old_request_is_stopped(way: Way):
    headers = way.signed("GET", PATH, clock=lambda: time.time() - 400)
    assert_refused(way.stopped("GET", PATH, headers), "signature_too_old")


def test_a_deleted_key_is_stopped_at_once(way: Way):
    for _ in range(5):
        key = way.server.key(way.account_id)
        way.passed("GET", PATH, way.signed("GET", PATH, key=key))
        headers = way.signed("GET", PATH, key=key)
        assert way.server.delete_key(way.account_id, key.client_id).status == 200
        assert_refused(way.stopped("GET", PATH, headers), "credential_unknown")


def test_an_account_whose_access_is_off_is_stopped_with_403(way: Way):
    account_id = way.server.account()
    key = way.server.key(account_id)
    way.passed("GET", PATH, way.signed("GET", PATH, key=key))
    way.server.set_access(account_id, False)
    assert_refused(way.stopped("GET", PATH, way.signed("GET", PATH, key=key)), "api_access_disabled", status=403)
    way.server.set_access(account_id, True)
    way.passed("GET", PATH, way.signed("GET", PATH, key=key))


@pytest.mark.parametrize("origin", ["https://sandbox.example.com", "http://api.example.com", "https://127.0.0.1:8081"])
def test_a_request_that_was_signed_for_another_origin_is_stopped(way: Way, origin: str):
    host = origin.partition("//")[2]
    headers = way.signed("GET", PATH, origin=origin)
    assert_refused(way.stopped("GET", PATH, headers), "signature_invalid")
    # Neither does it help to say so in every place where a client can.
    if host != "api.example.com":
        assert way.stopped("GET", PATH, headers, host=host).status in {400, 401, 404, 421}
        assert way.stopped("GET", origin + PATH, headers, host=host).status in {400, 401, 404, 421}
        assert way.stopped("GET", origin + PATH, headers).status in {400, 401, 404, 421}


def test_a_port_in_the_host_does_not_choose_the_origin(way: Way):
    """The authority that is judged is the page's own, however the client spells its Host."""
    headers = way.signed("GET", PATH, origin="https://api.example.com:8443")
    assert way.stopped("GET", PATH, headers, host="api.example.com:8443").status in {400, 401, 421}
