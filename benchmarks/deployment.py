"""A Keywright server with a key of each algorithm, as scripts/demo would make it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

import keywright
from benchmarks.cores import on_cores
from keywright.formats import parse_client_secret
from keywright.signatures import public_key_of
from support.server import Server, running

HMAC, ED25519 = "hmac-sha256", "ed25519"


@dataclass(frozen=True)
class Deployment:
    """A running server, its keys by algorithm, and an access token."""

    server: Server
    keys: dict[str, keywright.Credential]
    secrets: dict[str, bytes]  # of the keys, by algorithm: an API key in the hands of its owner does not show its own
    token: str

    @property
    def gateway(self) -> str:
        """Scheme and authority of the gateway listener."""
        return self.server.data

    @property
    def process_id(self) -> int:
        """Of the supervisor; all other processes of the server descend from it."""
        assert self.server.process is not None
        return self.server.process.pid

    def verifying_key(self, algorithm: str) -> bytes:
        """The public key, or the shared secret, with which a key's signatures are verified."""
        secret = self.secrets[algorithm]
        return public_key_of(secret) if algorithm == ED25519 else secret

    def write_keys(self, file: Path) -> Path:
        """Write what verifies these keys' signatures, for the peers."""
        document = [
            {
                "clientId": key.client_id,
                "algorithm": algorithm,
                "key": base64.b64encode(self.verifying_key(algorithm)).decode(),
            }
            for algorithm, key in self.keys.items()
        ]
        file.write_text(json.dumps(document))
        return file


@contextmanager
def deployment(folder: Path, *cores: int, workers: int = 1) -> Iterator[Deployment]:
    """Run a server with every default of `keywright serve`.

    Args:
        folder: for its data.
        cores: that it may use.
        workers: of the gateway listener.
    """
    with ExitStack() as stack:
        with on_cores(*cores):
            server = stack.enter_context(running(folder / "data", workers=workers))
        account = server.account()
        keys, secrets = {}, {}
        for algorithm in (HMAC, ED25519):
            order = {"email": "bench@example.com", "algorithm": algorithm}
            path = f"/v1/accounts/{account}/credentials"
            made = server.call("POST", path, order, caller=server.platform).json
            keys[algorithm] = keywright.Credential(made["clientId"], made["clientSecret"], algorithm=algorithm)
            secrets[algorithm] = parse_client_secret(made["clientSecret"])
        # The last one made is the Ed25519 key, which the token stands for.
        asked = {"clientId": made["clientId"], "clientSecret": made["clientSecret"]}
        answer = httpx2.post(f"{server.data}/auth/token", json=asked, timeout=60)
        answer.raise_for_status()
        yield Deployment(server, keys, secrets, answer.json()["access_token"])
