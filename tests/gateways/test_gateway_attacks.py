"""What an enemy sends through a gateway: the backend never sees another request than the one that was judged."""

from __future__ import annotations

import contextlib
import socket
import ssl

import pytest

from support.backends import Seen
from support.gateways import HOST
from support.tokens import token_of
from support.ways import ORIGIN, Way

PATH = "/v1/payments?currency=EUR"
# A whole request that a client hides in the body of another.
HIDDEN = f"GET /smuggled HTTP/1.1\r\nHost: {HOST}\r\nKeywright-Client-Id: forged\r\n\r\n"


def text_of(lines: list[tuple[str, str]]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in lines)


@contextlib.contextmanager
def connected(way: Way, *, seconds: float = 20):
    context = ssl.create_default_context(cafile=str(way.gateway.certificate.chain))
    with (
        socket.create_connection(("127.0.0.1", way.gateway.port), timeout=seconds) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as secure,
    ):
        yield secure


def send_bytes(way: Way, *requests: str) -> tuple[bytes, list[Seen]]:
    """Send these very bytes, then a request that ends the connection; what came back, and what the backend saw."""
    before = len(way.backend.seen)
    received = b""
    with connected(way) as secure, contextlib.suppress(ConnectionError):
        secure.sendall("".join(requests).encode("latin-1"))
        # Not `Connection: close` in the first: it is the connection's other half that is attacked.
        secure.sendall(f"GET /last HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        secure.settimeout(5)  # a gateway may wait for more, where the bytes make a request without end
        with contextlib.suppress(TimeoutError):
            while piece := secure.recv(65536):
                received += piece
    return received, way.backend.seen[before:]


def assert_only_what_was_judged(way: Way, seen: list[Seen], target: str = PATH) -> None:
    assert len(seen) <= 1, seen
    for each in seen:
        assert each.target == target
        assert each.all("Host") == [HOST]
        assert each.all("Keywright-Client-Id") == [way.key.client_id]
        assert each.all("Keywright-Account-Id") == [way.account_id]


# --- which request is judged ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        *("//v1/payments", "/v1//payments", "/v1/./payments", "/v1/x/../payments", "/%2e%2e/v1/payments"),
        *("/v1/%70ayments", "/v1%2Fpayments", "/V1/payments", "/v1/payments/", "/v1/payments;x", "/v1\\payments"),
        *("/v1/payments?", "/v1/payments#", "/v1/payments#/../../admin", "/v1/payments%3Fa", "/v1/payments%00"),
        *("v1/payments", f"{HOST}/v1/payments", "*", f"{ORIGIN}//v1/payments", f"{ORIGIN}/v1/x/../payments"),
        *("/auth/token/../../v1/payments", "/_keywright/../v1/payments", "/v1/payments/../../auth/token"),
    ],
)
def test_a_signature_is_for_the_target_as_it_was_sent(way: Way, sent: str):
    way.stopped("GET", sent, way.signed("GET", "/v1/payments"))


@pytest.mark.parametrize("origin", [ORIGIN, f"{ORIGIN}:443", "http://api.example.com", "https://API.EXAMPLE.COM"])
@pytest.mark.parametrize("host", [HOST, "other.example.com"])
def test_a_target_with_an_origin_reaches_the_backend_without_it_or_not_at_all(way: Way, origin: str, host: str):
    before = len(way.backend.seen)
    way.gateway.send("GET", origin + PATH, way.signed("GET", PATH), host=host)
    for seen in way.backend.seen[before:]:
        assert (seen.target, seen.all("X-Forwarded-Host")) == (PATH, [HOST])
        assert [value.lower() for value in seen.all("Host")] == [HOST]


@pytest.mark.parametrize("host", [f"{HOST}:8443", f"{HOST}:443", HOST.upper(), f"{HOST}.", f"x@{HOST}", f"{HOST}, x"])
def test_the_backend_sees_the_host_of_the_page(way: Way, host: str):
    before = len(way.backend.seen)
    way.gateway.send("GET", PATH, way.signed("GET", PATH), host=host)
    for seen in way.backend.seen[before:]:
        assert seen.all("X-Forwarded-Host") == [HOST]
        assert [value.lower() for value in seen.all("Host")] == [HOST]


@pytest.mark.parametrize("method", ["CONNECT", "TRACE"])
@pytest.mark.parametrize("target", [PATH, "/", f"{HOST}:443", HOST, "*"])
def test_no_tunnel_is_asked_for(way: Way, method: str, target: str):
    """A backend that agreed would get, unasked about, whatever the client sends next."""
    for signed_for in ("/", PATH):
        way.stopped(method, target, way.signed(method, signed_for))


def test_the_target_of_options_is_a_path(way: Way):
    before = len(way.backend.seen)
    for target in ("*", "/"):
        way.gateway.send("OPTIONS", "*", way.signed("OPTIONS", target))
    assert len(way.backend.seen) == before


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "TLS/1.2"])
def test_a_connection_is_not_turned_into_a_tunnel(way: Way, protocol: str):
    asked = [
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", protocol),
        ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ]
    _, seen = way.passed("GET", PATH, [*way.signed("GET", PATH), *asked])
    assert seen.all("Upgrade") == []
    assert "upgrade" not in str(seen.all("Connection")).lower()


# --- which headers are judged --------------------------------------------------------------------------------------


def test_repeated_lines_are_judged_in_their_order(way: Way):
    values = [f"value-{number}" for number in range(12)]
    for count in (2, 3, 12):
        lines = [("X-Role", value) for value in values[:count]]
        covered = {"headers": {"X-Role": ", ".join(values[:count])}, "cover": ["x-role"]}
        _, seen = way.passed("GET", PATH, [*way.signed("GET", PATH, **covered), *lines])
        assert ", ".join(seen.all("X-Role")) == ", ".join(values[:count])
        for moved in (lines[::-1], [*lines[1:], lines[0]], [lines[-1], *lines[:-1]]):
            assert way.stopped("GET", PATH, [*way.signed("GET", PATH, **covered), *moved]).status == 401


@pytest.mark.parametrize("name", ["Content-Digest", "Signature-Input", "Content-Length", "Keywright-Anything"])
@pytest.mark.parametrize("sign", ["_", "."])
def test_no_name_arrives_that_a_backend_could_take_for_another(way: Way, name: str, sign: str):
    """Python's servers read `Content_Digest` as `Content-Digest`, and PHP reads `Content.Digest` so."""
    for spelling in (name.replace("-", sign), name.replace("-", sign).lower()):
        _, seen = way.passed("GET", PATH, [*way.signed("GET", PATH), (spelling, "forged")])
        assert "forged" not in str(seen.headers)


@pytest.mark.parametrize("field", ["Signature", "Signature-Input", "Authorization"])
def test_a_second_line_of_what_says_who_it_is_does_not_help(way: Way, field: str):
    """Another account's key has a signature and a token that are good; mixed with one's own they are not."""
    account_id = way.server.account()
    other = way.server.key(account_id)
    mine, theirs = dict(way.signed("GET", PATH)), dict(way.signed("GET", PATH, key=other))
    mine["Authorization"] = f"Bearer {token_of(way.server, way.key)}"
    theirs["Authorization"] = f"Bearer {token_of(way.server, other)}"
    names = ["Authorization"] if field == "Authorization" else ["Signature", "Signature-Input"]
    lines = [(name, mine[name]) for name in names]
    for sent in ([*lines, (field, theirs[field])], [(field, theirs[field]), *lines]):
        assert way.stopped("GET", PATH, sent).status in {400, 401}


def test_a_digest_that_was_added_with_a_body_is_stopped(way: Way):
    """The signature of a GET without a body does not cover a digest, so nobody may add one."""
    body = b'{"amount":"99.50"}'
    digest = next(value for name, value in way.signed("POST", PATH, body) if name == "Content-Digest")
    for method in ("GET", "DELETE"):
        for sent in (body, [body], None):
            answer = way.stopped(method, PATH, [*way.signed(method, PATH), ("Content-Digest", digest)], sent)
            assert answer.status in {400, 401}


# --- where one request ends ----------------------------------------------------------------------------------------

LENGTHS = {
    "length and chunks": f"Content-Length: {len(HIDDEN) + 5}\r\nTransfer-Encoding: chunked\r\n",
    "chunks and length": "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "two lengths": f"Content-Length: 5\r\nContent-Length: {len(HIDDEN) + 5}\r\n",
    "a list of lengths": "Content-Length: 5, 5\r\n",
    "a signed length": "Content-Length: +5\r\n",
    "a length in hex": "Content-Length: 0x5\r\n",
    "a length below zero": "Content-Length: -5\r\n",
    "an unknown coding": f"Content-Length: {len(HIDDEN) + 5}\r\nTransfer-Encoding: xchunked\r\n",
    "chunks that are not last": "Transfer-Encoding: chunked, identity\r\n",
    "chunks that are": "Transfer-Encoding: identity, chunked\r\n",
    "two codings": "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "a control character": f"Content-Length: {len(HIDDEN) + 5}\r\nTransfer-Encoding: \x0bchunked\r\n",
    "a space before the colon": f"Content-Length: {len(HIDDEN) + 5}\r\nTransfer-Encoding : chunked\r\n",
    "an underscore": f"Content-Length: {len(HIDDEN) + 5}\r\nTransfer_Encoding: chunked\r\n",
    "a folded line": f"Content-Length: {len(HIDDEN) + 5}\r\nTransfer-Encoding:\r\n chunked\r\n",
    "capitals": "Transfer-Encoding: CHUNKED\r\n",
}


@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_request_hides_in_the_body_of_another(way: Way, length: str, method: str):
    start = f"{method} {PATH} HTTP/1.1\r\nHost: {HOST}\r\n"
    signed = text_of(way.signed(method, PATH, b"" if method == "GET" else b"0\r\n\r\n"))
    received, seen = send_bytes(way, f"{start}{signed}{length}\r\n0\r\n\r\n", HIDDEN)
    assert_only_what_was_judged(way, seen)
    assert received.startswith(b"HTTP/1.1 ")


@pytest.mark.parametrize(
    "chunks",
    [
        "1;a=\nb\r\nx\r\n0\r\n\r\n",
        "0x1\r\nx\r\n0\r\n\r\n",
        "1\nx\n0\n\n",
        "1 \r\nx\r\n0\r\n\r\n",
        "-1\r\nx\r\n0\r\n\r\n",
    ],
)
def test_no_request_hides_behind_odd_chunks(way: Way, chunks: str):
    signed = text_of(way.signed("POST", PATH, b"x"))
    start = f"POST {PATH} HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n{signed}\r\n"
    _, seen = send_bytes(way, start + chunks, HIDDEN)
    assert_only_what_was_judged(way, seen)


@pytest.mark.parametrize(
    "line",
    [
        *("X-A: b\r\n Keywright-Client-Id: forged", "X-A: b\rKeywright-Client-Id: forged", "Host: other.example.com"),
        *("X-A: b\nKeywright-Client-Id: forged", "X-A: b\0Keywright-Client-Id: forged", "Keywright-Client-Id : forged"),
        *("Keywright-Client-Id:\tforged", " Keywright-Client-Id: forged", "Keywright-Client-Id", ": forged"),
    ],
)
def test_no_header_hides_in_another(way: Way, line: str):
    signed = text_of(way.signed("GET", PATH))
    _, seen = send_bytes(way, f"GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\n{signed}{line}\r\n\r\n")
    assert_only_what_was_judged(way, seen)


def test_trailers_are_not_the_gateways_word(way: Way):
    """HAProxy hands trailers on, as its page says; they are no headers."""
    signed = text_of(way.signed("POST", PATH, b"x"))
    _, seen = send_bytes(
        way,
        f"POST {PATH} HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\nTrailer: Keywright-Client-Id\r\n",
        f"{signed}\r\n1\r\nx\r\n0\r\nKeywright-Client-Id: forged\r\n\r\n",
    )
    assert [each.body for each in seen] == [b"x"]
    assert_only_what_was_judged(way, seen)
    assert way.gateway.name == "haproxy" or seen[0].trailers == b""


def test_each_request_of_a_connection_is_judged(way: Way):
    signed, unsigned = text_of(way.signed("GET", PATH)), "Keywright-Client-Id: forged\r\n"
    start = f"GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\n"
    received, seen = send_bytes(way, f"{start}{signed}\r\n", f"{start}{signed}\r\n", f"{start}{unsigned}\r\n")
    assert len(seen) == 1
    assert_only_what_was_judged(way, seen)
    assert received.count(b"HTTP/1.1 200") == 1
    assert received.count(b"HTTP/1.1 401") >= 1


def test_a_deleted_key_is_stopped_on_a_connection_that_is_kept(way: Way):
    account_id = way.server.account()
    key = way.server.key(account_id)
    token = [("Authorization", f"Bearer {token_of(way.server, key)}")]
    before = len(way.backend.seen)

    with connected(way) as secure:
        reader = secure.makefile("rb")

        def status_of(headers: list[tuple[str, str]]) -> int:
            secure.sendall(f"GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\n{text_of(headers)}\r\n".encode())
            status = int(reader.readline().split(b" ")[1])
            lines = iter(lambda: reader.readline().strip(), b"")
            [length] = [int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length")]
            reader.read(length)
            return status

        assert status_of(way.signed("GET", PATH, key=key)) == 200
        assert status_of(token) == 200
        signed = way.signed("GET", PATH, key=key)
        assert way.server.delete_key(account_id, key.client_id).status == 200
        assert status_of(signed) == 401
        assert status_of(token) == 401
    assert len(way.backend.seen) == before + 2


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_what_the_backend_says_itself_reaches_the_client(way: Way, status: int):
    target = f"/v1/payments?status={status}"
    answer = way.gateway.send("GET", target, way.signed("GET", target))
    assert (answer.status, answer.body) == (status, b'{"from": "backend"}')
    assert answer.all("Accept-Signature") == []
