"""Clients that sign a JWT instead of showing their secret (RFC 7523): good, faulty, forged, and used before."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

import pytest

import keywright
from keywright.tokens.compact import encode_base64url
from support.server import Server, running
from support.tokens import (
    PLANES,
    assert_oauth_error,
    assertion,
    assertion_fields,
    hs256,
    now_plus,
    post_form,
    secret_of,
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


FAULTY_ASSERTIONS: dict[str, Callable[[], dict[str, Any]]] = {
    "for someone else": lambda: {"sub": "ck_other"},
    "to someone else": lambda: {"aud": "https://other.example/oauth2/token"},
    "to nobody": lambda: {"aud": []},
    "without aud": lambda: {"aud": None},
    "without jti": lambda: {"jti": None},
    "an empty jti": lambda: {"jti": ""},
    "a long jti": lambda: {"jti": "x" * 300},
    "without exp": lambda: {"exp": None},
    "expired": lambda: {"exp": now_plus(-1)},
    "in the future": lambda: {"iat": now_plus(120), "exp": now_plus(300)},
    "not yet": lambda: {"nbf": now_plus(3600), "exp": now_plus(7200)},
    "made long ago": lambda: {"iat": now_plus(-3600), "exp": now_plus(3600)},
    "good for too long": lambda: {"iat": None, "exp": now_plus(3600)},
    "exp as text": lambda: {"exp": str(now_plus(60))},
    "exp beyond all times": lambda: {"exp": 1e300},
    "without iss": lambda: {"iss": None},
}


@pytest.mark.parametrize("case", FAULTY_ASSERTIONS)
def test_faulty_assertions(server: Server, key: keywright.Credential, base: str, case: str):
    text = assertion(key, **{"audience": server.control, **FAULTY_ASSERTIONS[case]()})
    assert_oauth_error(post_form(server, base, assertion_fields(text)), "invalid_client", 401)


def test_assertions_that_are_forged(server: Server, account: str, base: str):
    key = server.key(account)
    other = server.key(account)
    good = assertion(key, server.control)
    head, payload, signature = good.split(".")
    public = keywright.signatures.public_key_of(key._secret)
    forgeries = {
        "none": ".".join([encode_base64url(b'{"alg":"none"}'), payload, signature]),
        "none, unsigned": ".".join([encode_base64url(b'{"alg":"none"}'), payload, ""]),
        "HS256 with the public key": hs256({}, payload, public),
        "another key": assertion(keywright.Credential(key.client_id, secret_of(other)), server.control),
        "an access token's type": assertion(key, server.control, header={"typ": "at+jwt"}),
        "a demand": assertion(key, server.control, header={"crit": "exp"}),
        "an access token": token_of(server, key),
        "too long": assertion(key, server.control, more="x" * 5000),
    }
    changed = list(base64.b64decode(signature.replace("-", "+").replace("_", "/") + "=="))
    changed[5] ^= 1
    forgeries["another signature"] = ".".join([head, payload, encode_base64url(bytes(changed))])
    for name, text in forgeries.items():
        answer = post_form(server, base, assertion_fields(text))
        assert (name, answer.status, answer.json["error"]) == (name, 401, "invalid_client")
    assert post_form(server, base, assertion_fields(good)).status == 200
    for each in (key, other):
        server.delete_key(account, each.client_id)


def test_good_assertions(server: Server, key: keywright.Credential, base: str):
    endpoint = server.control + "/oauth2/token"
    good = [
        assertion(key, endpoint),
        assertion(key, ["https://other.example", endpoint]),
        assertion(key, server.control, iat=None, exp=now_plus(280)),
        assertion(key, server.control, iat=now_plus(20), exp=now_plus(40)),  # a clock that is a little ahead
        assertion(key, server.control, exp=now_plus(3600)),  # as some libraries write it; five minutes all the same
        assertion(key, server.control, header={"typ": "client-authentication+jwt", "alg": "Ed25519"}),
    ]
    for text in good:
        assert post_form(server, base, assertion_fields(text, client_id=key.client_id)).status == 200
    other = post_form(server, base, assertion_fields(assertion(key, endpoint), client_id="ck_other"))
    assert_oauth_error(other, "invalid_request")


def test_an_assertion_works_once_on_both_listeners_and_across_a_restart(data_dir: Any):
    with running(data_dir, workers=2, KEYWRIGHT_TOKEN_ISSUER=ISSUER) as other:
        key = other.key(other.account())
        time.sleep(1.1)  # iat has whole seconds, and must not precede the memory of a key so young
        used = [assertion(key, ISSUER) for _ in PLANES]
        for text, first, second in zip(used, PLANES, reversed(PLANES), strict=True):
            assert post_form(other, getattr(other, first), assertion_fields(text)).status == 200
            for plane in (first, second) * 3:
                again = post_form(other, getattr(other, plane), assertion_fields(text))
                assert_oauth_error(again, "invalid_client", 401)
                assert "used before" in again.json["error_description"]
        other.kill()
        other.start()
        for plane in PLANES:
            for text in used:
                again = post_form(other, getattr(other, plane), assertion_fields(text))
                assert_oauth_error(again, "invalid_client", 401)
            assert post_form(other, getattr(other, plane), assertion_fields(assertion(key, ISSUER))).status == 200
