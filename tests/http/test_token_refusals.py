"""Who gets no access token: every fault of a form or a JSON body, unknown, wrong and deleted as one, and guessing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

import keywright
from keywright.formats import new_client_id
from support.server import Answer, Server, running
from support.tokens import (
    GRANT,
    ORIGINAL,
    PLANES,
    assert_oauth_error,
    assertion_fields,
    basic,
    bearer,
    introspect,
    post_form,
    post_json,
    secret_of,
    token_of,
    wrong_pairs,
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose proxies are believed, so that a test can come from many addresses."""
    folder = tmp_path_factory.mktemp("tokens") / "data"
    with running(folder, KEYWRIGHT_TRUSTED_PROXIES="127.0.0.1", KEYWRIGHT_LOG_LEVEL="debug") as found:
        yield found


@pytest.fixture(scope="module")
def account(server: Server) -> str:
    return server.account("partner")


@pytest.fixture(scope="module")
def key(server: Server, account: str) -> keywright.Credential:
    return server.key(account)


@pytest.fixture(params=PLANES)
def base(request: pytest.FixtureRequest, server: Server) -> str:
    return str(getattr(server, request.param))


def from_address(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


def test_unknown_wrong_and_deleted_are_one_answer(server: Server, account: str, base: str):
    def said(answer: Answer) -> tuple[Any, ...]:
        headers = {name: value for name, value in answer.headers.items() if name != "date"}
        return answer.status, answer.text, headers

    ways = {"json": set(), "basic": set(), "post": set()}
    for client_id, secret in wrong_pairs(server, account).values():
        answers = {
            "json": post_json(server, base, client_id, secret),
            "basic": post_form(server, base, GRANT, headers=basic(client_id, secret)),
            "post": post_form(server, base, {**GRANT, "client_id": client_id, "client_secret": secret}),
        }
        assert answers["json"].code == "invalid_client"
        assert answers["json"].headers["content-type"] == "application/problem+json"
        for way in ("basic", "post"):
            assert_oauth_error(answers[way], "invalid_client", 401)
        assert answers["basic"].headers["www-authenticate"].startswith("Basic ")
        for way, answer in answers.items():
            ways[way].add(repr(said(answer)))
    assert {way: len(found) for way, found in ways.items()} == {"json": 1, "basic": 1, "post": 1}


FAULTY_FORMS: dict[str, tuple[Any, dict[str, str], str, int]] = {
    "no grant type": ({"client_id": "ID", "client_secret": "SECRET"}, {}, "invalid_request", 400),
    "another grant": ({"grant_type": "password", "username": "x"}, {}, "unsupported_grant_type", 400),
    "twice": ([*GRANT.items(), *GRANT.items()], {}, "invalid_request", 400),
    "a scope": ({**GRANT, "client_id": "ID", "client_secret": "SECRET", "scope": "all"}, {}, "invalid_scope", 400),
    "nobody": (GRANT, {}, "invalid_client", 401),
    "no secret": ({**GRANT, "client_id": "ID"}, {}, "invalid_client", 401),
    "another scheme": (GRANT, {"Authorization": "Digest x"}, "invalid_client", 401),
    "Basic without base64": (GRANT, {"Authorization": "Basic ck:cs"}, "invalid_client", 401),
    "Basic without a colon": (GRANT, {"Authorization": "Basic Y2s="}, "invalid_client", 401),
    "Basic of other bytes": (GRANT, {"Authorization": "Basic //79Ov8="}, "invalid_client", 401),
    "two ways": (
        {**GRANT, "client_id": "ID", "client_secret": "SECRET"},
        {"Authorization": "BASIC"},
        "invalid_request",
        400,
    ),
    "another's ID": ({**GRANT, "client_id": "ck_other"}, {"Authorization": "BASIC"}, "invalid_request", 400),
    "another kind of assertion": (
        {**GRANT, "client_assertion_type": "saml", "client_assertion": "x"},
        {},
        "invalid_request",
        400,
    ),
    "no assertion": (assertion_fields("x.y.z"), {}, "invalid_client", 401),
    "JSON": (GRANT, {"Content-Type": "application/json"}, "invalid_request", 400),
    "sixty fields": ([*GRANT.items(), *((f"f{n}", "1") for n in range(60))], {}, "invalid_request", 400),
}


@pytest.mark.parametrize("case", FAULTY_FORMS)
def test_faulty_forms(server: Server, key: keywright.Credential, base: str, case: str):
    fields, headers, error, status = FAULTY_FORMS[case]
    real = {"ID": key.client_id, "SECRET": secret_of(key)}
    pairs = [(name, real.get(value, value)) for name, value in (fields.items() if isinstance(fields, dict) else fields)]
    if headers.get("Authorization") == "BASIC":
        headers = basic(key.client_id, secret_of(key))
    answer = post_form(server, base, pairs, headers=headers)
    assert_oauth_error(answer, error, status)
    assert secret_of(key) not in answer.text


def test_bytes_that_are_no_form(server: Server, base: str):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"", b"\xff\xfe", b"grant_type=%ff", b"&&&=&", b"a" * 5000, "grant_type=ü".encode()):
        assert_oauth_error(server._send("POST", base + "/oauth2/token", form, body), "invalid_request")
    # Over a connection of its own: a server that has not read everything ends it.
    assert httpx2.post(base + "/oauth2/token", headers=form, content=b"a" * 70_000).status_code == 413
    for path in ("/oauth2/token", "/oauth2/introspect", "/auth/token"):
        assert server._send("GET", base + path, {}, None).status == 405


def test_faulty_json(server: Server, key: keywright.Credential, base: str):
    for given in (
        {},
        {"clientId": 5, "clientSecret": None},
        {"clientId": "x", "clientSecret": "y", "more": 1},
        [],
        "x",
    ):
        answer = server._send(
            "POST", base + "/auth/token", {"Content-Type": "application/json"}, json.dumps(given).encode()
        )
        assert (answer.status, answer.code) == (400, "invalid_request")
    answer = post_json(server, base, key.client_id, ["x"])
    assert [fault["field"] for fault in answer.json["errors"]] == ["clientSecret"]
    form = server._send("POST", base + "/auth/token", {"Content-Type": "text/plain"}, b"{}")
    assert (form.status, form.json["errors"][0]["field"]) == (400, "Content-Type")


def test_a_right_secret_of_an_account_without_access(server: Server, base: str):
    account = server.account()
    key = server.key(account)
    token = token_of(server, key)
    server.set_access(account, False)
    answer = post_json(server, base, key.client_id, secret_of(key))
    assert (answer.status, answer.code) == (403, "api_access_not_enabled")
    answer = post_form(server, base, GRANT, headers=basic(key.client_id, secret_of(key)))
    assert_oauth_error(answer, "unauthorized_client")
    assert introspect(server, base, token, bearer(server.token())).json == {"active": False}
    assert server.verify(bearer(token)).code == "api_access_disabled"
    refused = server.ask("GET", "/v1/forward-auth", headers={**ORIGINAL, **bearer(token)})
    assert (refused.status, refused.code) == (403, "api_access_disabled")
    server.set_access(account, True)
    assert server.verify(bearer(token)).code == "accepted"


@pytest.mark.parametrize("plane", PLANES)
def test_guessing_is_throttled_and_locks_nobody_out(own: Server, plane: str):
    key = own.key(own.account())
    base, wrong = getattr(own, plane), basic(key.client_id, "cs_live_wrong")
    stranger, customer = from_address("192.0.2.66"), from_address("192.0.2.77")
    answers = [post_form(own, base, GRANT, headers={**wrong, **stranger}) for _ in range(12)]
    assert [answer.status for answer in answers] == [401] * 10 + [429] * 2
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert answers[-1].json["error"] == "too_many_requests"
    # Whoever has the right secret comes in, also from where the guesses come from.
    right = basic(key.client_id, secret_of(key))
    for address in (stranger, customer):
        assert post_form(own, base, GRANT, headers={**right, **address}).status == 200
    # Someone who mistypes elsewhere is told so.
    assert post_form(own, base, GRANT, headers={**wrong, **customer}).status == 401
    own.delete_key(own.account(), key.client_id)


def test_guessing_at_many_keys_is_throttled_by_address(own: Server):
    key = own.key(own.account())
    stranger = {"Content-Type": "application/json", **from_address("2001:db8:1:2::5")}

    def guess() -> Answer:
        body = json.dumps({"clientId": new_client_id(os.urandom), "clientSecret": secret_of(key)}).encode()
        return own._send("POST", own.data + "/auth/token", stranger, body)

    statuses = [guess().status for _ in range(62)]
    assert statuses == [401] * 60 + [429] * 2
    assert guess().code == "too_many_requests"
    # The whole network of an IPv6 address counts as one; others are not held up.
    stranger.update(from_address("2001:db8:1:2:ffff::1"))
    assert guess().status == 429
    stranger.update(from_address("2001:db8:1:3::5"))
    assert guess().status == 401
