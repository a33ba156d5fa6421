"""A client, a gateway, Keywright and a backend in a row, and the ways to send through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keywright
from support.backends import Backend, Seen, Wire
from support.gateways import HOST, Received, RunningGateway
from support.server import Server

ORIGIN = f"https://{HOST}"


@dataclass
class Way:
    """What stands in the row."""

    gateway: RunningGateway
    wire: Wire
    backend: Backend
    server: Server
    account_id: str
    key: keywright.Credential

    def signed(
        self, method: str, target: str, body: bytes = b"", *, origin: str = ORIGIN, **options: Any
    ) -> list[tuple[str, str]]:
        """The header lines of a request that is signed for this origin."""
        key = options.pop("key", self.key)
        return list(keywright.sign(key, method=method, url=origin + target, body=body, **options).items())

    def passed(self, *arguments: Any, **named: Any) -> tuple[Received, Seen]:
        """Send; it must reach the backend, once."""
        before = len(self.backend.seen)
        answer = self.gateway.send(*arguments, **named)
        assert answer.status == 200, answer
        assert len(self.backend.seen) == before + 1
        return answer, self.backend.seen[-1]

    def stopped(self, *arguments: Any, **named: Any) -> Received:
        """Send; it must not reach the backend."""
        before = len(self.backend.seen)
        answer = self.gateway.send(*arguments, **named)
        assert len(self.backend.seen) == before, f"the backend got it: {self.backend.seen[-1]}"
        assert answer.status >= 400, answer
        return answer
