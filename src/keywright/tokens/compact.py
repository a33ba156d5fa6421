"""Signed tokens in the compact form, for the one algorithm that there is here: Ed25519.

A library would let each token say how it wants to be checked, and be told which of these ways to allow. Here there is
nothing to choose: whatever the header says beside the two names of Ed25519, no check is made and nothing is accepted.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Any

import msgspec

from keywright.signatures import ED25519
from keywright.signatures.algorithms import sign_bytes, verify_bytes

# RFC 8037 named it EdDSA, RFC 9864 Ed25519; both are one thing for a key on this curve.
ALGORITHM_NAMES = ("EdDSA", "Ed25519")

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class CompactToken:
    """A token taken apart. Nothing in it is to be believed before `is_signed_by` says yes.

    Args:
        header: what it says of itself.
        payload: the claims as JSON, not yet read.
        signed: the bytes under the signature.
        signature: the signature.
    """

    header: dict[str, Any]
    payload: bytes = field(repr=False)
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def is_signed_by(self, public_key: bytes) -> bool:
        """Tell whether this key's private half signed the token.

        Args:
            public_key: an Ed25519 public key, 32 bytes.

        Returns:
            False as well for every other algorithm that the header names.

        Source: RFC 7515 section 5.2; RFC 8037 section 3.1; RFC 8725 section 3.1.
        """
        return self.header.get("alg") in ALGORITHM_NAMES and verify_bytes(
            ED25519, public_key, self.signed, self.signature
        )


def write_compact(header: dict[str, str], claims: dict[str, Any], seed: bytes) -> str:
    """Sign claims.

    Args:
        header: what to say beside the algorithm.
        claims: the payload.
        seed: the Ed25519 private seed, 32 bytes.

    Returns:
        The token.

    Source: RFC 7515 section 5.1; RFC 8037 section 3.1.
    """
    signed = f"{encode_base64url(_encode({'alg': ALGORITHM_NAMES[0], **header}))}.{encode_base64url(_encode(claims))}"
    return f"{signed}.{encode_base64url(sign_bytes(ED25519, seed, signed.encode()))}"


def read_compact(text: str, *, max_characters: int) -> CompactToken | None:
    """Take a token apart.

    Args:
        text: as sent.
        max_characters: the longest that is looked at.

    Returns:
        Its parts, or None if it is no signed token in the compact form, or one with extensions that must be understood.

    Source: RFC 7515 sections 5.2 and 4.1.11.
    """
    found = _COMPACT.fullmatch(text) if len(text) <= max_characters else None
    if found is None:
        return None
    try:
        header = msgspec.json.decode(decode_base64url(found[1]))
        payload, signature = decode_base64url(found[2]), decode_base64url(found[3])
    except (msgspec.DecodeError, binascii.Error, ValueError, RecursionError):
        return None
    # We understand no extension, and a token that demands one must be refused.
    if not isinstance(header, dict) or "crit" in header:
        return None
    return CompactToken(header, payload, text[: found.start(3) - 1].encode(), signature)


def encode_base64url(data: bytes) -> str:
    """Write bytes as base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_base64url(text: str) -> bytes:
    """Read base64url without padding (RFC 7515 section 2).

    Args:
        text: of its alphabet only.

    Returns:
        The bytes.

    Raises:
        ValueError: no such text, or not the one way to write these bytes: a token would then have several spellings.
    """
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode_base64url(data) != text:
        raise ValueError("not the canonical form")
    return data
