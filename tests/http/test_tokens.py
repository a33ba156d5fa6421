"""Access tokens over HTTP: every way to get one, every fault, on both listeners; what they open, and when they end."""

from __future__ import annotations

import base64
import hmac
import json
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

import keywright
from keywright.formats import new_client_id
from keywright.tokens.compact import encode_base64url
from support.server import Answer, Server, run_cli, running, signed, wait_until
from support.tokens import (
    assertion,
    assertion_fields,
    basic,
    bearer,
    claims_of,
    forged,
    header_of,
    introspect,
    post_form,
    post_json,
    secret_of,
    server_seed,
    token_of,
)

ISSUER = "https://id.example.com"
GRANT = {"grant_type": "client_credentials"}
PLANES = ("control", "data")
ORIGINAL = {"X-Original-Method": "GET", "X-Original-URL": "https://api.example.com/v1/payments"}


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


def assert_oauth_error(answer: Answer, error: str, status: int = 400) -> None:
    assert (answer.status, answer.json["error"]) == (status, error), answer.text
    assert set(answer.json) == {"error", "error_description"}
    assert answer.headers["cache-control"] == "no-store"
    # RFC 6749 section 5.2: these characters only.
    assert all(" " <= each <= "~" and each not in '"\\' for each in answer.json["error_description"])


# --- fetching ---------------------------------------------------------------------------------------------------------


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


# --- refusals at the token endpoints ----------------------------------------------------------------------------------


def damaged(secret: str) -> str:
    return secret[:-1] + ("0" if secret[-1] != "0" else "1")


def wrong_pairs(server: Server, account: str) -> dict[str, tuple[str, str]]:
    """Client ID and Client Secret, wrong in every way."""
    key, gone = server.key(account), server.key(account)
    server.delete_key(account, gone.client_id)
    hmac_key = server.key(account, algorithm="hmac-sha256")
    pairs = {
        "unknown": (new_client_id(os.urandom), secret_of(key)),
        "made up": ("ck_" + "0" * 26, secret_of(key)),
        "no ID": ("somebody", secret_of(key)),
        "very long": ("ck_" + "0" * 150, secret_of(key)),
        "wrong": (key.client_id, secret_of(gone)),
        "wrong for hmac": (hmac_key.client_id, secret_of(gone)),
        "damaged": (key.client_id, damaged(secret_of(key))),
        "nonsense": (key.client_id, "x"),
        "deleted": (gone.client_id, secret_of(gone)),
    }
    server.delete_key(account, key.client_id)
    server.delete_key(account, hmac_key.client_id)
    return pairs


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


def test_and_takes_the_same_time(own: Server):
    pairs = wrong_pairs(own, own.account())
    took: dict[str, list[float]] = {name: [] for name in ("unknown", "made up", "wrong", "damaged", "deleted")}
    for number in range(60):
        for name, times in random.sample(list(took.items()), len(took)):
            client_id, secret = pairs[name]
            headers = {"Content-Type": "application/json", **from_address(f"10.1.1.{number}")}
            body = json.dumps({"clientId": client_id, "clientSecret": secret}).encode()
            started = time.perf_counter()
            answer = own._send("POST", own.control + "/auth/token", headers, body)
            times.append(time.perf_counter() - started)
            assert answer.status == 401, answer.text
    # The quick ones: what is slower was held up by something else on this machine.
    quick = {name: statistics.median(sorted(times)[:9]) for name, times in took.items()}
    assert max(quick.values()) < 1.5 * min(quick.values()), quick


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


# --- guessing ---------------------------------------------------------------------------------------------------------


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


# --- private_key_jwt --------------------------------------------------------------------------------------------------


def now_plus(seconds: float) -> int:
    return int(time.time() + seconds)


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


def hs256(header: dict[str, str], payload: str, secret: bytes) -> str:
    text = f"{encode_base64url(json.dumps({'alg': 'HS256', **header}).encode())}.{payload}"
    return f"{text}.{encode_base64url(hmac.digest(secret, text.encode(), 'sha256'))}"


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


# --- introspection ----------------------------------------------------------------------------------------------------


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


# --- what tokens open -------------------------------------------------------------------------------------------------


def test_tokens_that_are_no_good(server: Server, key: keywright.Credential):
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
    assert {name for name, code in verdicts.items() if code != "token_invalid"} == set()
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


# --- signing keys -----------------------------------------------------------------------------------------------------


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


# --- what operators see -----------------------------------------------------------------------------------------------


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
