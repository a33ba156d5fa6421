"""HTTP by hand, for requests that no client would send."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

MAX_ANSWER_BYTES = 4_000_000


@dataclass(frozen=True)
class RawAnswer:
    """What came back, or status 0 if the connection was closed without an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def exchange(base_url: str, request: bytes) -> RawAnswer:
    """Send these very bytes on a connection of their own; read until the answer is complete."""
    where = urlsplit(base_url)
    assert where.hostname is not None
    with socket.create_connection((where.hostname, where.port or 80), timeout=20) as connection:
        with suppress(ConnectionError):  # a server may answer and close before it has read all
            connection.sendall(request)
        received = b""
        with suppress(ConnectionError):
            while len(received) < MAX_ANSWER_BYTES and not _is_complete(received):
                piece = connection.recv(65536)
                if not piece:
                    break
                received += piece
    return _parse(received)


def raw_request(method: bytes, path: bytes, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b"") -> bytes:
    """Bytes of a request with a Content-Length, closing the connection afterwards."""
    lines = [(b"Host", b"keywright.test"), (b"Connection", b"close"), *headers]
    if body:
        lines.append((b"Content-Length", str(len(body)).encode()))
    return b"".join([method, b" ", path, b" HTTP/1.1\r\n", *(n + b": " + v + b"\r\n" for n, v in lines), b"\r\n", body])


def chunked_request(method: bytes, path: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bytes:
    """The same in chunks of 64 KiB, without saying beforehand how much there is."""
    head = raw_request(method, path, [*headers, (b"Transfer-Encoding", b"chunked")])
    pieces = [body[start : start + 65536] for start in range(0, len(body), 65536)]
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def _is_complete(received: bytes) -> bool:
    head, separator, body = received.partition(b"\r\n\r\n")
    length = _headers(head).get("content-length")
    return bool(separator) and length is not None and len(body) >= int(length)


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _parse(received: bytes) -> RawAnswer:
    head, _, body = received.partition(b"\r\n\r\n")
    if not head:
        return RawAnswer(0, {}, b"")
    headers = _headers(head)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = _joined_chunks(body)
    return RawAnswer(int(head.split(b" ")[1]), headers, body)


def _joined_chunks(body: bytes) -> bytes:
    joined = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            break
        joined, body = joined + rest[:length], rest[length + 2 :]
    return joined
