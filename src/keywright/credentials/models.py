"""What a key is, to those who manage it and to those who verify with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from keywright.storage.tables import MAX_ACTIVE_CREDENTIALS

LIMIT = MAX_ACTIVE_CREDENTIALS


class Algorithm(StrEnum):
    """How a key signs. It belongs to the key, never to the message."""

    ED25519 = "ed25519"
    HMAC_SHA256 = "hmac-sha256"


@dataclass(frozen=True, slots=True)
class Credential:
    """An API key as its managers see it. Times in milliseconds since 1970 UTC."""

    client_id: str
    account_id: str
    email: str
    label: str | None
    algorithm: Algorithm
    created_at: int
    created_by: str
    last_used_at: int | None


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """An API key as a verifier needs it.

    `key` is the public key for ed25519 and the MAC key for hmac-sha256; it stays out of every text form.
    """

    client_id: str
    account_id: str
    account_type: str
    algorithm: str
    key: bytes = field(repr=False)
    created_at_seconds: float
    api_access_enabled: bool
