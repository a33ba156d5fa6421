"""Is this request genuine, now, and from whom?

One way down:

    signature found -> key by `keyid` -> profile, time window, signature, digest -> access -> nonce -> verdict

A request without a signature is judged by its bearer token:

    token -> key by its `client_id` -> access -> verdict

The nonce comes last, so that a forger cannot burn one. Nothing but the nonce is written on this way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from keywright.credentials import VerificationKey
from keywright.errors import RefusalCode, Refused, Unavailable
from keywright.formats import is_client_id
from keywright.signatures import FoundSignature, Profile, SignedRequest, Verified, find_signature, verify_signature
from keywright.verification.bearer import TokenReader, find_bearer_token
from keywright.verification.keys import VerificationKeys
from keywright.verification.last_used import LastUsed
from keywright.verification.nonces import NonceStore, ReplayVerdict


@dataclass(slots=True)
class Accepted:
    """A request that is genuine: signed, fresh and seen for the first time; or with a bearer token that is good now.

    Not frozen: one is made per request, and freezing would cost a microsecond there.
    """

    client_id: str
    account_id: str
    account_type: str
    scheme: str
    covered: tuple[str, ...]
    body_verified: bool


Verdict = Accepted | Refused
# Asked of each request, and a union would be made anew each time.
VERDICT_TYPES: Final = (Accepted, Refused)

_ENDED = Refused(
    RefusalCode.TOKEN_INVALID,
    "the API key of this bearer token was deleted, and the token ended with it; create a new API key",
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


async def settled(verdict: Verdict | Awaitable[Verdict]) -> Verdict:
    """Wait for a verdict that is not there yet.

    Args:
        verdict: what `judge` returned.
    """
    return verdict if isinstance(verdict, VERDICT_TYPES) else await verdict


class VerificationService:
    """Judges requests.

    Args:
        keys: the keys to verify with.
        nonces: remembers what was used.
        last_used: is told of each accepted use.
        profile: what a signature must cover and carry.
        clock: tells the time, seconds since 1970 UTC.
        tokens: reads bearer tokens.
        patience_seconds: how long to wait for a key that is not at hand; None leaves that to the database's own bounds.
    """

    def __init__(
        self,
        keys: VerificationKeys,
        nonces: NonceStore,
        last_used: LastUsed,
        profile: Profile,
        clock: Callable[[], float],
        *,
        tokens: TokenReader,
        patience_seconds: float | None = None,
    ) -> None:
        self._keys = keys
        self._nonces = nonces
        self._last_used = last_used
        self.profile = profile
        self._clock = clock
        self._tokens = tokens
        self._patience_seconds = patience_seconds

    def judge(self, request: SignedRequest, fields: dict[str, str] | None = None) -> Verdict | Awaitable[Verdict]:
        """Judge a request, at once where nothing has to be waited for.

        A key at hand and the host's own memory of nonces answer without waiting, and then no coroutine is made.

        Args:
            request: as the signer meant it.
            fields: its header fields, combined, by lower-case name, if the caller has them already.

        Returns:
            Accepted with the client, or Refused with the one thing to mend; or what to await for it.

        Raises:
            Unavailable: it cannot be judged truthfully now.
        """
        found = find_signature(request, self.profile, is_client_id, fields)
        if isinstance(found, Refused):
            return self._judge_bearer(request) if found.code is RefusalCode.SIGNATURE_MISSING else found
        key = self._keys.cached(found.key_id)
        return self._find_and_judge(request, found) if key is None else self._judge_with(key, request, found)

    async def _find_and_judge(self, request: SignedRequest, found: FoundSignature) -> Verdict:
        # The checksum in the Client ID spares the database the made-up ones.
        key = await self._find(found.key_id) if is_client_id(found.key_id) else None
        return _UNKNOWN if key is None else await settled(self._judge_with(key, request, found))

    def _judge_with(
        self, key: VerificationKey, request: SignedRequest, found: FoundSignature
    ) -> Verdict | Awaitable[Verdict]:
        now = self._clock()
        verified = verify_signature(request, found, key.algorithm, key.key, self.profile, now)
        if isinstance(verified, Refused):
            return verified
        if not key.api_access_enabled:
            return _ACCESS_DISABLED
        replay = self._nonces.remember(found.key_id, verified.nonce, verified.created, key.created_at_seconds, now)
        if isinstance(replay, ReplayVerdict):
            return self._concluded(replay, key, verified, now)
        return self._conclude(replay, key, verified, now)

    async def _conclude(
        self, replay: Awaitable[ReplayVerdict], key: VerificationKey, verified: Verified, now: float
    ) -> Verdict:
        return self._concluded(await replay, key, verified, now)

    def _concluded(self, replay: ReplayVerdict, key: VerificationKey, verified: Verified, now: float) -> Verdict:
        if replay is not ReplayVerdict.FRESH:
            return _REPLAYED if replay is ReplayVerdict.REPLAYED else _UNPROVABLE
        client_id = verified.key_id
        self._last_used.note(client_id, now)
        return Accepted(
            client_id, key.account_id, key.account_type, "signature", verified.covered, verified.body_verified
        )

    async def _find(self, client_id: str) -> VerificationKey | None:
        # Here and not round the whole: to set a clock for each request costs a tenth of verifying it.
        if self._patience_seconds is None:
            return await self._keys.find(client_id)
        try:
            async with asyncio.timeout(self._patience_seconds):
                return await self._keys.find(client_id)
        except TimeoutError as error:
            raise Unavailable(
                "the verifier did not answer in time; try again in a moment",
                private=f"the database gave no answer within {self._patience_seconds} s",
            ) from error

    def _judge_bearer(self, request: SignedRequest) -> Verdict | Awaitable[Verdict]:
        """Judge a request without a signature by its bearer token."""
        token = find_bearer_token(request.headers)
        if isinstance(token, Refused):
            return token
        now = self._clock()
        claims = self._tokens.read(token, now)
        if isinstance(claims, Refused):
            return claims
        # The token says who; whether they still may is asked of the same fresh keys that signatures are.
        key = self._keys.cached(claims.client_id)
        return self._find_bearer(claims.client_id, now) if key is None else self._bearer(claims.client_id, key, now)

    async def _find_bearer(self, client_id: str, now: float) -> Verdict:
        key = await self._find(client_id)
        return _ENDED if key is None else self._bearer(client_id, key, now)

    def _bearer(self, client_id: str, key: VerificationKey, now: float) -> Verdict:
        if not key.api_access_enabled:
            return _ACCESS_DISABLED
        self._last_used.note(client_id, now)
        return Accepted(client_id, key.account_id, key.account_type, "bearer", (), False)
