"""Random tokens that we hand out once and keep only as hashes."""

from __future__ import annotations

import hashlib

from keywright.formats import RandomBytes


def new_token(prefix: str, random_bytes: RandomBytes) -> str:
    """Make a token: the prefix, an underscore, 256 random bits in hex."""
    return f"{prefix}_{random_bytes(32).hex()}"


def token_hash(token: str) -> bytes:
    """Hash a token for storage and look-up.

    A plain SHA-256 is enough: 256 random bits cannot be guessed, so there is nothing for a slow hash to slow down.
    """
    # surrogatepass: whatever a caller sends must be a token we do not know, not a crash.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
