"""What an audit event is, and how its hash is made. `docs/audit.md` tells outsiders the same.

`hash` is the SHA-256, in hex, of the event's other seven members as JSON: keys sorted, no white space, non-ASCII
characters as themselves, UTF-8. `previousHash` is the hash of the event before; the first event of a chain carries the
SHA-256 of `keywright-audit-1`, a line feed and the chain's name instead, so that a chain cannot pass as another's.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

FORMAT = "keywright-audit-1"
# What belongs to no account, such as operator tokens, is chained here.
PLATFORM_CHAIN = "platform"
# Made once: checking a chain writes every event with it.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One change: who did what to what, when."""

    seq: int
    at: str
    actor: dict[str, Any]
    action: str
    subject: dict[str, Any]
    detail: dict[str, Any]
    previous_hash: str
    hash: str

    def public(self) -> dict[str, Any]:
        """The event as it is shown and exported, and, less `hash`, as it is hashed."""
        return {
            "seq": self.seq,
            "at": self.at,
            "actor": self.actor,
            "action": self.action,
            "subject": self.subject,
            "detail": self.detail,
            "previousHash": self.previous_hash,
            "hash": self.hash,
        }


def canonical(value: Any) -> str:
    """Write a value as the one JSON text that everyone hashes alike.

    Args:
        value: built of dict, list, str, int, bool and None.

    Returns:
        JSON with sorted keys and no white space.
    """
    return _CANONICAL.encode(value)


def event_hash(public_event: dict[str, Any]) -> str:
    """Compute the hash that an event must carry.

    Args:
        public_event: the event as exported; its own `hash`, if there, is left out.

    Returns:
        64 hex digits.
    """
    hashed = {key: value for key, value in public_event.items() if key != "hash"}
    # surrogatepass: a forged export may hold lone surrogates, and must fail the check, not crash it.
    return hashlib.sha256(canonical(hashed).encode("utf-8", "surrogatepass")).hexdigest()


def genesis_hash(chain: str) -> str:
    """Compute the `previousHash` of a chain's first event.

    Args:
        chain: the account's ID, or `platform`.

    Returns:
        64 hex digits.
    """
    return hashlib.sha256(f"{FORMAT}\n{chain}".encode("utf-8", "surrogatepass")).hexdigest()
