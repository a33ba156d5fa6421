"""Real sessions against a real server: whatever goes out must verify."""

import io
import re
import time

import pytest
import requests
from verifying_server import URLS

from keywright import RequestsAuth, sign
from keywright.signatures import Verified


@pytest.fixture
def session(key):
    with requests.Session() as session:
        session.trust_env = False
        session.auth = RequestsAuth(key)
        yield session


def test_both_algorithms(any_key, server):
    response = requests.post(server.origin + "/v1?dry=1", json={"a": 1}, auth=RequestsAuth(any_key), timeout=5)
    assert response.status_code == 200
    assert server.last.verdict.covered == ("@method", "@target-uri", "content-digest", "content-type")


@pytest.mark.parametrize("path", URLS)
def test_what_is_signed_is_what_goes_out(session, server, path):
    response = session.get(server.origin + path, timeout=5)
    assert (response.status_code, server.last.verdict) == (200, server.last.verdict)


@pytest.mark.parametrize(
    "content",
    [
        lambda: {"data": b"bytes"},
        lambda: {"data": "t\u00e4xt"},
        lambda: {"data": bytearray(b"array")},
        lambda: {"data": iter([b"a", b"b" * 70_000])},
        lambda: {"data": io.BytesIO(b"file" * 1000)},
        lambda: {"data": io.StringIO("t\u00e4xt")},
        lambda: {"json": {"\u00e4": [1, None]}},
        lambda: {"data": {"a": ["1", "2"], "b": "\u00fc &"}},
        lambda: {"data": {"a": "b"}, "files": {"f": ("\u00e4.txt", io.BytesIO(b"hello"), "text/plain")}},
        lambda: {"data": b""},
        lambda: {"params": {"q": "\u00fc &", "r": ["1", "2"]}},
    ],
)
@pytest.mark.filterwarnings("default:.*unencoded.*")
def test_bodies(session, server, content):
    response = session.post(server.origin + "/a?b", timeout=5, **content())
    assert (response.status_code, server.last.verdict.body_verified) == (200, True)
    assert "transfer-encoding" not in server.last.header


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "POST", "PUT", "patch"])
def test_every_method_with_an_empty_body(session, server, method):
    assert session.request(method, server.origin, timeout=5).status_code == 200


def test_a_fresh_nonce_and_one_connection_for_many_requests(session, server):
    for _ in range(5):
        assert session.post(server.origin, data=b"x", timeout=5).status_code == 200
    assert len(server.nonces) == 5
    assert len(server.connections) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_followed_redirect_ends_signed_anew(session, server, status, method):
    content = {"data": b"body", "headers": {"Content-Type": "text/plain"}} if method == "POST" else {}
    url = f"{server.origin}/redirect/{status}/%2Ffinal%3Fa=1"
    response = session.request(method, url, timeout=5, **content)
    assert response.status_code == 200
    assert server.last.target == "/final?a=1"
    codes = [arrival.verdict.code for arrival in server.arrivals if not isinstance(arrival.verdict, Verified)]
    assert codes == ["signature_missing"]
    assert len(server.nonces) == 2
    assert server.last.body == (b"body" if method == "POST" and status in {307, 308} else b"")
    # What is told of the first request is what was sent.
    assert "Signature" in response.history[0].request.headers


def test_two_redirects(session, server):
    second = "%2Fredirect%2F307%2F%252Ffinal"
    assert session.post(f"{server.origin}/redirect/307/{second}", data=b"x", timeout=5).status_code == 200
    assert server.last.target == "/final"


def test_a_redirect_to_somebody_else_is_not_signed(session, server, other_server):
    target = other_server.origin.replace("/", "%2F")
    assert session.get(f"{server.origin}/redirect/302/{target}", timeout=5).status_code == 401
    assert [str(arrival.verdict.code) for arrival in other_server.arrivals] == ["signature_missing"]


def test_a_prepared_request_that_is_sent_again_is_signed_again(session, server):
    prepared = session.prepare_request(requests.Request("POST", server.origin, data=b"x"))
    assert [session.send(prepared, timeout=5).status_code for _ in range(3)] == [200, 200, 200]
    assert len(server.nonces) == 3


def test_a_prepared_request_that_is_sent_late_is_signed_again(server, key):
    offset = [-10_000]
    with requests.Session() as session:
        session.auth = RequestsAuth(key, clock=lambda: time.time() + offset[0])
        prepared = session.prepare_request(requests.Request("GET", server.origin))
        offset[0] = 0
        response = session.send(prepared, timeout=5)
    assert response.status_code == 200
    assert response.history[0].headers["X-Code"] == "signature_too_old"


def test_a_refusal_is_handed_on_at_once(server, key):
    response = requests.get(server.origin, auth=RequestsAuth(key, clock=lambda: 0), timeout=5)
    assert response.headers["X-Code"] == "signature_too_old"
    assert len(server.arrivals) == 1


def test_headers_of_the_callers_own(session, server, key):
    session.auth = RequestsAuth(key, cover=["Idempotency-Key"])
    headers = {"Host": "api.example.com", "Idempotency-Key": b"a1"}
    assert session.get(server.origin, headers=headers, timeout=5).status_code == 200
    assert "idempotency-key" in server.last.verdict.covered


def test_a_signature_of_somebody_else_stays(session, server, key):
    theirs = {
        name: re.sub(r'keyid="[^"]*"', 'keyid="proxy"', value)
        for name, value in sign(key, method="GET", url=server.origin, label="theirs").items()
    }
    prepared = session.prepare_request(requests.Request("GET", server.origin, headers=theirs))
    assert [session.send(prepared, timeout=5).status_code for _ in range(2)] == [200, 200]
    assert re.match(r"theirs=.*, sig1=", server.last.header["signature"])


def test_user_information_in_the_url_is_not_signed(session, server):
    assert session.get(server.origin.replace("//", "//user:pw@") + "/a", timeout=5).status_code == 200


def test_only_a_credential_signs():
    with pytest.raises(TypeError, match="Credential"):
        RequestsAuth("cs_live_")
