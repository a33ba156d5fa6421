"""The two signature algorithms: Ed25519 and HMAC with SHA-256."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import Final

from nacl import bindings
from nacl.exceptions import BadSignatureError

ED25519: Final = "ed25519"
HMAC_SHA256: Final = "hmac-sha256"
ALGORITHMS: Final = frozenset({ED25519, HMAC_SHA256})

_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_BLOCK_BYTES = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


def public_key_of(seed: bytes) -> bytes:
    """Derive the public key that belongs to a private seed.

    Args:
        seed: 32 bytes.

    Returns:
        The Ed25519 public key, 32 bytes.

    Raises:
        ValueError: the seed has another length.

    Source: RFC 8032 section 5.1.5.
    """
    # Not by way of the cache below: a server that makes a key must not keep the seed.
    return _derive(seed)[0]


def _derive(seed: bytes) -> tuple[bytes, bytes]:
    if len(seed) != _KEY_BYTES:
        raise ValueError("an Ed25519 seed has 32 bytes")
    public, private = bindings.crypto_sign_seed_keypair(seed)
    return public, private


@lru_cache(maxsize=16)
def _signing_key(seed: bytes) -> bytes:
    """The private key of a seed that signs, kept.

    Deriving it costs more than half of a signature, and a signer uses one seed over and over. The seed is in the
    signer's memory anyway; few are kept, so that a process that handles many does not collect them.
    """
    return _derive(seed)[1]


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Compute an HMAC with SHA-256.

    The standard library's `hmac.digest` takes more than twice as long for a message of this size, since it prepares
    the key anew for each message. A test holds this against it.

    Args:
        key: the MAC key.
        message: what to authenticate.

    Returns:
        32 bytes.

    Source: RFC 2104 section 2, and its section 4 on keeping the prepared key.
    """
    prepared_inner, prepared_outer = _prepared(key)
    inner = prepared_inner.copy()
    inner.update(message)
    outer = prepared_outer.copy()
    outer.update(inner.digest())
    return outer.digest()


@lru_cache(maxsize=4096)
def _prepared(key: bytes) -> tuple[hashlib._Hash, hashlib._Hash]:
    if len(key) > _BLOCK_BYTES:
        key = hashlib.sha256(key).digest()
    padded = key.ljust(_BLOCK_BYTES, b"\0")
    return hashlib.sha256(padded.translate(_INNER)), hashlib.sha256(padded.translate(_OUTER))


def sign_bytes(algorithm: str, key: bytes, message: bytes) -> bytes:
    """Sign bytes.

    Args:
        algorithm: `ed25519` or `hmac-sha256`.
        key: the 32-byte Ed25519 seed, or the MAC key.
        message: the signature base.

    Returns:
        64 bytes for Ed25519, 32 for HMAC.

    Raises:
        ValueError: another algorithm, or a key that does not fit it.

    Source: RFC 9421 sections 3.3.3 and 3.3.6.
    """
    if algorithm == ED25519:
        signed: bytes = bindings.crypto_sign(message, _signing_key(key))
        return signed[:_SIGNATURE_BYTES]
    if algorithm == HMAC_SHA256:
        if len(key) < _KEY_BYTES:
            raise ValueError("an HMAC key has at least 32 bytes")
        return hmac_sha256(key, message)
    raise ValueError(f"unknown signature algorithm: {algorithm}")


def verify_bytes(algorithm: str, key: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether a signature over bytes is genuine.

    Args:
        algorithm: the credential's: `ed25519` or `hmac-sha256`.
        key: the 32-byte Ed25519 public key, or the MAC key.
        message: the signature base.
        signature: what was sent, of any length.

    Returns:
        True if it is.

    Raises:
        ValueError: another algorithm, or a key that does not fit it: our fault, not the request's.

    Source: RFC 9421 sections 3.3.3 and 3.3.6.
    """
    if algorithm == HMAC_SHA256:
        if len(key) < _KEY_BYTES:
            raise ValueError("an HMAC key has at least 32 bytes")
        return hmac.compare_digest(hmac_sha256(key, message), signature)
    if algorithm == ED25519:
        # The binding reads 32 bytes whatever it is given, so the length is checked here.
        if len(key) != _KEY_BYTES:
            raise ValueError("an Ed25519 public key has 32 bytes")
        if len(signature) != _SIGNATURE_BYTES:
            return False
        try:
            bindings.crypto_sign_open(signature + message, key)
        except BadSignatureError:
            return False
        return True
    raise ValueError(f"unknown signature algorithm: {algorithm}")
