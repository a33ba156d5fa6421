"""The same over HTTP/2, as curl sends it: pseudo-headers in place of the request line, bodies without a length."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.backends import Seen
from support.gateways import HOST
from support.http2 import send_http2
from support.ways import Way

PATH = "/v1/payments?currency=EUR&note=a%20b"
BODY = b'{"amount":"12.50"}'
PSEUDO = {":method": "GET", ":scheme": "https", ":authority": HOST, ":path": PATH}


def curl(way: Way, headers: list[tuple[str, str]], *options: str, stdin: bytes = b"") -> str:
    """The protocol's version and the status."""
    lines = [each for name, value in headers for each in ("-H", f"{name}: {value}")]
    done = subprocess.run(
        [
            *("curl", "--disable", "--silent", "--max-time", "20", "--http2", "--path-as-is", "--output", "/dev/null"),
            *("--write-out", "%{http_version} %{http_code}", "--cacert", str(way.gateway.certificate.chain)),
            *("--noproxy", "*", "--resolve", f"{HOST}:{way.gateway.port}:127.0.0.1", "-H", f"Host: {HOST}", *lines),
            *(*options, f"https://{HOST}:{way.gateway.port}{PATH}"),
        ],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.stdout.decode()


def test_signed_requests_pass_once(way: Way, tmp_path: Path):
    file = tmp_path / "body"
    file.write_bytes(BODY)
    with_body = ("--data-binary", f"@{file}", "-H", "Content-Type: application/json")
    for options, headers, body in (
        ((), way.signed("GET", PATH), b""),
        (with_body, way.signed("POST", PATH, BODY), BODY),
    ):
        assert curl(way, headers, *options) == "2 200"
        seen = way.backend.seen[-1]
        assert (seen.target, seen.body) == (PATH, body)
        assert seen.all("Keywright-Client-Id") == [way.key.client_id]
        before = len(way.backend.seen)
        assert curl(way, headers, *options) == "2 401"
        assert len(way.backend.seen) == before


def test_a_body_without_a_length_is_signed_or_caught(way: Way):
    streamed = ("-T", "-")
    assert curl(way, way.signed("POST", PATH, BODY), *streamed, "-X", "POST", stdin=BODY) == "2 200"
    assert way.backend.seen[-1].body == BODY
    assert curl(way, way.signed("POST", PATH, BODY), *streamed, "-X", "POST", stdin=BODY + b" ") == "2 400"
    for method in ("GET", "DELETE"):
        assert curl(way, way.signed(method, PATH), *streamed, "-X", method, stdin=BODY) in {"2 400", "2 401"}


@pytest.mark.parametrize("name", ["Keywright-Client-Id", "X-Forwarded-Host", "X-Original-URL"])
def test_the_backend_sees_only_what_the_gateway_says(way: Way, name: str):
    assert curl(way, [*way.signed("GET", PATH), (name, "https://forged.example")]) == "2 200"
    assert "forged" not in str(way.backend.seen[-1].headers)


def sent(way: Way, *lists: list[tuple[str, str]], body: bytes = b"") -> tuple[list[int], list[Seen]]:
    """Send header lists as they are, one after the other; the statuses, and what the backend saw."""
    before = len(way.backend.seen)
    statuses = send_http2(way.gateway, [(headers, body) for headers in lists])
    return statuses, way.backend.seen[before:]


def headers_of(way: Way, pseudo: dict[str, str] | None = None, body: bytes = b"") -> list[tuple[str, str]]:
    """The header list of a request that is signed as `PSEUDO` says, or as a POST, whatever else it says."""
    said = {**PSEUDO, **(pseudo or {})}
    signed = way.signed("POST" if body else "GET", PATH, body)
    return [*said.items(), *((name.lower(), value) for name, value in signed)]


@pytest.mark.parametrize(
    "pseudo",
    [
        {":path": "https://api.example.com/v1/other"},
        {":path": f"https://other.example.com{PATH}"},
        {":path": PATH.removeprefix("/")},
        {":path": "*"},
        {":path": ""},
        {":path": f"{PATH}#x"},
        {":path": f"/v1/../{PATH}"},
        {":path": f"{PATH} HTTP/1.1\r\nHost: {HOST}\r\n\r\nGET /smuggled"},
        {":path": f"{PATH} HTTP/1.1\nKeywright-Client-Id: forged\nX-A: "},
        {":authority": "other.example.com"},
        {":authority": f"{HOST}:8443"},
        {":authority": f"x@{HOST}"},
        {":authority": f"{HOST}\r\nKeywright-Client-Id: forged"},
        {":scheme": "http"},
        {":scheme": f"https://{HOST}/v1/other?"},
        {":method": "GET /v1/other HTTP/1.1\r\nX-A:"},
        {":method": "GET /v1/other?"},
        {":method": "CONNECT"},
        {":method": "CONNECT", ":protocol": "websocket"},
        {":unknown": "x"},
    ],
    ids=str,
)
def test_the_backend_sees_the_request_that_was_judged(way: Way, pseudo: dict[str, str]):
    _, seen = sent(way, headers_of(way, pseudo))
    for each in seen:
        assert (each.method, each.target) == ("GET", PATH)
        assert (each.all("Host"), each.all("X-Forwarded-Host")) == ([HOST], [HOST])
        assert each.all("Keywright-Client-Id") == [way.key.client_id]


def test_no_tunnel_is_asked_for(way: Way):
    tunnel = [(":method", "CONNECT"), (":authority", HOST)]
    with_protocol = [(":method", "CONNECT"), (":protocol", "websocket"), *list(PSEUDO.items())[1:]]
    for pseudo in (tunnel, with_protocol):
        for method, target in (("CONNECT", "/"), ("CONNECT", PATH), ("GET", PATH)):
            signed = [(name.lower(), value) for name, value in way.signed(method, target)]
            _, seen = sent(way, [*pseudo, ("sec-websocket-version", "13"), *signed])
            for each in seen:  # HAProxy makes of the second what it means to a backend of HTTP/1.1, judged as that
                assert (each.method, each.target) == ("GET", PATH)
                assert each.all("Upgrade") == []
                assert "upgrade" not in str(each.all("Connection")).lower()


@pytest.mark.parametrize(
    "line",
    [
        (":path", "/v1/other"),
        (":method", "DELETE"),
        (":authority", "other.example.com"),
        ("host", "other.example.com"),
        ("connection", "keywright-client-id"),
        ("transfer-encoding", "chunked"),
        ("content-length", "5"),
        ("Keywright-Client-Id", "forged"),
        ("keywright-client-id", "forged"),
        ("keywright_client_id", "forged"),
        ("keywright.client.id", "forged"),
        ("keywright-client-id ", "forged"),
        ("keywright-client-id:", "forged"),
        ("x-a: b\r\nkeywright-client-id", "forged"),
        ("x-a", "b\r\nkeywright-client-id: forged"),
        ("x-a", "b\nkeywright-client-id: forged"),
        ("x-a", "b\0keywright-client-id: forged"),
        ("", "forged"),
    ],
    ids=str,
)
def test_no_header_line_changes_what_the_gateway_says(way: Way, line: tuple[str, str]):
    headers = headers_of(way)
    for placed in ([*headers, line], [line, *headers], [*headers[:4], line, *headers[4:]]):
        _, seen = sent(way, placed)
        for each in seen:
            assert (each.method, each.target, each.body) == ("GET", PATH, b"")
            assert (each.all("Host"), each.all("X-Forwarded-Host")) == ([HOST], [HOST])
            assert each.all("Keywright-Client-Id") == [way.key.client_id]
            assert [name for name, value in each.headers if value == "forged"] == []
            headers = headers_of(way)  # that one was used


@pytest.mark.parametrize("length", [[], [("content-length", "0")], [("transfer-encoding", "chunked")]])
def test_no_request_hides_in_a_body(way: Way, length: list[tuple[str, str]]):
    hidden = f"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    _, seen = sent(way, [*headers_of(way, {":method": "POST"}, hidden), *length], body=hidden)
    # Said to have none, it may be handed on without one before the excess has arrived.
    possible = [hidden, b""] if length == [("content-length", "0")] else [hidden]
    assert [(each.target, each.body) for each in seen] in ([], *([(PATH, body)] for body in possible))


def test_a_deleted_key_is_stopped_on_a_connection_that_is_kept(way: Way):
    key = way.server.key(way.account_id)

    def requests():
        for _ in range(2):
            yield [*PSEUDO.items(), *((name.lower(), value) for name, value in way.signed("GET", PATH, key=key))], b""
        way.server.delete_key(way.account_id, key.client_id)
        yield [*PSEUDO.items(), *((name.lower(), value) for name, value in way.signed("GET", PATH, key=key))], b""

    assert send_http2(way.gateway, requests()) == [200, 200, 401]
