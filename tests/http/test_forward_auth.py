"""Forward authentication: the question that reverse proxies ask, in both of their dialects."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

import keywright
from keywright.signatures import SignedRequest
from support.raw import RawAnswer, chunked_request, exchange, raw_request
from support.server import Answer, Server

PATH = "/v1/payments?currency=EUR&note=a%20b"
URL = "https://api.example.com" + PATH
BODY = b'{"amount":"12.50"}'


def original(method: str = "POST", url: str = URL) -> dict[str, str]:
    return {"X-Original-Method": method, "X-Original-URL": url}


def forwarded(method: str = "POST", path: str = PATH) -> dict[str, str]:
    return {
        "X-Forwarded-Method": method,
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "api.example.com",
        "X-Forwarded-Uri": path,
    }


FAMILIES = {"X-Original": original, "X-Forwarded": forwarded}


@pytest.fixture(scope="module")
def account(server: Server) -> str:
    return server.account("partner")


@pytest.fixture(scope="module")
def key(server: Server, account: str) -> keywright.Credential:
    return server.key(account)


def sign(key: keywright.Credential, method: str = "POST", body: bytes = BODY, **options: Any) -> dict[str, str]:
    return keywright.sign(key, method=method, url=URL, body=body, **options)


def ask(server: Server, headers: dict[str, str], *, method: str = "GET", body: bytes | None = None) -> Answer:
    return server.ask(method, "/v1/forward-auth", headers=headers, content=body)


def assert_refused(answer: Answer, code: str, *, status: int = 401) -> None:
    assert answer.status == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json) - {"signatureBase"} == {"type", "title", "status", "detail", "code"}
    assert (answer.json["status"], answer.code) == (status, code)
    assert ("www-authenticate" in answer.headers) == (status == 401)
    if status == 401:
        scheme, error = ("Bearer", "invalid_token") if code.startswith("token_") else ("Signature", code)
        assert answer.headers["www-authenticate"].startswith(f"{scheme} ")
        assert f'error="{error}"' in answer.headers["www-authenticate"]
        assert answer.headers["accept-signature"].startswith('sig1=("@method" "@target-uri"')
        assert "keywright-client-id" not in answer.headers
    # For gateways that keep headers only.
    assert json.loads(answer.headers["keywright-problem"]) == answer.json


@pytest.mark.parametrize("family", FAMILIES)
def test_an_accepted_request_names_its_client(server: Server, key: keywright.Credential, account: str, family: str):
    headers = {**sign(key), **FAMILIES[family]()}
    answer = ask(server, headers)
    assert (answer.status, answer.text) == (200, "")
    assert answer.headers["keywright-client-id"] == key.client_id
    assert answer.headers["keywright-account-id"] == account
    assert_refused(ask(server, headers), "nonce_replayed")
    # The other way to ask remembers it too.
    assert server.verify(headers, url=URL, body=BODY).code == "nonce_replayed"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_a_gateway_may_ask_with_any_method(server: Server, key: keywright.Credential, method: str):
    signed = sign(key, method="DELETE", body=b"")
    answer = ask(server, {**signed, **original("DELETE")}, method=method)
    assert answer.status == 200
    assert answer.headers["keywright-client-id"] == key.client_id
    assert ask(server, {**signed, **original("DELETE")}, method=method).status == 401


@pytest.mark.parametrize("family", FAMILIES)
def test_a_body_that_is_sent_along_is_verified(server: Server, key: keywright.Credential, family: str):
    told = FAMILIES[family]()
    assert ask(server, {**sign(key), **told}, method="POST", body=BODY).status == 200
    assert_refused(ask(server, {**sign(key), **told}, method="POST", body=b"{}"), "digest_mismatch")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"method": "PUT"}, "signature_invalid"),
        ({"path": "/v1/payouts?currency=EUR&note=a%20b"}, "signature_invalid"),
        ({"path": PATH + "&admin=1"}, "signature_invalid"),
        ({"path": "/v1/payments"}, "signature_invalid"),
        ({"path": PATH.replace("%20", "+")}, "signature_invalid"),
    ],
)
def test_what_the_gateway_says_is_what_is_judged(
    server: Server, key: keywright.Credential, family: str, said: dict[str, str], code: str
):
    method, path = said.get("method", "POST"), said.get("path", PATH)
    told = original(method, "https://api.example.com" + path) if family == "X-Original" else forwarded(method, path)
    assert_refused(ask(server, {**sign(key), **told}), code)


def test_refusals_say_what_to_mend(server: Server, key: keywright.Credential):
    told = original()
    assert_refused(ask(server, told), "signature_missing")
    assert_refused(ask(server, {**told, "Authorization": "Basic eDp5"}), "authorization_missing")
    assert_refused(ask(server, {**told, "Authorization": "Bearer x"}), "token_invalid")
    assert_refused(ask(server, {**told, "Signature": "sig1=:AAAA:"}), "signature_malformed")
    old = sign(key, clock=lambda: time.time() - 400)
    assert_refused(ask(server, {**told, **old}), "signature_too_old")
    uncovered = key.sign_request(
        SignedRequest("POST", URL, [], b""),
        created=int(time.time()),
        nonce=os.urandom(16).hex(),
        components=["@method", "@target-uri"],
    )
    # The body was not seen, so a Content-Length is what tells that there is one.
    assert ask(server, {**told, **uncovered}, method="POST", body=BODY).code == "coverage_insufficient"
    for method, digest in (("GET", False), ("POST", True)):
        asked_for = ask(server, original(method)).headers["accept-signature"]
        assert ('"content-digest"' in asked_for) is digest
        assert asked_for.endswith(");created")


def test_a_deleted_key_and_a_closed_account(server: Server):
    account = server.account()
    key = server.key(account)
    server.set_access(account, False)
    assert_refused(ask(server, {**sign(key), **original()}), "api_access_disabled", status=403)
    server.set_access(account, True)
    assert ask(server, {**sign(key), **original()}).status == 200
    server.delete_key(account, key.client_id)
    assert_refused(ask(server, {**sign(key), **original()}), "credential_unknown")


def _without(family: Callable[[], dict[str, str]], *names: str) -> dict[str, str]:
    return {name: value for name, value in family().items() if name not in names}


ODD = {
    "nothing": {},
    **{f"without {name}": _without(original, name) for name in original()},
    **{f"without {name}": _without(forwarded, name) for name in forwarded()},
    "a relative URL": original(url=PATH),
    "an empty URL": original(url=""),
    "another scheme": original(url="ftp://api.example.com/"),
    "a relative path": forwarded(path="v1/payments"),
    "an empty path": forwarded(path=""),
    "a URL as path": forwarded(path=URL),
    "another protocol": {**forwarded(), "X-Forwarded-Proto": "ftp"},
    "a list of protocols": {**forwarded(), "X-Forwarded-Proto": "https, http"},
    "a list of hosts": {**forwarded(), "X-Forwarded-Host": "api.example.com, evil.example"},
    "an empty host": {**forwarded(), "X-Forwarded-Host": ""},
    "a host with a path": {**forwarded(), "X-Forwarded-Host": "api.example.com/v1/other?x="},
    "a host with a user": {**forwarded(), "X-Forwarded-Host": "api.example.com@evil.example"},
    # A client could add the family that its gateway does not use, to have another request judged than its own.
    "both families": {**original(), **forwarded()},
    "X-Original, and a path besides": {**original(), "X-Forwarded-Uri": "/v1/other"},
    "X-Forwarded, and a URL besides": {**forwarded(), "X-Original-URL": URL},
}


@pytest.mark.parametrize("name", ODD)
def test_a_gateway_that_does_not_say_what_the_request_was_is_told_so(
    server: Server, key: keywright.Credential, name: str
):
    signed = sign(key)
    answer = ask(server, {**signed, **ODD[name]})
    assert_invalid(answer.status, dict(answer.headers), answer.json)
    assert ask(server, {**signed, **original()}).status == 200, "and its nonce is still unused"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_forwarding_header_twice_is_refused(server: Server, key: keywright.Credential, family: str):
    told = FAMILIES[family]()
    for name, value in told.items():
        for second in (value, value.upper() + "x"):
            answer = by_hand(server, [*{**sign(key), **told}.items(), (name.lower(), second)])
            assert_invalid(answer.status, answer.headers, answer.json)
            assert "twice" in answer.json["detail"]


def by_hand(server: Server, lines: list[tuple[str, str]]) -> RawAnswer:
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines]
    return exchange(server.data, raw_request(b"GET", b"/v1/forward-auth", encoded))


def assert_invalid(status: int, headers: dict[str, str], document: dict[str, Any]) -> None:
    assert status == 400, document
    assert headers["content-type"] == "application/problem+json"
    assert set(document) == {"type", "title", "status", "detail", "code", "errors"}
    assert document["code"] == "invalid_request"
    assert all(set(fault) == {"field", "message"} for fault in document["errors"])
    assert document["errors"]


def test_bytes_that_are_not_ascii_are_judged_not_stumbled_over(server: Server, key: keywright.Credential):
    plain = [*sign(key).items(), *original().items()]
    # Uncovered headers may hold any bytes; those that are signed may not.
    assert by_hand(server, [*plain, ("X-Name", "J\u00fcrgen"), ("X-Bytes", "\xff\xfe\x80")]).status == 200
    bad = [
        [("Signature-Input", 'sig1=("@method");keyid="\u00fc"'), ("Signature", "sig1=:AAAA:"), *original().items()],
        [*sign(key).items(), *original(url=URL + "\u00fc").items()],
        [*sign(key).items(), *original(method="P\u00d6ST").items()],
        [*sign(key).items(), *{**forwarded(), "X-Forwarded-Host": "b\u00fccher.example"}.items()],
        [*sign(key, headers={"X-Name": "a"}, cover=["x-name"]).items(), ("X-Name", "\u00e4"), *original().items()],
    ]
    for lines in bad:
        answer = by_hand(server, lines)
        code = answer.json["code"]
        assert (answer.status, code) in {
            (400, "invalid_request"),
            (401, "signature_malformed"),
            (401, "signature_invalid"),
        }


def test_a_request_target_that_no_client_can_send_is_refused(server: Server, key: keywright.Credential):
    for method, url in (("", URL), ("PO ST", URL), ("POST", URL + "#part"), ("POST", "https://"), ("POST", URL + " x")):
        answer = ask(server, {**sign(key), **original(method, url)})
        assert answer.status in {400, 401}
        assert answer.code in {"invalid_request", "signature_malformed"}


def test_a_line_with_other_bytes_beside_a_signed_one_is_seen(server: Server, key: keywright.Credential):
    """The backend would see both lines, so a verifier that overlooks the second would vouch for what was not signed."""
    for second in (b"admin", b"\xe4dmin", b"", b"\xff"):
        headers = keywright.sign(key, method="GET", url=URL, headers={"X-Role": "user"}, cover=["x-role"])
        lines = [(name.encode(), value.encode()) for name, value in {**headers, **original("GET")}.items()]
        answer = exchange(
            server.data,
            raw_request(b"GET", b"/v1/forward-auth", [*lines, (b"X-Role", b"user"), (b"X-Role", second)]),
        )
        assert answer.status == 401, second


def test_the_problem_in_a_header_fits_into_a_gateways_buffer(server: Server, key: keywright.Credential):
    """A long URL makes a long signature base; that of a refusal is left out of the header then, and nothing else."""
    target = "/v1/" + "x" * 4000
    headers = {**sign(key, method="GET", body=b""), **original("GET", "https://api.example.com" + target)}
    answer = ask(server, headers)
    assert answer.code == "signature_invalid"
    assert len(answer.headers["keywright-problem"]) <= 3000
    assert answer.headers["keywright-problem"].isascii()
    said = json.loads(answer.headers["keywright-problem"])
    assert said == {name: value for name, value in answer.json.items() if name != "signatureBase"}


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
@pytest.mark.parametrize("twice", [False, True], ids=["", "with a header twice"])
def test_a_body_is_read_if_there_is_one_whatever_the_version(
    server: Server, key: keywright.Credential, version: bytes, twice: bool
):
    """nginx asks with HTTP/1.0 unless told otherwise. Where no body can be, none is waited for."""
    for body in (b"", BODY):
        lines = [
            *sign(key, body=BODY).items(),
            *original().items(),
            *([("X-Tag", "1"), ("X-Tag", "2")] if twice else []),
        ]
        encoded = [(name.encode(), value.encode()) for name, value in lines]
        question = raw_request(b"POST", b"/v1/forward-auth", encoded, body).replace(b"HTTP/1.1", version, 1)
        answer = exchange(server.data, question)
        assert answer.status == 200, answer.body
        assert answer.headers["keywright-body-verified"] == ("true" if body else "false")
    if version == b"HTTP/1.1":
        encoded = [(name.encode(), value.encode()) for name, value in [*sign(key).items(), *original().items()]]
        answer = exchange(server.data, chunked_request(b"POST", b"/v1/forward-auth", encoded, b"another body"))
        assert (answer.status, answer.json["code"]) == (401, "digest_mismatch")
