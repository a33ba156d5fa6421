"""An answer that is kept for a key is nobody's to change: whatever stands between us and the server edits a copy."""

from __future__ import annotations

from typing import Any

from keywright.gateway import Gateway
from keywright.telemetry import Metrics
from keywright.verification import Accepted


class Service:
    """Accepts everything, as of one client."""

    def judge(self, _request: Any, _fields: Any = None) -> Accepted:
        return Accepted("ck_1", "acc_1", "corporate", "signature", (), body_verified=False)


class NoTokens:
    def __init__(self) -> None:
        self.oauth_paths: dict[str, str] = {}


async def nothing() -> None:
    """Nothing is to be done."""


async def ask(gateway: Gateway) -> list[tuple[bytes, bytes]]:
    """Ask, let somebody add a line to the answer, and return the lines."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"x-original-method", b"GET"), (b"x-original-url", b"https://api.example.com/")]
    scope = {"type": "http", "http_version": "1.1", "method": "GET", "path": "/v1/forward-auth", "headers": headers}
    await gateway(scope, nothing, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 200
    lines: list[tuple[bytes, bytes]] = sent[0]["headers"]
    lines.append((b"x-request", b"of this one only"))
    return lines


async def test_an_edited_answer_is_not_the_next_one():
    gateway = Gateway(
        Service(),  # type: ignore[arg-type]
        Metrics(),
        is_ready=nothing,
        every_second=lambda: None,
        start=lambda: None,
        stop=nothing,
        max_body_bytes=1000,
        api_origin=None,
        tokens=NoTokens(),  # type: ignore[arg-type]
    )
    first, second = await ask(gateway), await ask(gateway)
    assert first == second
    assert [name for name, _ in second].count(b"x-request") == 1
    assert (b"keywright-client-id", b"ck_1") in second
