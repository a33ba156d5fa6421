"""Independent implementations of RFC 9421 to test against, one in Node and one in Python.

Both take requests as `keywright.signatures.SignedRequest` and keys as raw bytes, and give headers back.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import http_message_signatures as pypi
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from keywright.signatures import ED25519, SignedRequest

HERE = Path(__file__).parent


class PeerUnavailable(Exception):
    """The peer cannot be started; the message says what to run."""


class NodePeer:
    """npm `http-message-sig` in a Node process that stays up; see peer.mjs for the questions it answers."""

    def __init__(self) -> None:
        node = shutil.which("node")
        if node is None or not (HERE / "node_modules" / "http-message-sig").is_dir():
            raise PeerUnavailable(
                "the Node peer is not installed: run scripts/test, which runs `npm ci` in tests/peers"
            )
        self.process = subprocess.Popen(
            [node, str(HERE / "peer.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def ask(self, **question) -> dict:
        """Send one question and wait for its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise PeerUnavailable("the Node peer ended; run `node tests/peers/peer.mjs` by hand to see why")
        return json.loads(line)

    def sign(
        self,
        request: SignedRequest,
        *,
        key_id: str,
        algorithm: str,
        key: bytes,
        created: int,
        nonce: str,
        components: Sequence[str | dict],
        label: str = "sig1",
        **parameters,
    ) -> dict[str, str]:
        """Headers to add; Content-Digest must be in the request already if it is covered."""
        answer = self.ask(
            op="sign",
            request=_as_json(request),
            algorithm=algorithm,
            key=base64.b64encode(key).decode(),
            components=list(components),
            parameters={"created": created, "keyid": key_id, "nonce": nonce, **parameters},
            label=label,
        )
        assert answer["ok"], answer
        return answer["headers"]

    def verify(
        self, request: SignedRequest, *, algorithm: str, key: bytes, now: int, components: Sequence[str] = ()
    ) -> dict:
        """The peer's answer: `ok`, and what it saw or what it did not like."""
        return self.ask(
            op="verify",
            request=_as_json(request),
            algorithm=algorithm,
            key=base64.b64encode(key).decode(),
            now=now,
            components=list(components),
        )

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()


def _as_json(request: SignedRequest) -> dict:
    return {"method": request.method, "url": request.url, "headers": [list(line) for line in request.headers]}


class _Lines:
    """Header lines in the shape that the Python peer reads and writes."""

    def __init__(self, lines: Sequence[tuple[str, str]]) -> None:
        self.lines = list(lines)

    def items(self):
        return list(self.lines)

    def __iter__(self):
        return iter([name for name, _ in self.lines])

    def __contains__(self, name: str) -> bool:
        return any(have.lower() == name.lower() for have, _ in self.lines)

    def __getitem__(self, name: str) -> str:
        return next(value for have, value in self.lines if have.lower() == name.lower())

    def __setitem__(self, name: str, value: str) -> None:
        del self[name]
        self.lines.append((name, value))

    def __delitem__(self, name: str) -> None:
        self.lines = [line for line in self.lines if line[0].lower() != name.lower()]


@dataclass
class _Message:
    method: str
    url: str
    headers: _Lines


@dataclass
class _Keys(pypi.HTTPSignatureKeyResolver):
    private: object = None
    public: object = None
    asked: list[str] = field(default_factory=list)

    def resolve_private_key(self, key_id: str):
        self.asked.append(key_id)
        return self.private

    def resolve_public_key(self, key_id: str):
        self.asked.append(key_id)
        return self.public


def _pypi_algorithm(algorithm: str):
    return pypi.algorithms.ED25519 if algorithm == ED25519 else pypi.algorithms.HMAC_SHA256


class PyPIPeer:
    """PyPI `http-message-signatures`."""

    def sign(
        self,
        request: SignedRequest,
        *,
        key_id: str,
        algorithm: str,
        key: bytes,
        created: int,
        nonce: str,
        components: Sequence[str],
        label: str = "sig1",
        expires: int | None = None,
        tag: str | None = None,
        include_alg: bool = False,
    ) -> dict[str, str]:
        """Headers to add; Content-Digest must be in the request already if it is covered."""
        private = Ed25519PrivateKey.from_private_bytes(key) if algorithm == ED25519 else key
        message = _Message(request.method, request.url, _Lines(request.headers))
        signer = pypi.HTTPMessageSigner(
            signature_algorithm=_pypi_algorithm(algorithm), key_resolver=_Keys(private=private)
        )
        signer.sign(
            message,
            key_id=key_id,
            created=_moment(created),
            expires=None if expires is None else _moment(expires),
            nonce=nonce,
            label=label,
            tag=tag,
            include_alg=include_alg,
            use_existing_digest="content-digest" in message.headers,
            covered_component_ids=tuple(components),
        )
        return {name: message.headers[name] for name in ("Signature-Input", "Signature")}

    def verify(self, request: SignedRequest, *, algorithm: str, key: bytes) -> list:
        """The peer's results; raises its InvalidSignature. It reads the real clock only to look for the future."""
        public = Ed25519PublicKey.from_public_bytes(key) if algorithm == ED25519 else key
        verifier = pypi.HTTPMessageVerifier(
            signature_algorithm=_pypi_algorithm(algorithm), key_resolver=_Keys(public=public)
        )
        message = _Message(request.method, request.url, _Lines(request.headers))
        return verifier.verify(message, max_age=None)


def _moment(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC)
