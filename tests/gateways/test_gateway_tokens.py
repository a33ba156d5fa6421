"""Bearer tokens through the gateways: fetched at the gateway's own address, used, and dead with their key."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest

import keywright
from support.gateways import Received
from support.tokens import secret_of
from support.ways import ORIGIN, Way

PATH = "/v1/payments?currency=EUR"
JSON = [("Content-Type", "application/json")]
FORM = ("Content-Type", "application/x-www-form-urlencoded")


def exchange(way: Way, key: keywright.Credential, secret: str | None = None) -> Received:
    given = {"clientId": key.client_id, "clientSecret": secret or secret_of(key)}
    return way.gateway.send("POST", "/auth/token", JSON, json.dumps(given).encode())


def bearer(way: Way, key: keywright.Credential) -> list[tuple[str, str]]:
    answer = exchange(way, key)
    assert answer.status == 200, answer
    token: dict[str, Any] = json.loads(answer.body)
    assert (token["token_type"], token["expires_in"]) == ("Bearer", 3600)
    return [("Authorization", f"Bearer {token['access_token']}")]


def test_a_token_is_fetched_and_used_through_the_gateway(way: Way):
    headers = bearer(way, way.key)
    for method, body in (("GET", None), ("POST", b"{}"), ("POST", [b"{", b"}"])):
        _, seen = way.passed(method, PATH, headers, body)
        assert seen.all("Keywright-Client-Id") == [way.key.client_id]
        assert seen.all("Keywright-Account-Id") == [way.account_id]


def test_a_token_is_fetched_the_oauth_way(way: Way):
    said = base64.b64encode(f"{way.key.client_id}:{secret_of(way.key)}".encode()).decode()
    form = urlencode({"grant_type": "client_credentials"}).encode()
    answer = way.gateway.send("POST", "/oauth2/token", [FORM, ("Authorization", f"Basic {said}")], form)
    assert answer.status == 200, answer
    headers = [("Authorization", f"Bearer {json.loads(answer.body)['access_token']}")]
    way.passed("GET", PATH, headers)


def test_the_metadata_lead_to_the_gateway(way: Way):
    metadata = json.loads(way.gateway.send("GET", "/.well-known/oauth-authorization-server").body)
    assert metadata["issuer"] == ORIGIN
    assert metadata["token_endpoint"] == f"{ORIGIN}/oauth2/token"
    assert metadata["jwks_uri"] == f"{ORIGIN}/.well-known/jwks.json"
    assert json.loads(way.gateway.send("GET", "/.well-known/jwks.json").body)["keys"]


def test_a_wrong_secret_is_refused_in_full(way: Way):
    answer = exchange(way, way.server.key(way.server.account()), secret_of(way.key))
    assert answer.status == 401
    assert json.loads(answer.body)["code"] == "invalid_client"


@pytest.mark.parametrize("tampered", ["x", "", "a.b.c"])
def test_a_token_that_is_none_is_stopped(way: Way, tampered: str):
    answer = way.stopped("GET", PATH, [("Authorization", f"Bearer {tampered}")])
    assert answer.status == 401
    assert json.loads(answer.body)["code"] in {"token_invalid", "authorization_missing"}
    assert any(challenge.startswith("Bearer") for challenge in answer.all("WWW-Authenticate"))


def test_a_token_dies_with_its_key_and_with_the_access(way: Way):
    account_id = way.server.account()
    key = way.server.key(account_id)
    headers = bearer(way, key)
    way.passed("GET", PATH, headers)
    way.server.set_access(account_id, False)
    assert way.stopped("GET", PATH, headers).status == 403
    way.server.set_access(account_id, True)
    way.passed("GET", PATH, headers)
    way.server.delete_key(account_id, key.client_id)
    assert way.stopped("GET", PATH, headers).status == 401
    assert exchange(way, key).status == 401


def test_guessing_is_counted_by_the_address_that_the_gateway_sees(way: Way):
    """A guesser that names another address each time is one guesser still."""
    key = way.server.key(way.server.account())
    statuses = []
    for number in range(40):
        given = {"clientId": key.client_id, "clientSecret": secret_of(way.key)}
        headers = [*JSON, ("X-Forwarded-For", f"203.0.113.{number}")]
        statuses.append(way.gateway.send("POST", "/auth/token", headers, json.dumps(given).encode()).status)
    assert statuses[0] == 401
    assert statuses[-1] == 429
