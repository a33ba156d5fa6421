"""The keys that sign access tokens, and when each of them does.

    published, not yet signing -> signing -> published, no longer signing -> gone

A key is in the key set before it signs, so that whoever keeps a copy of the set knows it by then; and it stays there
until the last token that it signed has expired. Which key signs follows from the clock alone, so all processes change
over at one moment, without word from each other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from keywright.signatures import public_key_of
from keywright.tokens.compact import ALGORITHM_NAMES, encode_base64url

# How long a token lasts; the contract's number.
LIFETIME_SECONDS = 3600
# How long others may keep a copy of the key set, and how long a new key is published before it signs.
KEY_SET_SECONDS = 300
LEAD_SECONDS = 2 * KEY_SET_SECONDS
# Clocks of several hosts differ, and a process may still be signing as the moment passes.
SLACK_SECONDS = 60


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs access tokens, from some moment on.

    Args:
        seed: the Ed25519 private seed, 32 bytes.
        signs_from: when it begins to sign, seconds since 1970 UTC.
        public_key: its public half.
        key_id: its thumbprint (RFC 7638), so that the name says which key it is.
    """

    seed: bytes = field(repr=False)
    signs_from: int
    public_key: bytes = field(init=False)
    key_id: str = field(init=False)

    def __post_init__(self) -> None:
        public_key = public_key_of(self.seed)
        object.__setattr__(self, "public_key", public_key)
        object.__setattr__(self, "key_id", thumbprint(public_key))

    def public_jwk(self) -> dict[str, Any]:
        """Return the public half as others want it (RFC 8037 section 2; RFC 7517 section 4)."""
        return {
            **_curve_and_point(self.public_key),
            "kid": self.key_id,
            "alg": ALGORITHM_NAMES[0],
            "use": "sig",
        }


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """All keys, the one that signs first (or will) at the front.

    Args:
        keys: at least one, by the time from which they sign.
    """

    keys: tuple[SigningKey, ...]

    def current(self, now: float) -> SigningKey:
        """Return the key that signs now; the first one, should none have begun (a clock that was put back)."""
        begun = [key for key in self.keys if key.signs_from <= now]
        return begun[-1] if begun else self.keys[0]

    def published(self, now: float) -> tuple[SigningKey, ...]:
        """Return the keys whose tokens are or will be valid."""
        following = [*(key.signs_from for key in self.keys[1:]), None]
        return tuple(
            key for key, until in zip(self.keys, following, strict=True) if until is None or now < last_use(until)
        )

    def fingerprints(self) -> tuple[str, ...]:
        """Return a hash for each public key, that of the one which signs last at the end."""
        return tuple(hashlib.sha256(b"token-key\0" + key.public_key).hexdigest() for key in self.keys)

    def by_id(self, key_id: object, now: float) -> SigningKey | None:
        """Return a published key, or None."""
        return next((key for key in self.published(now) if key.key_id == key_id), None)


def last_use(signs_until: float) -> float:
    """Tell when the last token of a key has expired.

    Args:
        signs_until: when the next key began to sign, seconds since 1970 UTC.

    Returns:
        A time from which on the key is of no use any more.
    """
    return signs_until + LIFETIME_SECONDS + SLACK_SECONDS


def thumbprint(public_key: bytes) -> str:
    """Name a public key by what it is.

    Args:
        public_key: 32 bytes.

    Returns:
        Its thumbprint with SHA-256.

    Source: RFC 7638 section 3; RFC 8037 section 2.
    """
    parts = _curve_and_point(public_key)
    text = ",".join(f'"{name}":"{parts[name]}"' for name in sorted(parts))
    return encode_base64url(hashlib.sha256(f"{{{text}}}".encode()).digest())


def _curve_and_point(public_key: bytes) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(public_key)}
