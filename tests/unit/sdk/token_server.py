"""A server in a thread with a token endpoint and an API behind bearer tokens, for the tests of those who fetch them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import unquote

from verifying_server import CLIENT_ID, CLIENT_SECRET

Answer = tuple[int, dict[str, str], bytes]


def problem(status: int, code: str, **headers: str) -> Answer:
    return status, {"Content-Type": "application/problem+json", **headers}, json.dumps({"code": code}).encode()


@dataclass
class Seen:
    """A request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "")


@dataclass
class TokenServer:
    """`/auth/token` issues tokens; everything else wants one. `/redirect/<status>/<target>` leads elsewhere."""

    origin: str = ""
    life_seconds: Any = 3600
    refusals: list[Answer] = field(default_factory=list)  # what the token endpoint says next, instead of a token
    let_go: Event = field(default_factory=Event)  # while it is not set, the token endpoint takes its time
    arrivals: list[Seen] = field(default_factory=list)
    valid: set[str] = field(default_factory=set)
    code: str = "token_invalid"
    challenge_only: bool = False
    issued: int = 0
    lock: Lock = field(default_factory=Lock)

    @property
    def token_url(self) -> str:
        return self.origin + "/auth/token"

    @property
    def fetches(self) -> list[Seen]:
        return [seen for seen in self.arrivals if seen.path == "/auth/token"]

    @property
    def calls(self) -> list[Seen]:
        return [seen for seen in self.arrivals if seen.path != "/auth/token"]

    def answer(self, seen: Seen) -> Answer:
        with self.lock:
            self.arrivals.append(seen)
        if seen.path.startswith("/redirect/"):
            _, _, status, target = seen.path.split("/", 3)
            return int(status), {"Location": unquote(target)}, b""
        if seen.path == "/auth/token":
            return self._issue(seen)
        if seen.token.removeprefix("Bearer ") in self.valid:
            return 200, {}, b"ok\n"
        if self.challenge_only:
            return 401, {"WWW-Authenticate": 'Bearer realm="api", error="invalid_token"'}, b"<html>"
        return problem(401, self.code)

    def _issue(self, seen: Seen) -> Answer:
        self.let_go.wait(10)
        with self.lock:
            if self.refusals:
                return self.refusals.pop(0)
            if json.loads(seen.body or b"{}") != {"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET}:
                return problem(401, "invalid_client")
            self.issued += 1
            value = f"token-{self.issued}"
            self.valid.add(value)
        document = {"access_token": value, "token_type": "Bearer", "expires_in": self.life_seconds}
        return 200, {"Content-Type": "application/json"}, json.dumps(document).encode()

    def wait_for_fetch(self) -> None:
        deadline = time.monotonic() + 10
        while not self.fetches:
            assert time.monotonic() < deadline
            time.sleep(0.005)


@contextmanager
def issuing() -> Iterator[TokenServer]:
    state = TokenServer()
    state.let_go.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def handle_any(self) -> None:
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            else:
                # A client that gives up in the middle of a request leaves less than it said.
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more, content = state.answer(Seen(self.command, self.path, headers, body))
            self.send_response(status)
            for name, value in {**more, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    for method in ("GET", "POST"):
        setattr(Handler, f"do_{method}", Handler.handle_any)

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a client that went away while its answer was written

    server = Server(("127.0.0.1", 0), Handler)
    state.origin = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield state
    finally:
        state.let_go.set()
        server.shutdown()
        server.server_close()
