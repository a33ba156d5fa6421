"""A TCP relay between an application and its gateway listener, which counts, notes, and can answer instead."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

HOST = "127.0.0.1"


class Relay:
    """Hands on what comes; `requests` is all that was sent through it, `connections` how many were made.

    Args:
        target: URL of the listener behind it; may be changed later, with `cut`.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        # Answered in the target's place if not None, with the connection closed behind it; b"" is no answer.
        self.instead: bytes | None = None
        self.is_silent = False
        self.connections = 0
        self.requests = bytearray()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listening = socket.create_server((HOST, 0))
        self.url = f"http://{HOST}:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End every connection that is open."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """Count and note anew."""
        self.connections = 0
        self.requests.clear()

    def close(self) -> None:
        """End everything."""
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # of the listening socket, once it is closed
            while True:
                connection, _ = self._listening.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._held(connection), contextlib.suppress(OSError):
            if self.is_silent:
                while connection.recv(65536):
                    pass
            elif self.instead is not None:
                _read_request(connection)
                connection.sendall(self.instead)
            else:
                where = urlsplit(self.target)
                with socket.create_connection((HOST, where.port or 80)) as behind, self._held(behind):
                    back = threading.Thread(target=self._pump, args=(behind, connection), daemon=True)
                    back.start()
                    self._pump(connection, behind, self.requests)
                    back.join()

    @contextlib.contextmanager
    def _held(self, connection: socket.socket) -> Iterator[None]:
        with self._lock:
            self._open.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(connection)
                connection.close()

    def _pump(self, source: socket.socket, sink: socket.socket, noted: bytearray | None = None) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                if noted is not None:
                    noted += piece
                sink.sendall(piece)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _read_request(connection: socket.socket) -> None:
    """Read to the end: whoever closes on what was not read takes its own answer back."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    found = re.search(rb"(?i)content-length: *(\d+)", head)
    missing = int(found[1]) - len(body) if found else 0
    while missing > 0:
        piece = connection.recv(65536)
        if not piece:
            return
        missing -= len(piece)
