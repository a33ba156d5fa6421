"""Access tokens over HTTP: every way to get one on both listeners, what they say, and what is published."""

from __future__ import annotations

import time
from typing import Any

import pytest

import keywright
from keywright.tokens.compact import encode_base64url
from support.server import Answer, Server, running
from support.tokens import (
    GRANT,
    PLANES,
    assert_oauth_error,
    assertion,
    assertion_fields,
    basic,
    bearer,
    claims_of,
    header_of,
    post_form,
    post_json,
    secret_of,
    server_seed,
    token_of,
)

ISSUER = "https://id.example.com"


@pytest.fixture(scope="module")
def account(server: Server) -> str:
    return server.account("partner")


@pytest.fixture(scope="module")
def key(server: Server, account: str) -> keywright.Credential:
    return server.key(account)


@pytest.fixture(params=PLANES)
def base(request: pytest.FixtureRequest, server: Server) -> str:
    return str(getattr(server, request.param))


def assert_token(server: Server, answer: Answer, key: keywright.Credential, account: str) -> None:
    assert answer.status == 200, answer.text
    assert set(answer.json) == {"access_token", "token_type", "expires_in"}
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 3600)
    assert answer.headers["cache-control"] == "no-store"
    verdict = server.verify(bearer(answer.json["access_token"])).json
    assert verdict == {
        "outcome": "accepted",
        "clientId": key.client_id,
        "accountId": account,
        "accountType": "partner",
        "scheme": "bearer",
        "covered": [],
        "bodyVerified": False,
    }


@pytest.mark.parametrize("algorithm", ["ed25519", "hmac-sha256"])
def test_every_grant_on_both_listeners(server: Server, account: str, base: str, algorithm: str):
    key = server.key(account, algorithm=algorithm)
    secret = secret_of(key)
    assert_token(server, post_json(server, base, key.client_id, secret), key, account)
    assert_token(server, post_form(server, base, GRANT, headers=basic(key.client_id, secret)), key, account)
    posted = {**GRANT, "client_id": key.client_id, "client_secret": secret}
    assert_token(server, post_form(server, base, posted), key, account)
    # What is empty counts as left out, and what nobody knows is not looked at (RFC 6749 section 3.2).
    assert_token(server, post_form(server, base, {**posted, "scope": "", "colour": "blue"}), key, account)
    assertions = post_form(server, base, assertion_fields(assertion(key, server.control)))
    if algorithm == "ed25519":
        assert_token(server, assertions, key, account)
    else:
        # There is no Ed25519 key to sign with; that the same 32 bytes would make one must not matter.
        assert_oauth_error(assertions, "invalid_client", 401)
    server.delete_key(account, key.client_id)


def test_what_a_token_says(server: Server, account: str, key: keywright.Credential):
    before = int(time.time())
    tokens = [token_of(server, key) for _ in range(2)]
    header, claims = header_of(tokens[0]), claims_of(tokens[0])
    assert header == {"typ": "at+jwt", "alg": "EdDSA", "kid": server_seed(server)[0]}
    assert set(claims) == {"iss", "sub", "aud", "client_id", "account_id", "iat", "exp", "jti"}
    assert claims["iss"] == claims["aud"] == server.control
    assert claims["sub"] == claims["client_id"] == key.client_id
    assert claims["account_id"] == account
    assert before <= claims["iat"] <= time.time()
    assert claims["exp"] == claims["iat"] + 3600
    assert claims["jti"] != claims_of(tokens[1])["jti"]


def test_issuer_and_audience_are_settings(data_dir: Any):
    settings = {"KEYWRIGHT_TOKEN_ISSUER": ISSUER, "KEYWRIGHT_TOKEN_AUDIENCE": "urn:example:payments"}
    with running(data_dir, **settings) as other:
        key = other.key(other.account())
        claims = claims_of(token_of(other, key))
        assert (claims["iss"], claims["aud"]) == (ISSUER, "urn:example:payments")
        metadata = other.ask("GET", "/.well-known/oauth-authorization-server").json
        assert (metadata["issuer"], metadata["token_endpoint"]) == (ISSUER, f"{ISSUER}/oauth2/token")
        asked = {**GRANT, "client_id": key.client_id, "client_secret": secret_of(key)}
        assert post_form(other, other.data, {**asked, "resource": "urn:example:payments"}).status == 200
        assert_oauth_error(post_form(other, other.data, {**asked, "resource": "urn:other"}), "invalid_target")


def test_the_metadata_and_the_key_set(server: Server, base: str):
    answer = server._send("GET", base + "/.well-known/oauth-authorization-server", {}, None)
    assert answer.json["issuer"] == server.control
    for name, path in {
        "token_endpoint": "/oauth2/token",
        "introspection_endpoint": "/oauth2/introspect",
        "jwks_uri": "/.well-known/jwks.json",
    }.items():
        assert answer.json[name] == server.control + path
    assert answer.json["grant_types_supported"] == ["client_credentials"]
    keys = server._send("GET", base + "/.well-known/jwks.json", {}, None)
    for each in (answer, keys):
        assert each.headers["cache-control"] == "public, max-age=300"
        assert each.headers["content-type"] == "application/json"
    (published,) = keys.json["keys"]
    kid, seed = server_seed(server)
    x = encode_base64url(keywright.signatures.public_key_of(seed))
    assert published == {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": "EdDSA", "use": "sig"}
