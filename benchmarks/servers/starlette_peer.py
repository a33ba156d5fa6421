"""Starlette on uvicorn with PyPI http-message-signatures: python starlette_peer.py PORT KEYS.json plain|quick.

plain is uvicorn as pip installs it by itself (h11 on asyncio's loop); quick is with httptools and uvloop. It answers
the question that a gateway asks about a request, as Keywright's forward-auth does.
"""

from __future__ import annotations

import base64
import json
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import http_message_signatures as signatures
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_MAX_AGE = timedelta(seconds=300)


@dataclass
class Message:
    """What the library reads of a request."""

    method: str
    url: str
    headers: Headers


class Keys(signatures.HTTPSignatureKeyResolver):
    """All keys of one algorithm."""

    def __init__(self, keys: dict[str, Any]) -> None:
        self._keys = keys

    def resolve_public_key(self, key_id: str) -> Any:
        return self._keys[key_id]

    def resolve_private_key(self, key_id: str) -> Any:
        raise KeyError(key_id)


def verifiers(file: Path) -> dict[str, signatures.HTTPMessageVerifier]:
    """A verifier for each key, by Client ID."""
    found = {}
    for each in json.loads(file.read_text()):
        raw, is_ed25519 = base64.b64decode(each["key"]), each["algorithm"] == "ed25519"
        algorithm = signatures.algorithms.ED25519 if is_ed25519 else signatures.algorithms.HMAC_SHA256
        key = Ed25519PublicKey.from_public_bytes(raw) if is_ed25519 else raw
        resolver = Keys({each["clientId"]: key})
        found[each["clientId"]] = signatures.HTTPMessageVerifier(signature_algorithm=algorithm, key_resolver=resolver)
    return found


def application(known: dict[str, signatures.HTTPMessageVerifier]) -> Starlette:
    async def answer(request: Request) -> Response:
        headers = request.headers
        message = Message(headers["x-original-method"], headers["x-original-url"], headers)
        # The library takes one algorithm for each verifier, so the key must be known before it reads the signature.
        client_id = headers["signature-input"].partition('keyid="')[2].partition('"')[0]
        try:
            known[client_id].verify(message, max_age=_MAX_AGE)
        except (KeyError, signatures.HTTPMessageSignaturesException):
            return Response(status_code=401)
        return Response(status_code=200, headers={"client-id": client_id})

    return Starlette(routes=[Route("/v1/forward-auth", answer)])


if __name__ == "__main__":
    uvicorn.run(
        application(verifiers(Path(sys.argv[2]))),
        port=int(sys.argv[1]),
        loop="uvloop" if sys.argv[3] == "quick" else "asyncio",
        http="httptools" if sys.argv[3] == "quick" else "h11",
        log_level="warning",
        access_log=False,
    )
