"""Is this request genuine, now, and from whom: freshness, replay, verdict."""

from keywright.verification.keys import VerificationKeys
from keywright.verification.last_used import LastUsed
from keywright.verification.nonces import NonceStore
from keywright.verification.replay import EmbeddedNonceStore
from keywright.verification.service import VERDICT_TYPES, Accepted, Verdict, VerificationService, settled

__all__ = [
    "VERDICT_TYPES",
    "Accepted",
    "EmbeddedNonceStore",
    "LastUsed",
    "NonceStore",
    "Verdict",
    "VerificationKeys",
    "VerificationService",
    "settled",
]
