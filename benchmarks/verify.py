"""Microseconds per verification and per signing, in process, beside the raw primitives and two other libraries.

    .venv/bin/python benchmarks/verify.py [--rounds 25]

One POST with 1 KB of JSON, ten headers and a sha-256 Content-Digest is handled. "Keywright, all of it" is
`VerificationService.verify` as the data plane calls it: signature found and checked against the strict profile, key
from the guarded cache (is anything committed since?), digest of the body, and the nonce remembered in the host's
shared memory; each request is another one, with a fresh nonce. The other libraries check signature and digest of one
request again and again, and remember nothing. Contenders take turns in short batches; a figure is the median over all
rounds, and a ratio the median of the rounds' own ratios, so trust ratios more than microseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gc
import hashlib
import hmac
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path

import http_message_signatures as pypi
import nacl.bindings
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import keywright
from keywright.accounts import AccountType, Principal, PrincipalKind, create_account, set_api_access
from keywright.accounts.principal import TokenScope
from keywright.app import open_database, prepare, random_bytes, verification_service
from keywright.credentials import Algorithm, CreateCredential, create_credential
from keywright.formats import parse_client_secret
from keywright.keyring import KeyringFile
from keywright.mail import Outbox
from keywright.settings import Settings, load_settings
from keywright.signatures import SignedRequest, find_signature, public_key_of, signature_base, verify_signature
from keywright.verification import Accepted, VerificationService

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from peers.peers import PyPIPeer, _Keys, _Lines, _Message, _pypi_algorithm

URL = "https://api.example.com/v1/payments?currency=EUR"
BODY = json.dumps({"amount": "125.00", "reference": "x" * 980}).encode().ljust(1024)
HEADERS = [
    ("Host", "api.example.com"),
    ("User-Agent", "acme-shop/3.2 (linux)"),
    ("Accept", "application/json"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Content-Type", "application/json"),
    ("Content-Length", "1024"),
    ("X-Request-Id", "0b5f3c9e-7d1c-4b1e-9f2e-8a41c0de77aa"),
]
COMPONENTS = ["@method", "@target-uri", "content-digest", "content-type"]
_AT_A_TIME = 50
NODE_PEER = Path(__file__).parent / "verify_peer.mjs"
PYPI = f"PyPI http-message-signatures {pypi.__version__ if hasattr(pypi, '__version__') else '3.0.0'}"


class Contender:
    """Something that is timed in turns with the others."""

    def __init__(self, name: str, call: Callable[[], object], batch: int) -> None:
        self.name, self.batch, self._call = name, batch, call
        self.micros: list[float] = []

    def take_turn(self) -> None:
        call, turns = self._call, range(self.batch)
        started = time.perf_counter()
        for _ in turns:
            call()
        self.micros.append((time.perf_counter() - started) / self.batch * 1e6)


class Whole(Contender):
    """The data plane's own call. Requests are signed before the clock runs."""

    def __init__(self, service: VerificationService, key: keywright.Credential, batch: int) -> None:
        super().__init__("**Keywright, all of it**", lambda: None, batch)
        self._service, self._key = service, key
        self._loop = asyncio.new_event_loop()

    def take_turn(self) -> None:
        took = 0.0
        # A few at a time, since a server's request has just been read and is still in the processor's cache.
        for _ in range(self.batch // _AT_A_TIME):
            requests = [SignedRequest("POST", URL, signed_lines(self._key), BODY) for _ in range(_AT_A_TIME)]
            took += self._loop.run_until_complete(self._verify(requests))
        self.micros.append(took / (self.batch // _AT_A_TIME * _AT_A_TIME) * 1e6)

    async def _verify(self, requests: list[SignedRequest]) -> float:
        verify = self._service.verify
        started = time.perf_counter()
        verdicts = [await verify(request) for request in requests]
        took = time.perf_counter() - started
        if refused := [verdict for verdict in verdicts if not isinstance(verdict, Accepted)]:
            raise SystemExit(f"refused: {refused[0]}")
        return took


class InNode(Contender):
    """npm http-message-sig, timed by its own process."""

    def __init__(self, process: subprocess.Popen[str], question: dict[str, object], batch: int) -> None:
        super().__init__("npm http-message-sig 0.3.0, in Node", lambda: None, batch)
        self._process, self._question = process, json.dumps({**question, "times": batch}) + "\n"

    def take_turn(self) -> None:
        self._process.stdin.write(self._question)
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise SystemExit(f"{self.name}: {answer['error']}")
        self.micros.append(answer["micros"])


class Material:
    """One key and one signed request, in the shapes that the contenders want."""

    def __init__(self, service: VerificationService, key: keywright.Credential, client_secret: str) -> None:
        self.service, self.key, self.algorithm = service, key, key.algorithm
        self.secret = parse_client_secret(client_secret)
        self.is_ed25519 = self.algorithm == "ed25519"
        self.verifying_key = public_key_of(self.secret) if self.is_ed25519 else self.secret
        self.lines = signed_lines(key)
        request = SignedRequest("POST", URL, self.lines, BODY)
        self.found = find_signature(request, service.profile, lambda _: True)
        self.base = signature_base(request, self.found).encode()

    def verifiers(self, node: subprocess.Popen[str]) -> list[Contender]:
        """The raw primitives first: what no verifier can do without."""
        profile, algorithm, key = self.service.profile, self.algorithm, self.verifying_key
        base, secret, lines = self.base, self.secret, self.lines

        def signature_and_digest() -> None:
            request = SignedRequest("POST", URL, lines, BODY)
            found = find_signature(request, profile, lambda _: True)
            verify_signature(request, found, algorithm, key, profile, time.time())

        def two_hashes() -> None:
            hmac.digest(secret, base, "sha256")
            hashlib.sha256(BODY).digest()

        signed_message = self.found.signature + base
        opened = nacl.bindings.crypto_sign_open

        def libsodium() -> None:
            opened(signed_message, key)

        public = Ed25519PublicKey.from_public_bytes(key) if self.is_ed25519 else key
        verifier = pypi.HTTPMessageVerifier(
            signature_algorithm=_pypi_algorithm(algorithm), key_resolver=_Keys(public=public)
        )
        message = _Message("POST", URL, _Lines(lines))
        max_age = timedelta(seconds=300)
        question = {
            "algorithm": algorithm,
            "key": base64.b64encode(key).decode(),
            "method": "POST",
            "url": URL,
            "headers": [list(line) for line in lines],
            "body": base64.b64encode(BODY).decode(),
        }
        few, many = 60, 400 if self.is_ed25519 else 1000
        raw = (
            Contender("libsodium's verify alone", libsodium, many)
            if self.is_ed25519
            else Contender("the two hashes alone", two_hashes, many)
        )
        return [
            raw,
            Whole(self.service, self.key, many),
            Contender("Keywright, signature and digest only", signature_and_digest, many),
            InNode(node, question, few * 4),
            Contender(PYPI, lambda: verifier.verify(message, max_age=max_age, body=BODY), few),
        ]

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
                SignedRequest("POST", URL, digested, BODY),
                key_id=key.client_id,
                algorithm=self.algorithm,
                key=secret,
                created=int(time.time()),
                nonce=f"{next(nonces):032}",
                components=COMPONENTS,
            )

        return [
            Contender("the primitives alone", primitives, 500),
            Contender(
                "**Keywright**",
                lambda: keywright.sign(key, method="POST", url=URL, headers=HEADERS, body=BODY),
                500,
            ),
            Contender(PYPI, theirs, 60),
        ]


def signed_lines(key: keywright.Credential) -> list[tuple[str, str]]:
    """The header lines of a signed request."""
    return [*HEADERS, *keywright.sign(key, method="POST", url=URL, headers=HEADERS, body=BODY).items()]


def deployment(folder: Path) -> tuple[VerificationService, dict[str, tuple[keywright.Credential, str]]]:
    """A real deployment: database, keyring, memory of nonces, and an account with a key of each algorithm."""
    settings = load_settings(data_dir=folder)
    prepare(settings)
    keys = asyncio.run(_create_keys(settings))
    service, *_ = verification_service(
        settings, open_database(settings), KeyringFile(settings.keyring_path, random_bytes)
    )
    return service, keys


async def _create_keys(settings: Settings) -> dict[str, tuple[keywright.Credential, str]]:
    keyring = KeyringFile(settings.keyring_path, random_bytes)
    platform_token = Principal(PrincipalKind.OPERATOR_TOKEN, "opt_bench", "bench", TokenScope.PLATFORM)
    database, keys = open_database(settings), {}
    outbox = Outbox(keyring, settings.base_url, random_bytes)
    async with database.write() as session:
        account = await create_account(
            session, platform_token, name="Bench", account_type=AccountType.CORPORATE, random_bytes=random_bytes
        )
        await set_api_access(session, platform_token, account.account_id, enabled=True, reason=None, outbox=outbox)
        for algorithm in Algorithm:
            made = await create_credential(
                session,
                platform_token,
                CreateCredential(account.account_id, "bench@example.com", None, algorithm),
                keyring=keyring,
                environment="live",
                random_bytes=random_bytes,
                outbox=outbox,
            )
            key = keywright.Credential(made.credential.client_id, made.client_secret, algorithm=algorithm.value)
            keys[algorithm.value] = (key, made.client_secret)
        await session.commit()
    await database.close()
    return keys


def take_turns(title: str, contenders: list[Contender], rounds: int) -> None:
    """Let all take turns, so that a slow spell of the machine meets each of them; then print their table."""
    for contender in contenders:
        contender.take_turn()
        contender.micros.clear()
    for number in range(rounds):
        print(f"\r{title}: round {number + 1} of {rounds} ", end="", file=sys.stderr, flush=True)
        for contender in contenders:
            gc.collect()
            contender.take_turn()
    print(file=sys.stderr)
    raw = contenders[0]
    print(f"\n| {title} | us, median | quickest and slowest round | times {raw.name} |")
    print("|---|---|---|---|")
    for contender in contenders:
        ratio = statistics.median(mine / its for mine, its in zip(contender.micros, raw.micros, strict=True))
        middle, low, high = statistics.median(contender.micros), min(contender.micros), max(contender.micros)
        print(f"| {contender.name} | {middle:.1f} | {low:.1f}, {high:.1f} | {ratio:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25, help="turns that each contender gets (25)")
    rounds = parser.parse_args().rounds
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {rounds} rounds")
    node = subprocess.Popen(["node", str(NODE_PEER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with tempfile.TemporaryDirectory(prefix="keywright-bench-") as folder:
        service, keys = deployment(Path(folder))
        for algorithm in ("hmac-sha256", "ed25519"):
            material = Material(service, *keys[algorithm])
            take_turns(f"verify, {algorithm}", material.verifiers(node), rounds)
            take_turns(f"sign, {algorithm}", material.signers(), rounds)
    node.stdin.close()
    node.wait(10)


if __name__ == "__main__":
    main()
