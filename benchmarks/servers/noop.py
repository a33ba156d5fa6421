"""The gateway listener with a handler that does nothing in the place of the gateway: what its web server alone can do.

The process is the gateway's own (`keywright.serving.listener`), with every setting of its web server; only the
application is another. Whatever of ASGI and RSGI the listener speaks, this does too. With `verify` as its argument the
handler checks one Ed25519 signature with libsodium, always the same: no-op and primitive in one process. Standard input
has the settings as one line, then a line that says go; it stays open as the lifeline.
"""

from __future__ import annotations

import sys
from typing import Any

import nacl.bindings

from keywright.serving import listener
from keywright.serving.draining import DrainFlag
from keywright.settings import Settings

_START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
_END = {"type": "http.response.body", "body": b""}
_PUBLIC, _SECRET = nacl.bindings.crypto_sign_seed_keypair(bytes(32))
_SIGNED = nacl.bindings.crypto_sign(b"x" * 420, _SECRET)  # as long as a signature base


class NoOp:
    """Answers 200 to everything."""

    def __init__(self, *, verify: bool) -> None:
        self._verify = verify

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        if self._verify:
            nacl.bindings.crypto_sign_open(_SIGNED, _PUBLIC)
        await send(_START)
        await send(_END)

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        if self._verify:
            nacl.bindings.crypto_sign_open(_SIGNED, _PUBLIC)
        protocol.response_empty(200, [])


if __name__ == "__main__":
    with_verify = sys.argv[1:] == ["verify"]
    # Without a buffer: what follows the settings is for the listener.
    with open(0, "rb", buffering=0, closefd=False) as lines:
        settings = Settings.model_validate_json(lines.readline())
    listener.load = lambda *_: NoOp(verify=with_verify)
    listener.main("data", settings, 0, DrainFlag())
