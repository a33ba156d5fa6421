"""What access tokens open and say of themselves, and when they end."""

from __future__ import annotations

import base64
import json
import os

import pytest

import keywright
from keywright.formats import new_client_id
from keywright.tokens.compact import encode_base64url
from support.server import Server, signed, wait_until
from support.tokens import (
    ORIGINAL,
    PLANES,
    assert_oauth_error,
    assertion,
    assertion_fields,
    basic,
    bearer,
    claims_of,
    forged,
    hs256,
    introspect,
    now_plus,
    secret_of,
    server_seed,
    token_of,
)


@pytest.fixture(scope="module")
def account(server: Server) -> str:
    return server.account("partner")


@pytest.fixture(scope="module")
def key(server: Server, account: str) -> keywright.Credential:
    return server.key(account)


@pytest.fixture(params=PLANES)
def base(request: pytest.FixtureRequest, server: Server) -> str:
    return str(getattr(server, request.param))


def test_introspection(server: Server, account: str, key: keywright.Credential, base: str):
    token = token_of(server, key)
    claims = claims_of(token)
    own = basic(key.client_id, secret_of(key))
    for caller in (own, bearer(server.token("operator")), bearer(server.token("platform"))):
        answer = introspect(server, base, token, caller)
        assert answer.json == {"active": True, "token_type": "Bearer", **claims}
        assert answer.headers["cache-control"] == "no-store"
    by_assertion = introspect(server, base, token, {}, **assertion_fields(assertion(key, server.control)))
    assert by_assertion.json["active"] is True
    # Of another's token, of nonsense and of one that has expired, nothing is told.
    stranger = server.key(account)
    assert introspect(server, base, token, basic(stranger.client_id, secret_of(stranger))).json == {"active": False}
    for text in ("x", "a.b.c", forged(server, key.client_id, exp=now_plus(-1)), token + "x", "ü" * 5000):
        assert introspect(server, base, text, bearer(server.token())).json == {"active": False}
    server.delete_key(account, stranger.client_id)
    assert_oauth_error(introspect(server, base, token, {}), "invalid_client", 401)
    refused = introspect(server, base, token, bearer("kwop_" + "0" * 64))
    assert_oauth_error(refused, "invalid_token", 401)
    assert refused.headers["www-authenticate"].startswith("Bearer ")
    assert_oauth_error(introspect(server, base, token, bearer(token)), "invalid_token", 401)
    assert_oauth_error(introspect(server, base, "", own), "invalid_request")


def test_tokens_that_are_no_good(server: Server, key: keywright.Credential, engine: str):
    good = token_of(server, key)
    head, payload, signature = good.split(".")
    kid, seed = server_seed(server)
    public = keywright.signatures.public_key_of(seed)
    bad = {
        "empty": "",
        "nonsense": "x",
        "two parts": f"{head}.{payload}",
        "four parts": f"{good}.{signature}",
        "padded": good + "=",
        "none": ".".join([encode_base64url(b'{"alg":"none","typ":"at+jwt"}'), payload, ""]),
        "none, with its kid": ".".join(
            [encode_base64url(json.dumps({"alg": "none", "typ": "at+jwt", "kid": kid}).encode()), payload, signature]
        ),
        "HS256 with the public key": hs256({"typ": "at+jwt", "kid": kid}, payload, public),
        "plain JWT": forged(server, key.client_id, header={"typ": "JWT"}),
        "an unknown key": forged(server, key.client_id, header={"kid": "x"}),
        "a kid of another kind": forged(server, key.client_id, header={"kid": ["x"]}),
        "a demand": forged(server, key.client_id, header={"crit": ["exp"]}),
        "another issuer": forged(server, key.client_id, iss="https://other.example"),
        "another audience": forged(server, key.client_id, aud="https://other.example"),
        "several audiences": forged(server, key.client_id, aud=[server.control, "https://other.example"]),
        "without exp": forged(server, key.client_id, exp=None),
        "exp as text": forged(server, key.client_id, exp="9999999999"),
        "without a client": forged(server, key.client_id, client_id=None),
        "a client that never was": forged(server, new_client_id(os.urandom)),
        "a client's own signature": assertion(key, server.control, header={"typ": "at+jwt", "kid": kid}),
        "cut off": good[:-3],
        "last character": good[:-1] + ("A" if good[-1] != "A" else "B"),
        "other claims": f"{head}.{encode_base64url(base64.urlsafe_b64decode(payload + '==') + b' ')}.{signature}",
        "oversized": forged(server, key.client_id, more="x" * 5000),
        "enormous": "a" * 60_000 + good,
        "not ASCII": "\xe9" + good,
    }
    # The bits of the last character that no byte needs: the same bytes in another spelling.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    bad["another spelling"] = good[:-1] + alphabet[alphabet.index(good[-1]) ^ 1]
    verdicts = {name: server.verify([("Authorization", f"Bearer {text}")]).code for name, text in bad.items()}
    # Nodes that share no name, as here on PostgreSQL, take what any of them issued, under whatever name.
    named_by_others = {"another issuer", "another audience"} if engine == "postgresql" else set()
    assert {name for name, code in verdicts.items() if code != "token_invalid"} == named_by_others
    expired = server.verify(bearer(forged(server, key.client_id, exp=now_plus(-2))))
    assert expired.code == "token_expired"
    assert server.verify(bearer(good)).code == "accepted"


def test_a_token_expires_while_it_is_used(server: Server, account: str, key: keywright.Credential):
    token = forged(server, key.client_id, account_id=account, exp=now_plus(3))
    assert server.verify_anew(bearer(token)) == "accepted"
    wait_until(lambda: server.verify_anew(bearer(token)) != "accepted", what="it expires")
    assert {server.verify_anew(bearer(token)) for _ in range(8)} == {"token_expired"}


def test_which_credentials_count(server: Server, key: keywright.Credential):
    token = token_of(server, key)
    for scheme in ("bearer", "BEARER", "Bearer "):
        assert server.verify([("authorization", f"{scheme} {token}")]).code == "accepted"
    # A signature counts before a token, whichever of them is good.
    assert server.verify({**signed(key), **bearer("x")}).json["scheme"] == "signature"
    refused = server.verify({**signed(key), **bearer(token)}, method="PUT")
    assert refused.code == "signature_invalid"
    twice = [("Authorization", f"Bearer {token}"), ("authorization", f"Bearer {token}")]
    assert server.verify(twice).code == "token_invalid"
    # In the query it would end up in logs.
    assert server.verify({}, url=f"https://api.example.com/?access_token={token}").code == "signature_missing"


def test_forward_auth_takes_tokens(server: Server, account: str, key: keywright.Credential):
    token = token_of(server, key)
    answer = server.ask("GET", "/v1/forward-auth", headers={**ORIGINAL, **bearer(token)})
    assert (answer.status, answer.text) == (200, "")
    assert answer.headers["keywright-client-id"] == key.client_id
    assert answer.headers["keywright-account-id"] == account
    for bad, code in {"x": "token_invalid", forged(server, key.client_id, exp=now_plus(-2)): "token_expired"}.items():
        refused = server.ask("GET", "/v1/forward-auth", headers={**ORIGINAL, **bearer(bad)})
        assert (refused.status, refused.code) == (401, code)
        assert refused.headers["www-authenticate"].startswith('Bearer realm="api", error="invalid_token"')
    nothing = server.ask("GET", "/v1/forward-auth", headers=ORIGINAL)
    assert nothing.headers["www-authenticate"].endswith('Bearer realm="api"')


def test_a_token_ends_with_its_key(server: Server, account: str, base: str):
    key = server.key(account)
    token = token_of(server, key)
    assert {server.verify_anew(bearer(token)) for _ in range(6)} == {"accepted"}
    assert server.delete_key(account, key.client_id).status == 200
    assert {server.verify_anew(bearer(token)) for _ in range(6)} == {"token_invalid"}
    assert "deleted" in server.verify(bearer(token)).json["detail"]
    assert introspect(server, base, token, bearer(server.token())).json == {"active": False}


def test_a_token_counts_as_a_use_of_its_key(server: Server, account: str):
    key = server.key(account)
    server.verify(bearer(token_of(server, key)))

    def used() -> bool:
        listed = server.call("GET", f"/v1/accounts/{account}/credentials", caller=server.operator).json["credentials"]
        return any(each["clientId"] == key.client_id and each["lastUsedAt"] for each in listed)

    wait_until(used, what="the use is noted")
    server.delete_key(account, key.client_id)
