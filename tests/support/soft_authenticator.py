"""A passkey in software: makes what an authenticator and a browser make together, and what forgers would like to."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

USER_PRESENT, USER_VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class SoftAuthenticator:
    """One passkey. Every part of what it says can be replaced, to be refused.

    Args:
        origin: of the page that the browser shows.
        algorithm: `es256` or `eddsa`.
    """

    def __init__(self, origin: str, *, algorithm: str = "es256") -> None:
        self.origin = origin
        self.credential_id = os.urandom(32)
        self.user_handle = b""
        self.sign_count = 0
        self.rp_id = ""
        self.key = (
            ec.generate_private_key(ec.SECP256R1()) if algorithm == "es256" else ed25519.Ed25519PrivateKey.generate()
        )

    def create(self, options: str, *, flags: int = USER_PRESENT | USER_VERIFIED | ATTESTED, **replaced: Any) -> str:
        """Answer `navigator.credentials.create`.

        Args:
            options: JSON, as the page got it.
            flags: what it says about its user.
            **replaced: parts of the client data, or `rp_id`, to lie about.
        """
        asked = json.loads(options)
        self.rp_id = asked["rp"]["id"]
        self.user_handle = decode(asked["user"]["id"])
        data = self._authenticator_data(replaced.pop("rp_id", self.rp_id), flags)
        public_key = cbor2.dumps(self._cose_key())
        data += bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + public_key
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client_data = self._client_data("webauthn.create", asked["challenge"], replaced)
        return self._credential({"attestationObject": encode(attestation), "clientDataJSON": encode(client_data)})

    def get(
        self,
        options: str,
        *,
        flags: int = USER_PRESENT | USER_VERIFIED,
        counts: bool = True,
        user_handle: bytes | None = None,
        signature: bytes | None = None,
        **replaced: Any,
    ) -> str:
        """Answer `navigator.credentials.get`.

        Args:
            options: JSON, as the page got it.
            flags: what it says about its user.
            counts: whether its count grows by this.
            user_handle: whose it says it is; the truth if None.
            signature: in the place of the true one.
            **replaced: parts of the client data, or `rp_id`, to lie about.
        """
        asked = json.loads(options)
        self.sign_count += counts
        data = self._authenticator_data(replaced.pop("rp_id", self.rp_id), flags)
        client_data = self._client_data("webauthn.get", asked["challenge"], replaced)
        signed = data + hashlib.sha256(client_data).digest()
        handle = self.user_handle if user_handle is None else user_handle
        response = {
            "authenticatorData": encode(data),
            "clientDataJSON": encode(client_data),
            "signature": encode(self._sign(signed) if signature is None else signature),
            **({"userHandle": encode(handle)} if handle else {}),
        }
        return self._credential(response)

    def _credential(self, response: dict[str, str]) -> str:
        name = encode(self.credential_id)
        return json.dumps(
            {"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {}}
        )

    def _authenticator_data(self, rp_id: str, flags: int) -> bytes:
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + self.sign_count.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str, replaced: dict[str, Any]) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, **replaced}).encode()

    def _sign(self, content: bytes) -> bytes:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(content)
        return self.key.sign(content, ec.ECDSA(hashes.SHA256()))

    def _cose_key(self) -> dict[int, Any]:
        """RFC 9053 section 7."""
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return {1: 1, 3: -8, -1: 6, -2: self.key.public_key().public_bytes_raw()}
        numbers = self.key.public_key().public_numbers()
        return {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
