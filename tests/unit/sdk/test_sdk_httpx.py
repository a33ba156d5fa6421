"""Real clients against a real server: whatever goes out must verify."""

import asyncio
import io
import re
import ssl
import time

import httpx
import httpx2
import pytest
from verifying_server import CLIENT_ID, URLS

from keywright import SignatureAuth, sign
from keywright.signatures import Verified

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # reading all root certificates takes long, and none is needed
LIBRARIES = [httpx2, httpx]


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.__name__)
def library(request):
    return request.param


@pytest.fixture
def client(library, key, server):
    with library.Client(auth=SignatureAuth(key), base_url=server.origin, verify=NO_TLS, trust_env=False) as client:
        yield client


def test_both_algorithms(library, any_key, server):
    with library.Client(auth=SignatureAuth(any_key), verify=NO_TLS, trust_env=False) as client:
        assert client.post(server.origin + "/v1/payments?dry=1", json={"amount": 1}).status_code == 200
    verdict = server.last.verdict
    assert verdict.key_id == CLIENT_ID
    assert verdict.body_verified
    assert verdict.covered == ("@method", "@target-uri", "content-digest", "content-type")


@pytest.mark.parametrize("path", URLS)
def test_what_is_signed_is_what_goes_out(library, key, server, path):
    with library.Client(auth=SignatureAuth(key), verify=NO_TLS, trust_env=False) as client:
        response = client.get(server.origin + path)
    assert (response.status_code, server.last.verdict) == (200, server.last.verdict)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "POST", "PUT", "PATCH", "patch"])
def test_every_method_with_an_empty_body(client, server, method):
    assert client.request(method, "/a").status_code == 200
    # Where a gateway that does not see the body could not tell that there is none, the digest says so.
    assert ("content-digest" in server.last.header) == (method.upper() in {"POST", "PUT", "PATCH"})


@pytest.mark.parametrize(
    "content",
    [
        lambda: {"content": b"bytes"},
        lambda: {"content": "t\u00e4xt"},
        lambda: {"content": iter([b"a", b"", b"b" * 70_000])},
        lambda: {"content": io.BytesIO(b"file" * 1000)},
        lambda: {"json": {"\u00e4": [1, None]}},
        lambda: {"data": {"a": ["1", "2"], "b": "\u00fc &"}},
        lambda: {"files": {"f": ("\u00e4.txt", io.BytesIO(b"hello"), "text/plain")}, "data": {"a": "b"}},
        lambda: {"content": b"", "headers": {"Content-Type": "text/plain"}},
        lambda: {"content": b"x", "headers": {"Transfer-Encoding": "chunked"}},
    ],
)
def test_bodies(client, server, content):
    response = client.post("/a?b", **content())
    assert (response.status_code, server.last.verdict.body_verified) == (200, True)


def test_an_empty_body_with_a_content_type(client, server):
    assert client.post("/", content=b"", headers={"Content-Type": "text/plain"}).status_code == 200
    assert server.last.verdict.covered == ("@method", "@target-uri", "content-digest", "content-type")


def test_a_fresh_nonce_and_one_connection_for_many_requests(client, server):
    for _ in range(5):
        assert client.post("/a", content=b"x").status_code == 200
    assert len({arrival.verdict.nonce for arrival in server.arrivals}) == 5
    assert len(server.connections) == 1


def test_a_request_that_is_sent_again_is_signed_again(client, server):
    request = client.build_request("POST", "/a", content=b"x")
    assert [client.send(request).status_code for _ in range(3)] == [200, 200, 200]
    assert len(server.nonces) == 3


def test_an_old_request_is_signed_when_it_goes_out(library, key, server):
    offset = [-100_000]
    auth = SignatureAuth(key, clock=lambda: time.time() + offset[0])
    with library.Client(auth=auth, verify=NO_TLS, trust_env=False) as client:
        request = client.build_request("GET", server.origin)
        assert client.send(request).status_code == 401
        offset[0] = 0
        assert client.send(request).status_code == 200


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_followed_redirect_ends_signed_anew(client, server, status, method):
    content = {"content": b"body", "headers": {"Content-Type": "text/plain"}} if method == "POST" else {}
    response = client.request(method, f"/redirect/{status}/%2Ffinal%3Fa=1", follow_redirects=True, **content)
    assert response.status_code == 200
    assert server.last.target == "/final?a=1"
    accepted = [arrival.verdict.nonce for arrival in server.arrivals if arrival.accepted]
    assert len(accepted) == len(set(accepted)) == 2
    kept_body = method == "POST" and status in {307, 308}
    assert server.last.body == (b"body" if kept_body else b"")
    assert ("content-digest" in server.last.header) is kept_body


def test_a_redirect_that_is_not_followed_costs_nothing(client, server):
    assert client.get("/redirect/302/%2Ffinal").status_code == 302
    assert len(server.arrivals) == 1


def test_a_redirect_to_somebody_else_is_not_signed_anew(client, server, other_server):
    response = client.get(f"/redirect/302/{other_server.origin.replace('/', '%2F')}%2Fx", follow_redirects=True)
    assert response.status_code == 401
    assert [arrival.accepted for arrival in other_server.arrivals] == [False]


def test_a_refusal_is_handed_on_at_once(library, key, server):
    with library.Client(auth=SignatureAuth(key, clock=lambda: 0), verify=NO_TLS, trust_env=False) as client:
        assert client.get(server.origin).headers["X-Code"] == "signature_too_old"
    assert len(server.arrivals) == 1


def test_a_host_header_of_the_callers_own(client, server):
    assert client.get("/", headers={"Host": "api.example.com"}).status_code == 200
    assert server.last.header["host"] == "api.example.com"


def test_more_headers_are_covered_where_they_are(library, key, server):
    with library.Client(auth=SignatureAuth(key, cover=["Idempotency-Key"]), verify=NO_TLS, trust_env=False) as client:
        assert client.get(server.origin, headers={"Idempotency-Key": "1"}).status_code == 200
        assert "idempotency-key" in server.last.verdict.covered
        assert client.get(server.origin).status_code == 200
        assert "idempotency-key" not in server.last.verdict.covered


def test_a_signature_of_somebody_else_stays(client, server, key):
    url = f"{server.origin}/a"
    theirs = {
        name: re.sub(r'keyid="[^"]*"', 'keyid="proxy"', value)
        for name, value in sign(key, method="GET", url=url, label="theirs").items()
    }
    for _ in range(2):
        assert client.get(url, headers=theirs).status_code == 200
        assert re.match(r"theirs=.*, sig1=", server.last.header["signature"])


def test_user_information_in_the_url_is_not_signed(client, server):
    assert client.get(server.origin.replace("//", "//user:pw@") + "/a").status_code == 200


def test_as_an_event_hook_every_hop_goes_out_freshly_signed(library, key, server):
    with library.Client(
        event_hooks={"request": [SignatureAuth(key)]}, follow_redirects=True, verify=NO_TLS, trust_env=False
    ) as client:
        assert client.post(server.origin + "/redirect/307/%2Ffinal", content=b"x").status_code == 200
    assert [arrival.accepted for arrival in server.arrivals] == [True, True]


def test_what_cannot_be_signed_says_why(client, key):
    with pytest.raises(ValueError, match="content-type"):
        client.get("/", headers={"Content-Type": "t\u00e4xt".encode("latin-1")})
    with pytest.raises(TypeError, match="RequestsAuth"):
        SignatureAuth(key)(object())
    with pytest.raises(TypeError, match="Credential"):
        SignatureAuth("cs_live_")


def async_client(library, key):
    return library.AsyncClient(auth=SignatureAuth(key), verify=NO_TLS, trust_env=False)


async def test_async_bodies(library, key, server):
    async def stream():
        yield b"a"
        yield b"b" * 70_000

    async with async_client(library, key) as client:
        for content in (
            {"content": stream()},
            {"content": b"x"},
            {"json": {}},
            {"files": {"f": io.BytesIO(b"x")}},
            {},
        ):
            assert (await client.post(server.origin + "/\u00e4?\u00f6", **content)).status_code == 200
            assert server.last.verdict.body_verified


async def test_async_at_the_same_time(library, any_key, server):
    async with async_client(library, any_key) as client:
        responses = await asyncio.gather(*(client.get(f"{server.origin}/{number}") for number in range(20)))
    assert {response.status_code for response in responses} == {200}
    assert len(server.nonces) == 20


async def test_async_redirect(library, key, server):
    async with async_client(library, key) as client:
        for status in (303, 307):
            response = await client.post(
                f"{server.origin}/redirect/{status}/%2Ffinal", content=b"x", follow_redirects=True
            )
            assert response.status_code == 200
            assert isinstance(server.last.verdict, Verified)
