"""Microseconds per verification and per signing, in process, beside the raw primitives and other libraries."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import http_message_signatures as pypi
import nacl.bindings
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import keywright
from benchmarks.cores import on_cores
from benchmarks.deployment import ED25519, HMAC, Deployment, deployment
from benchmarks.effort import Effort, Progress, client_core, server_core
from benchmarks.figures import Result
from benchmarks.machine import npm_versions
from benchmarks.message import BODY, COMPONENTS, HEADERS, METHOD, URL, signed_lines
from benchmarks.timing import Contender, InNode, NodeProcess
from keywright.app import open_database, random_bytes, verification_service
from keywright.keyring import KeyringFile
from keywright.settings import load_settings
from keywright.signatures import SignedRequest, find_signature, signature_base, verify_signature
from keywright.verification import Accepted, VerificationService, settled
from peers.peers import PyPIPeer, _Keys, _Lines, _Message, _pypi_algorithm

PART = "in-process"
_AT_A_TIME = 50
_PYPI = "PyPI http-message-signatures"
HOW = (
    "One POST with 1 KB of JSON, ten headers and a sha-256 Content-Digest, in turns, in one process on one core. "
    "Keywright, all of it, is what the data plane does for a request: signature found and checked against the "
    "strict profile, key from the guarded cache, digest of the body, nonce remembered in the host's shared "
    "memory; each request is another one. The other libraries check signature and digest of one request again and"
    " again, and remember nothing."
)


class Whole(Contender):
    """The data plane's own call. Requests are signed before the clock runs."""

    def __init__(self, service: VerificationService, key: keywright.Credential, batch: int) -> None:
        super().__init__("all", "**Keywright, all of it**", lambda: None, batch)
        self._service, self._key = service, key
        self._loop = asyncio.new_event_loop()

    def turn(self) -> float:
        """Microseconds of one verification, over a batch."""
        took = 0.0
        # A few at a time, since a server's request has just been read and is still in the processor's cache.
        for _ in range(self.batch // _AT_A_TIME):
            requests = [SignedRequest(METHOD, URL, signed_lines(self._key), BODY) for _ in range(_AT_A_TIME + 1)]
            took += self._loop.run_until_complete(self._verify(requests))
        return took / (self.batch // _AT_A_TIME * _AT_A_TIME) * 1e6

    async def _verify(self, requests: list[SignedRequest]) -> float:
        judge = self._service.judge
        await settled(self._service.judge(requests.pop()))  # brings the key into the cache, should it have been emptied
        started = time.perf_counter()
        verdicts = [judge(request) for request in requests]
        took = time.perf_counter() - started
        if refused := [verdict for verdict in verdicts if not isinstance(verdict, Accepted)]:
            raise SystemExit(f"Keywright refused a good request: {refused[0]}")
        return took


class Material:
    """One key and one signed request, in the shapes that the contenders want."""

    def __init__(self, service: VerificationService, deployed: Deployment, algorithm: str) -> None:
        self.service, self.algorithm = service, algorithm
        self.key, self.secret = deployed.keys[algorithm], deployed.secrets[algorithm]
        self.is_ed25519 = algorithm == ED25519
        self.verifying_key = deployed.verifying_key(algorithm)
        self.lines = signed_lines(self.key)
        self.found: Any = find_signature(SignedRequest(METHOD, URL, self.lines, BODY), service.profile, lambda _: True)
        self.base = signature_base(SignedRequest(METHOD, URL, self.lines, BODY), self.found).encode()

    def verifiers(self, node: NodeProcess) -> list[Contender]:
        """The raw primitives first: what no verifier can do without."""
        few, many = 60, 400 if self.is_ed25519 else 1000
        question = {
            "algorithm": self.algorithm,
            "key": base64.b64encode(self.verifying_key).decode(),
            "method": METHOD,
            "url": URL,
            "headers": [list(line) for line in self.lines],
            "body": base64.b64encode(BODY).decode(),
        }
        return [
            self._primitive(many),
            Whole(self.service, self.key, many),
            Contender("signature", "Keywright, signature and digest only", self._signature_and_digest(), many),
            *(
                InNode(node, library, npm_versions()[library], question, few * 4)
                for library in ("http-message-sig", "http-message-signatures")
            ),
            Contender("pypi", _PYPI, self._pypi_verify(), few),
        ]

    def _primitive(self, many: int) -> Contender:
        base, secret, key = self.base, self.secret, self.verifying_key
        if self.is_ed25519:
            signed_message, opened = self.found.signature + base, nacl.bindings.crypto_sign_open
            return Contender("raw", "libsodium's verify alone", lambda: opened(signed_message, key), many)

        def two_hashes() -> None:
            hmac.digest(secret, base, "sha256")
            hashlib.sha256(BODY).digest()

        return Contender("raw", "the two hashes alone", two_hashes, many)

    def _signature_and_digest(self) -> Callable[[], object]:
        profile, algorithm, key, lines = self.service.profile, self.algorithm, self.verifying_key, self.lines

        def call() -> None:
            request = SignedRequest(METHOD, URL, lines, BODY)
            found: Any = find_signature(request, profile, lambda _: True)
            verify_signature(request, found, algorithm, key, profile, time.time())

        return call

    def _pypi_verify(self) -> Callable[[], object]:
        key = self.verifying_key
        public = Ed25519PublicKey.from_public_bytes(key) if self.is_ed25519 else key
        verifier = pypi.HTTPMessageVerifier(
            signature_algorithm=_pypi_algorithm(self.algorithm), key_resolver=_Keys(public=public)
        )
        message, max_age = _Message(METHOD, URL, _Lines(self.lines)), timedelta(seconds=300)
        return lambda: verifier.verify(message, max_age=max_age, body=BODY)

    def signers(self) -> list[Contender]:
        """The raw primitives first."""
        base, secret, key, peer, nonces = self.base, self.secret, self.key, PyPIPeer(), count()
        expanded = nacl.bindings.crypto_sign_seed_keypair(secret)[1] if self.is_ed25519 else b""

        def primitives() -> None:
            if expanded:
                nacl.bindings.crypto_sign(base, expanded)
            else:
                hmac.digest(secret, base, "sha256")
            hashlib.sha256(BODY).digest()

        def theirs() -> None:
            digested = [*HEADERS, ("Content-Digest", pypi.ContentDigest.create(BODY))]
            peer.sign(
                SignedRequest(METHOD, URL, digested, BODY),
                key_id=key.client_id,
                algorithm=self.algorithm,
                key=secret,
                created=int(time.time()),
                nonce=f"{next(nonces):032}",
                components=COMPONENTS,
            )

        return [
            Contender("raw", "the primitives alone", primitives, 500),
            Contender(
                "ours",
                "**Keywright**",
                lambda: keywright.sign(key, method=METHOD, url=URL, headers=HEADERS, body=BODY),
                500,
            ),
            Contender("pypi", _PYPI, theirs, 60),
        ]

    def check(self) -> None:
        """Make sure that our own call refuses what was tampered with, and what it has seen."""
        loop = asyncio.new_event_loop()

        def judged(lines: list[tuple[str, str]], body: bytes) -> bool:
            verdict = loop.run_until_complete(settled(self.service.judge(SignedRequest(METHOD, URL, lines, body))))
            return isinstance(verdict, Accepted)

        lines, other = signed_lines(self.key), BODY.replace(b"125.00", b"925.00")
        if (judged(lines, other), judged(lines, BODY), judged(lines, BODY)) != (False, True, False):
            raise SystemExit(
                "Keywright must refuse a tampered request, take the good one, and refuse it the second time"
            )
        loop.close()


@contextmanager
def _service(data_dir: Path):
    """The verifier of a deployment whose server runs, in this process."""
    settings = load_settings(data_dir=data_dir)
    database = open_database(settings)
    service, keys, nonces, _ = verification_service(
        settings, database, KeyringFile(settings.keyring_path, random_bytes)
    )
    try:
        yield service
    finally:
        asyncio.run(keys.close())
        nonces.close()
        asyncio.run(database.close())


def measure(effort: Effort) -> Result:
    """Let all contenders take turns, so that a slow spell of the machine meets each of them."""
    result, progress = effort.result(PART, "Verifying and signing, in process", HOW), Progress(PART)
    rounds = effort.rounds * (1 if effort.quick else 3)
    folder, node = effort.room(PART), None
    progress.say("making keys")
    with deployment(folder, client_core()) as deployed, _service(folder / "data") as service:
        with on_cores(server_core()):
            node = NodeProcess()
        tables = {}
        for algorithm in (HMAC, ED25519):
            material = Material(service, deployed, algorithm)
            material.check()
            tables[f"verify {algorithm}"] = material.verifiers(node)
            tables[f"sign {algorithm}"] = material.signers()
        with on_cores(server_core()):
            for number in range(rounds + 1):
                progress.say(f"round {number} of {rounds}" if number else "warming up")
                for table, contenders in tables.items():
                    for contender in contenders:
                        micros = contender.turn()
                        if number:
                            result.add(f"{table}/{contender.key}", contender.name, "us", micros)
        node.close()
    progress.done()
    return result
