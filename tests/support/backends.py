"""What stands behind a gateway in tests: a backend that remembers, and a wire to Keywright that can be cut."""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from support.gateways import block

# The very lines that the page offers to backends.
_page: dict[str, Any] = {}
exec(compile(block("gateways/bodies.md", "python"), "docs/gateways/bodies.md", "exec"), _page)
body_is_genuine: Callable[[str | None, str | None, bytes], bool] = _page["body_is_genuine"]


@dataclass(frozen=True)
class Seen:
    """A request as it reached the backend."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    trailers: bytes = b""

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for found, value in self.headers if found.lower() == name.lower()]


class Backend:
    """Answers 200 to whatever has a genuine body, or what `status=` in the query asks for, 400 to the rest.

    It takes any method, CONNECT too, and remembers all that came whole.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> Backend:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        seen = self.seen

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def handle_one_request(self) -> None:
                with contextlib.suppress(ConnectionError):  # a gateway may close a kept connection
                    super().handle_one_request()

            def answer(self) -> None:
                try:
                    body, trailers = self._read_body()
                except ValueError:  # the gateway gave up in the middle of a body
                    self.close_connection = True
                    return
                came = Seen(self.command, self.path, list(self.headers.items()), body, trailers)
                seen.append(came)
                lines = (", ".join(came.all(name)) or None for name in ("Signature-Input", "Content-Digest"))
                genuine = body_is_genuine(*lines, came.body)
                text = json.dumps({"from": "backend"} if genuine else {"code": "digest_mismatch"}).encode()
                asked_for = re.search(r"[?&]status=([0-9]{3})", came.target)
                self.send_response((int(asked_for[1]) if asked_for else 200) if genuine else 400)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else text)

            def _read_body(self) -> tuple[bytes, bytes]:
                if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0)), b""
                pieces, trailers = [], []
                while size := int(self.rfile.readline().partition(b";")[0], 16):
                    pieces.append(self.rfile.read(size))
                    self.rfile.readline()
                while line := self.rfile.readline().strip():
                    trailers.append(line)
                return b"".join(pieces), b"\n".join(trailers)

            def log_message(self, *_arguments: Any) -> None:
                pass

            def __getattr__(self, name: str) -> Any:
                if name.startswith("do_"):
                    return self.answer
                raise AttributeError(name)

        return Handler


class Wire:
    """A TCP connection to Keywright that counts connections, and can be cut or left hanging.

    Args:
        target: host and port that it leads to.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listener: socket.socket | None = None
        self._port = 0
        self._open: list[socket.socket] = []
        self.connections = 0
        self.hangs = False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def join(self) -> Wire:
        """Listen, at the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def cut(self) -> None:
        """Close everything: whoever connects is refused."""
        assert self._listener is not None
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept, which close alone does not
        self._listener.close()
        self.drop()

    def drop(self) -> None:
        """Close the connections that are open; new ones may come."""
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.clear()

    @contextlib.contextmanager
    def being_cut(self) -> Iterator[None]:
        self.cut()
        try:
            yield
        finally:
            self.join()

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Connections are taken, and nothing is ever answered."""
        self.hangs = True
        self.drop()
        try:
            yield
        finally:
            self.hangs = False
            self.drop()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                self.connections += 1
                self._open.append(near)
                if not self.hangs:
                    far = socket.create_connection(self._target)
                    self._open.append(far)
                    for source, sink in ((near, far), (far, near)):
                        threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
