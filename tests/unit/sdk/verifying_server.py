"""A server in a thread that verifies what it is sent, for the tests of everything that signs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote

from keywright.errors import Refused
from keywright.formats import format_client_secret, is_client_id, new_client_id
from keywright.signatures import (
    ED25519,
    Profile,
    SignedRequest,
    Verified,
    find_signature,
    public_key_of,
    verify_signature,
)

SEED = bytes(range(32))
CLIENT_ID = new_client_id(lambda count: bytes(range(count)))
CLIENT_SECRET = format_client_secret(SEED, "sandbox")

# Paths and queries that clients write differently from how they were typed.
URLS = [
    "/",
    "",
    "/a/./b/../c",
    "/caf\u00e9/\u4e2d\u6587?q=\u00fc&r=\U0001f600",
    "/a b?c d",
    "/a%20b?c=%2f%2F&d=+",
    "/a%7Eb/%41?x=%zz",
    "/?",
    "/??",
    "/?a=b&a=&&=c;d",
    "/a;v=1,2/(x)'*!$&@:",
    '/a|b?c|d=[1]{2}^`"<>\\',
    "//double//slash",
    "/a#fragment?not-a-query",
    "/?a=b#fragment",
    "/%",
    "/a/..",
    "/a/%2e%2e/b",
    "/100%25",
]


@dataclass
class Arrival:
    """A request as the server saw it, and what the verifier said."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    verdict: Verified | Refused
    replayed: bool

    @property
    def header(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers}

    @property
    def accepted(self) -> bool:
        return isinstance(self.verdict, Verified) and not self.replayed


@dataclass
class VerifyingServer:
    """Accepts a request once, if its signature holds. `/redirect/<status>/<target>` sends elsewhere, unverified."""

    algorithm: str = ED25519
    origin: str = ""
    arrivals: list[Arrival] = field(default_factory=list)
    connections: set[object] = field(default_factory=set)
    nonces: set[str] = field(default_factory=set)
    date_offset_seconds: float = 0  # how far its Date header is off the time by which it judges
    says_why: str = "body"  # where a refusal has its code: body or header

    @property
    def last(self) -> Arrival:
        return self.arrivals[-1]

    def judge(self, handler: BaseHTTPRequestHandler, body: bytes) -> Arrival:
        headers = [(name, value) for name, value in handler.headers.items()]
        host = handler.headers["Host"]
        # Not handler.path, in which http.server has joined leading slashes.
        path = handler.requestline.split(" ")[1]
        # RFC 9112 section 3.2.2: a client that believes in a proxy sends the whole URL.
        url = path if "://" in path else f"http://{host}{path}"
        request = SignedRequest(handler.command, url, headers, body)
        found = find_signature(request, Profile(), is_client_id)
        verdict: Verified | Refused = found if isinstance(found, Refused) else self._verify(request, found)
        replayed = isinstance(verdict, Verified) and verdict.nonce in self.nonces
        if isinstance(verdict, Verified):
            self.nonces.add(verdict.nonce)
        arrival = Arrival(handler.command, path, headers, body, verdict, replayed)
        self.arrivals.append(arrival)
        return arrival

    def _verify(self, request, found):
        if found.key_id != CLIENT_ID:
            raise AssertionError(found.key_id)
        key = public_key_of(SEED) if self.algorithm == ED25519 else SEED
        return verify_signature(request, found, self.algorithm, key, Profile(), time.time())


def _read_body(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding", "").lower() == "chunked":
        body = b""
        while size := int(handler.rfile.readline().split(b";")[0], 16):
            body += handler.rfile.read(size)
            handler.rfile.readline()
        handler.rfile.readline()
        return body
    return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))


@contextmanager
def running() -> Iterator[VerifyingServer]:
    state = VerifyingServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            state.connections.add(self.client_address)

        def log_message(self, *_: object) -> None:
            pass

        def handle_any(self) -> None:
            body = _read_body(self)
            if self.path.startswith("/redirect/"):
                _, _, status, target = self.path.split("/", 3)
                state.judge(self, body)
                self._answer(int(status), [("Location", unquote(target))])
                return
            arrival = state.judge(self, body)
            if arrival.accepted:
                self._answer(200, [])
            else:
                code = "nonce_replayed" if isinstance(arrival.verdict, Verified) else str(arrival.verdict.code)
                if state.says_why == "header":
                    challenge = ("WWW-Authenticate", f'Signature realm="api", error="{code}"')
                    self._answer(401, [("X-Code", code), challenge], b"<html>401</html>")
                else:
                    problem = ("Content-Type", "application/problem+json")
                    self._answer(401, [("X-Code", code), problem], json.dumps({"code": code}).encode())

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(timestamp or time.time() + state.date_offset_seconds)

        def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes = b"ok\n") -> None:
            content = b"" if self.command == "HEAD" else content
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "report"):
        setattr(Handler, f"do_{method}", Handler.handle_any)

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.origin = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
