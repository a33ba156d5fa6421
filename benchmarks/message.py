"""The one request that everything is measured with, signed anew each time."""

from __future__ import annotations

import json
from collections.abc import Iterator

import keywright

METHOD = "POST"
HOST = "api.example.com"
TARGET = "/v1/payments?currency=EUR"
URL = f"https://{HOST}{TARGET}"
BODY = json.dumps({"amount": "125.00", "reference": "x" * 980}).encode().ljust(1024)
HEADERS = [
    ("Host", HOST),
    ("User-Agent", "acme-shop/3.2 (linux)"),
    ("Accept", "application/json"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Content-Type", "application/json"),
    ("Content-Length", "1024"),
    ("X-Request-Id", "0b5f3c9e-7d1c-4b1e-9f2e-8a41c0de77aa"),
]
COMPONENTS = ["@method", "@target-uri", "content-digest", "content-type"]


def signed_lines(key: keywright.Credential) -> list[tuple[str, str]]:
    """All header lines of the request, signed now with a fresh nonce."""
    return [*HEADERS, *keywright.sign(key, method=METHOD, url=URL, headers=HEADERS, body=BODY).items()]


def as_sent(lines: list[tuple[str, str]]) -> bytes:
    """The request as its client sends it, body and all."""
    return _raw(f"{METHOD} {TARGET}", lines) + BODY


def as_asked(lines: list[tuple[str, str]]) -> bytes:
    """The question that a gateway asks about the request, without its body (docs/gateways/nginx.md)."""
    kept = [(name, value) for name, value in lines if name not in {"Host", "Content-Length"}]
    own = [("Host", "keywright"), ("X-Original-Method", METHOD), ("X-Original-URL", URL)]
    return _raw("GET /v1/forward-auth", [*own, *kept])


def signed(key: keywright.Credential, shape, count: int) -> Iterator[bytes]:
    """So many requests in this shape (`as_sent` or `as_asked`), each with a nonce of its own."""
    for _ in range(count):
        yield shape(signed_lines(key))


def with_header(shape, name: str, value: str) -> bytes:
    """The request unsigned, with a header instead: Authorization, or an API key."""
    return shape([*HEADERS, (name, value)])


def _raw(start: str, lines: list[tuple[str, str]]) -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return f"{start} HTTP/1.1\r\n{head}\r\n".encode("latin-1")
