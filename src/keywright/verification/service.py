"""Is this request genuine, now, and from whom?

One way down:

    signature found -> key by `keyid` -> profile, time window, signature, digest -> access -> nonce -> verdict

The nonce comes last, so that a forger cannot burn one. Nothing but the nonce is written on this way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keywright.errors import RefusalCode, Refused
from keywright.formats import is_client_id
from keywright.signatures import Profile, SignedRequest, find_signature, verify_signature
from keywright.verification.keys import VerificationKeys
from keywright.verification.last_used import LastUsed
from keywright.verification.replay import EmbeddedNonceStore, ReplayVerdict


@dataclass(slots=True)
class Accepted:
    """A request that is genuine, fresh and seen for the first time.

    Not frozen: one is made per request, and freezing would cost a microsecond there.
    """

    client_id: str
    account_id: str
    account_type: str
    scheme: str
    covered: tuple[str, ...]
    body_verified: bool


_UNSIGNED = Refused(
    RefusalCode.SIGNATURE_MISSING,
    "the request has no Signature-Input and Signature headers; sign it with an API key (RFC 9421)",
)
_NO_TOKENS = Refused(
    RefusalCode.TOKEN_INVALID,
    "this bearer token was not issued by Keywright or is damaged; sign the request with an API key instead",
)
_OTHER_SCHEME = Refused(
    RefusalCode.AUTHORIZATION_MISSING,
    "the Authorization header is of a scheme that is not taken here; sign the request with an API key instead",
)
_UNKNOWN = Refused(
    RefusalCode.CREDENTIAL_UNKNOWN,
    "no active API key has this Client ID: it was deleted, or mistyped; check keyid, or create a new key",
)
_ACCESS_DISABLED = Refused(
    RefusalCode.API_ACCESS_DISABLED,
    "API access is switched off for this account; ask the platform to switch it on again",
)
_REPLAYED = Refused(
    RefusalCode.NONCE_REPLAYED,
    "a request with this nonce was accepted before; make a new random nonce for every request, also when you retry",
)
_UNPROVABLE = Refused(
    RefusalCode.NONCE_UNPROVABLE,
    "the memory of used nonces begins after this signature could have been used; sign again, with a new nonce",
)


class VerificationService:
    """Judges requests.

    Args:
        keys: the keys to verify with.
        nonces: remembers what was used.
        last_used: is told of each accepted use.
        profile: what a signature must cover and carry.
        clock: tells the time, seconds since 1970 UTC.
    """

    def __init__(
        self,
        keys: VerificationKeys,
        nonces: EmbeddedNonceStore,
        last_used: LastUsed,
        profile: Profile,
        clock: Callable[[], float],
    ) -> None:
        self._keys = keys
        self._nonces = nonces
        self._last_used = last_used
        self.profile = profile
        self._clock = clock

    async def verify(self, request: SignedRequest) -> Accepted | Refused:
        """Judge a request.

        Args:
            request: as the signer meant it.

        Returns:
            Accepted with the client, or Refused with the one thing to mend.

        Raises:
            Unavailable: it cannot be judged truthfully now.
        """
        found = find_signature(request, self.profile, is_client_id)
        if isinstance(found, Refused):
            return _without_signature(request) if found.code is RefusalCode.SIGNATURE_MISSING else found
        client_id = found.key_id
        key = self._keys.cached(client_id)
        if key is None:
            # The checksum in the Client ID spares the database the made-up ones.
            key = await self._keys.find(client_id) if is_client_id(client_id) else None
            if key is None:
                return _UNKNOWN
        now = self._clock()
        verified = verify_signature(request, found, key.algorithm, key.key, self.profile, now)
        if isinstance(verified, Refused):
            return verified
        if not key.api_access_enabled:
            return _ACCESS_DISABLED
        verdict = self._nonces.remember(client_id, verified.nonce, verified.created, key.created_at_seconds, now)
        if verdict is not ReplayVerdict.FRESH:
            return _REPLAYED if verdict is ReplayVerdict.REPLAYED else _UNPROVABLE
        self._last_used.note(client_id, now)
        return Accepted(
            client_id, key.account_id, key.account_type, "signature", verified.covered, verified.body_verified
        )


def _without_signature(request: SignedRequest) -> Refused:
    """Say what a request lacks that is not signed."""
    for name, value in request.headers:
        if name.lower() == "authorization":
            return _NO_TOKENS if value.strip().lower().startswith("bearer ") else _OTHER_SCHEME
    return _UNSIGNED
