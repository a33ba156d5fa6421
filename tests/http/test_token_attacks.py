"""Attacks on access tokens and on the addresses where they are had, on both listeners."""

from __future__ import annotations

import base64
import http.client
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest

import keywright
from keywright.signatures import public_key_of
from keywright.signatures.algorithms import sign_bytes
from keywright.tokens.compact import encode_base64url
from support.raw import exchange, raw_request
from support.server import Server
from support.tokens import (
    FORM,
    assertion,
    assertion_fields,
    basic,
    bearer,
    claims_of,
    forged,
    introspect,
    post_form,
    post_json,
    secret_of,
    server_seed,
    token_of,
)

GRANT = {"grant_type": "client_credentials"}
PLANES = ("control", "data")
PATHS = ("/oauth2/token", "/oauth2/introspect")
KEY_SET, METADATA = "/.well-known/jwks.json", "/.well-known/oauth-authorization-server"


@pytest.fixture(scope="module")
def account(server: Server) -> str:
    return server.account()


@pytest.fixture
def key(server: Server, account: str) -> Iterator[keywright.Credential]:
    """A key of the test's own: wrong secrets are counted for each."""
    made = server.key(account)
    yield made
    server.delete_key(account, made.client_id)


@pytest.fixture(params=PLANES)
def base(request: pytest.FixtureRequest, server: Server) -> str:
    return str(getattr(server, request.param))


def jws(header: bytes, payload: bytes, seed: bytes) -> str:
    """A token whose header and payload are these very bytes."""
    signed = f"{encode_base64url(header)}.{encode_base64url(payload)}"
    return f"{signed}.{encode_base64url(sign_bytes('ed25519', seed, signed.encode()))}"


def jwk_of(seed: bytes) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(public_key_of(seed))}


# --- whose key checks a token -----------------------------------------------------------------------------------------


def test_a_token_does_not_choose_the_key_that_it_is_checked_with(server: Server, key: keywright.Credential, base: str):
    own, (kid, _) = os.urandom(32), server_seed(server)
    good = json.dumps(claims_of(token_of(server, key))).encode()
    said = json.dumps(claims_of(assertion(key, server.control))).encode()
    for more in (
        {"jwk": jwk_of(own)},
        {"jku": "http://127.0.0.1:1/keys"},
        {"x5u": "http://127.0.0.1:1/", "x5c": ["AAAA"]},
        {"kid": "../../../dev/null"},
        {"kid": "' OR 1=1 --"},
    ):
        header = json.dumps({"alg": "EdDSA", "typ": "at+jwt", "kid": kid, **more}).encode()
        assert server.verify(bearer(jws(header, good, own))).code == "token_invalid"
        header = json.dumps({"alg": "EdDSA", **more}).encode()
        assert post_form(server, base, assertion_fields(jws(header, said, own))).status == 401


def test_one_kind_of_signed_text_does_not_pass_for_another(server: Server, key: keywright.Credential, base: str):
    """One secret signs requests (RFC 9421) and assertions; the server's keys sign tokens."""
    kid, seed = server_seed(server)
    now = int(time.time())
    by_server = {"iss": key.client_id, "sub": key.client_id, "aud": server.control, "exp": now + 60, "jti": "x"}
    as_server = {**claims_of(token_of(server, key)), "exp": now + 600}
    swapped = {
        # An assertion that the server's key signed, and a token that the client's key signed.
        "assertion": jws(b'{"alg":"EdDSA","kid":"%s"}' % kid.encode(), json.dumps(by_server).encode(), seed),
        "token": jws(
            b'{"alg":"EdDSA","typ":"at+jwt","kid":"%s"}' % kid.encode(), json.dumps(as_server).encode(), key._secret
        ),
    }
    assert post_form(server, base, assertion_fields(swapped["assertion"])).status == 401
    assert server.verify(bearer(swapped["token"])).code == "token_invalid"
    # The signature of a request, under what it signs: no compact form is a signature base, which holds quotes.
    signed = keywright.sign(key, method="GET", url="https://api.example.com/", headers={}, body=b"")
    signature = signed["Signature"].partition(":")[2].rstrip(":")
    text = encode_base64url(base64.b64decode(signature))
    head = encode_base64url(b'{"alg":"EdDSA"}')
    for middle in (
        encode_base64url(signed["Signature-Input"].encode()),
        encode_base64url(json.dumps(by_server).encode()),
    ):
        assert post_form(server, base, assertion_fields(f"{head}.{middle}.{text}")).status == 401
    # An assertion does not open the API either, nor does a JWT of another purpose open the token endpoint.
    assert server.verify(bearer(assertion(key, server.control))).code == "token_invalid"
    for kind in ("at+jwt", "dpop+jwt", "logout+jwt", "JOSE+JSON", ["JWT"], 5):
        other = assertion(key, server.control, header={"typ": kind})
        assert post_form(server, base, assertion_fields(other)).status == 401


NUMBERS: dict[str, str] = {
    "not a number": "NaN",
    "infinite": "Infinity",
    "beyond all floats": "1e999",
    "very long": "9" * 400,
    "far": "1e308",
    "true": "true",
    "negative": "-1",
    "null": "null",
    "a list": "[9999999999]",
}


@pytest.mark.parametrize("case", NUMBERS)
def test_times_that_are_none(server: Server, key: keywright.Credential, base: str, case: str):
    said = json.dumps(claims_of(assertion(key, server.control, exp=7777777777))).encode()
    said = said.replace(b"7777777777", NUMBERS[case].encode())
    answer = post_form(server, base, assertion_fields(jws(b'{"alg":"EdDSA"}', said, key._secret)))
    assert (answer.status, answer.json["error"]) == (401, "invalid_client")
    kid, seed = server_seed(server)
    said = json.dumps(claims_of(forged(server, key.client_id, exp=7777777777))).encode()
    said = said.replace(b"7777777777", NUMBERS[case].encode())
    header = json.dumps({"alg": "EdDSA", "typ": "at+jwt", "kid": kid}).encode()
    code = server.verify(bearer(jws(header, said, seed))).code
    assert code == ("token_expired" if case == "negative" else "token_invalid")


HEADERS: dict[str, bytes] = {
    "none after all": b'{"alg":"EdDSA","alg":"none"}',
    "a demand of nothing": b'{"alg":"EdDSA","crit":[]}',
    "a demand of null": b'{"alg":"EdDSA","crit":null}',
    "unencoded": b'{"alg":"EdDSA","b64":false,"crit":["b64"]}',
    "alg in a list": b'{"alg":["EdDSA"]}',
    "alg in lower case": b'{"alg":"eddsa"}',
    "another curve": b'{"alg":"Ed448"}',
    "a list": b'["alg","EdDSA"]',
    "deep": b'{"alg":"EdDSA","x":' + b"[" * 1000 + b"]" * 1000 + b"}",
    "no UTF-8": b'{"alg":"EdDSA","x":"\xff"}',
    "a byte order mark": b'\xef\xbb\xbf{"alg":"EdDSA"}',
    "a number of no size": b'{"alg":"EdDSA","x":1e999}',
}


@pytest.mark.parametrize("case", HEADERS)
def test_headers_that_are_none(server: Server, key: keywright.Credential, base: str, case: str):
    said = json.dumps(claims_of(assertion(key, server.control))).encode()
    answer = post_form(server, base, assertion_fields(jws(HEADERS[case], said, key._secret)))
    assert (answer.status, answer.json["error"]) == (401, "invalid_client")
    kid, seed = server_seed(server)
    header = HEADERS[case].replace(b'{"alg"', b'{"typ":"at+jwt","kid":"%s","alg"' % kid.encode(), 1)
    said = json.dumps(claims_of(forged(server, key.client_id))).encode()
    assert server.verify(bearer(jws(header, said, seed))).code == "token_invalid"


def test_a_token_that_outlasts_its_hour_is_none(server: Server, key: keywright.Credential):
    """The server's own signature, of a moment when its clock was ahead."""
    late = forged(server, key.client_id, exp=int(time.time()) + 10 * 365 * 86_400)
    assert server.verify(bearer(late)).code == "token_invalid"
    for plane in PLANES:
        answer = introspect(server, getattr(server, plane), late, bearer(server.token()))
        assert answer.json == {"active": False}


# --- assertions are used once -----------------------------------------------------------------------------------------


def test_an_assertion_that_arrives_many_times_at_once_works_once(server: Server, key: keywright.Credential):
    for number in range(10):
        text = assertion(key, server.control, jti=f"once {number}")
        # Other texts with the same jti are the same assertion: another header, later, to another address.
        others = [
            assertion(key, server.control, jti=f"once {number}", iat=int(time.time()) - 7, header={"typ": "jwt"}),
            assertion(key, server.control + "/oauth2/token", jti=f"once {number}"),
        ]
        sent = [(base, each) for each in (text, text, *others) for base in (server.control, server.data)]
        gate = threading.Barrier(len(sent))

        def send(what: tuple[str, str], gate: threading.Barrier = gate) -> int:
            host, _, port = what[0].removeprefix("http://").rpartition(":")
            connection = http.client.HTTPConnection(host, int(port), timeout=60)
            connection.connect()
            gate.wait(30)
            connection.request("POST", "/oauth2/token", urlencode(assertion_fields(what[1])), FORM)
            status = connection.getresponse().status
            connection.close()
            return status

        with ThreadPoolExecutor(len(sent)) as pool:
            statuses = sorted(pool.map(send, sent))
        assert statuses == [200] + [401] * (len(sent) - 1)


@pytest.mark.parametrize("change", [" {}", "{}\n", "{}=", "{}.", "\t{}", "{}%20", "{}\x00"])
def test_an_assertion_has_one_spelling(server: Server, key: keywright.Credential, base: str, change: str):
    text = assertion(key, server.control)
    answer = post_form(server, base, assertion_fields(change.format(text)))
    assert (answer.status, answer.json["error"]) == (401, "invalid_client")
    assert post_form(server, base, assertion_fields(text)).status == 200


# --- issued while the key is deleted ----------------------------------------------------------------------------------


def test_a_token_that_was_under_way_when_its_key_was_deleted_is_dead(server: Server, account: str):
    for _ in range(8):
        key = server.key(account)
        end, tokens = threading.Event(), []

        def fetch(base: str, key: keywright.Credential = key, end: threading.Event = end, tokens: Any = tokens) -> None:
            host, _, port = base.removeprefix("http://").rpartition(":")
            connection = http.client.HTTPConnection(host, int(port), timeout=60)
            body = json.dumps({"clientId": key.client_id, "clientSecret": secret_of(key)})
            while not end.is_set():
                connection.request("POST", "/auth/token", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                said = json.loads(answer.read())
                if answer.status == 200:
                    tokens.append(said["access_token"])
            connection.close()

        threads = [threading.Thread(target=fetch, args=(base,)) for base in (server.control, server.data, server.data)]
        for thread in threads:
            thread.start()
        while len(tokens) < 6:
            time.sleep(0.001)
        assert server.delete_key(account, key.client_id).status == 200
        at_deletion = len(tokens)
        assert server.verify_anew(bearer(tokens[-1])) == "token_invalid"
        end.set()
        for thread in threads:
            thread.join(60)
        # Those that were begun before may still come in, one for each line; none of them is worth anything.
        assert len(tokens) <= at_deletion + len(threads)
        assert {server.verify_anew(bearer(token)) for token in tokens} == {"token_invalid"}
        for base in (server.control, server.data):
            assert introspect(server, base, tokens[-1], bearer(server.token())).json == {"active": False}


# --- who guesses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["json", "form"])
def test_a_guesser_does_not_become_many_by_a_header(server: Server, key: keywright.Credential, base: str, way: str):
    """No proxy is trusted here: whatever X-Forwarded-For says is the client's own word."""

    def guess(number: int, secret: str = "cs_live_wrong") -> int:
        hops = f"198.51.100.{number}, 203.0.113.{number}"
        claimed = {"X-Forwarded-For": hops, "X-Real-IP": hops, "Forwarded": f"for={hops}"}
        if way == "form":
            return post_form(server, base, GRANT, headers={**basic(key.client_id, secret), **claimed}).status
        body = json.dumps({"clientId": key.client_id, "clientSecret": secret}).encode()
        headers = {"Content-Type": "application/json", **claimed}
        return server._send("POST", base + "/auth/token", headers, body).status

    statuses = [guess(number) for number in range(24)]
    # The data plane has two workers, each of which counts.
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert 10 <= statuses.count(401) <= 20
    assert guess(99, secret_of(key)) == 200, "and whoever is right comes in"


# --- the edges of HTTP ------------------------------------------------------------------------------------------------


def fields(key: keywright.Credential) -> dict[str, str]:
    return {**GRANT, "client_id": key.client_id, "client_secret": secret_of(key)}


def test_what_is_public_can_be_asked_for_by_head(server: Server, base: str):
    for path in (KEY_SET, METADATA):
        whole = server._send("GET", base + path, {}, None)
        head = server._send("HEAD", base + path, {}, None)
        assert (head.status, head.text) == (200, "")
        for name in ("content-type", "cache-control", "content-length"):
            assert head.headers[name] == whole.headers[name]
    for path in PATHS:
        assert server._send("HEAD", base + path, {}, None).status == 405


WAYS: dict[str, Callable[[keywright.Credential], tuple[dict[str, str], dict[str, str]]]] = {
    "Basic and post": lambda key: (fields(key), basic(key.client_id, secret_of(key))),
    "Basic and an assertion": lambda key: (assertion_fields("a.b.c"), basic(key.client_id, secret_of(key))),
    "post and an assertion": lambda key: ({**fields(key), **assertion_fields("a.b.c")}, {}),
    "a bearer and post": lambda key: (fields(key), bearer("kwop_" + "0" * 64)),
    "a bearer and an assertion": lambda key: (assertion_fields("a.b.c"), bearer("kwop_" + "0" * 64)),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", WAYS)
def test_who_shows_two_things_is_refused(server: Server, key: keywright.Credential, base: str, case: str, path: str):
    given, headers = WAYS[case](key)
    answer = post_form(server, base, {**given, "token": "x"}, path=path, headers=headers)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    assert secret_of(key) not in answer.text


def test_what_basic_may_look_like(server: Server, key: keywright.Credential, base: str):
    percents = ["".join(f"%{byte:02x}" for byte in text.encode()) for text in (key.client_id, secret_of(key))]
    assert post_form(server, base, GRANT, headers=basic(*percents)).status == 200  # RFC 6749 section 2.3.1
    good = basic(key.client_id, secret_of(key))["Authorization"]
    for text, status in {
        good.replace("Basic", "bAsIc"): 200,
        good.replace("Basic ", "Basic\t"): 401,
        good + "!": 401,
        good.replace("Basic ", ""): 401,
        "Basic": 401,
        basic(key.client_id + "\0", secret_of(key))["Authorization"]: 401,
        basic("%ED%A0%80", "%FF")["Authorization"]: 401,
        basic("", "")["Authorization"]: 401,
        basic(key.client_id, secret_of(key) + "%0A")["Authorization"]: 401,
        basic(key.client_id, "%00" + secret_of(key))["Authorization"]: 401,
    }.items():
        answer = post_form(server, base, GRANT, headers={"Authorization": text})
        assert answer.status == status, text
        if status == 401:
            assert answer.json["error"] == "invalid_client"
            assert answer.headers["www-authenticate"].startswith("Basic ")


def test_credentials_in_the_address_are_none(server: Server, key: keywright.Credential, base: str):
    query = urlencode(fields(key))
    answer = server._send("POST", f"{base}/oauth2/token?{query}", FORM, urlencode(GRANT).encode())
    assert (answer.status, answer.json["error"]) == (401, "invalid_client")
    assert server._send("GET", f"{base}/oauth2/token?{query}", {}, None).status == 405
    token = token_of(server, key)
    answer = server._send("POST", f"{base}/oauth2/introspect?token={token}", {**FORM, **bearer(server.token())}, b"x=1")
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    assert secret_of(key) not in server.log
    assert token.rpartition(".")[2] not in server.log


def test_headers_that_are_there_twice(server: Server, key: keywright.Credential):
    body = urlencode(fields(key)).encode()
    for plane in PLANES:
        base = getattr(server, plane)
        for path in (b"/oauth2/token", b"/oauth2/introspect"):
            for name, value in ((b"Content-Type", FORM["Content-Type"].encode()), (b"Authorization", b"Basic eDp5")):
                lines = [(b"Content-Type", FORM["Content-Type"].encode()), (name, value), (name, value)]
                answer = exchange(base, raw_request(b"POST", path, lines, body))
                assert (answer.status, answer.json["error"]) == (400, "invalid_request"), (plane, path, name)


def test_another_sites_page_gets_nothing_to_read(server: Server, key: keywright.Credential, base: str):
    """No CORS: a browser hands none of this to another site's script; nor is a cookie looked at."""
    foreign = {"Origin": "https://evil.example", "Cookie": "keywright_session=kws_" + "0" * 64}
    answers = [
        post_form(server, base, fields(key), headers=foreign),
        post_form(server, base, {"token": "x"}, path="/oauth2/introspect", headers=foreign),
        server._send("GET", base + KEY_SET, foreign, None),
        server._send("OPTIONS", base + "/oauth2/token", {**foreign, "Access-Control-Request-Method": "POST"}, None),
    ]
    assert [answer.status for answer in answers[:3]] == [200, 401, 200]
    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("access-control-") or name == "set-cookie"]


def test_who_a_client_says_that_it_is_does_not_come_back(server: Server, key: keywright.Credential):
    """Forward-auth names the token's client, whatever identity the request itself claims."""
    claimed = {"Keywright-Client-Id": "ck_evil", "Keywright-Account-Id": "acc_evil", "Keywright-Body-Verified": "true"}
    original = {"X-Original-Method": "GET", "X-Original-URL": "https://api.example.com/v1/payments"}
    answer = server.ask("GET", "/v1/forward-auth", headers={**original, **claimed, **bearer(token_of(server, key))})
    assert answer.status == 200
    assert answer.headers.get_list("keywright-client-id") == [key.client_id]
    assert "evil" not in str(answer.headers.multi_items())
    assert answer.headers["keywright-body-verified"] == "false"
    refused = server.ask("GET", "/v1/forward-auth", headers={**original, **claimed, **bearer("x")})
    assert refused.status == 401
    assert not [name for name in refused.headers if name in {"keywright-client-id", "keywright-account-id"}]


@pytest.mark.parametrize(
    "text", ["Bearer", "Bearer ", "Bearer\t{}", "Bearer {}, Basic eDp5", "Bearer {} {}", "Bearer ,{}"]
)
def test_bearers_that_are_none(server: Server, key: keywright.Credential, text: str):
    good = token_of(server, key)
    refused = server.verify([("Authorization", text.format(good, good))])
    assert refused.code in {"token_invalid", "authorization_missing"}
    assert good not in refused.text


def test_a_wrong_json_call_tells_no_secret(server: Server, key: keywright.Credential, base: str):
    for given in ([secret_of(key)], {"x": secret_of(key)}, secret_of(key) * 20):
        answer = post_json(server, base, key.client_id, given)
        assert answer.status == 400
        assert secret_of(key) not in answer.text
    answer = post_json(server, base, secret_of(key) * 20, "x")
    assert secret_of(key) not in answer.text
    assert secret_of(key) not in server.log
