"""The same over HTTP/2, as curl sends it: pseudo-headers in place of the request line, bodies without a length."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.gateways import HOST
from support.ways import Way

PATH = "/v1/payments?currency=EUR&note=a%20b"
BODY = b'{"amount":"12.50"}'


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
