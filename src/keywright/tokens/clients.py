"""Is this really the client that it says it is? By its Client Secret, or by a JWT signed with it.

Unknown, deleted and wrong are one answer after the same work: the key is looked up whatever the Client ID looks like, a
public half is derived, two comparisons are made, and a sealed secret is opened, if need be a decoy.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

import structlog

from keywright.credentials import Algorithm, VerificationKey, find_verification_key
from keywright.errors import ApiAccessNotEnabled, InvalidClient, TooManyRequests
from keywright.formats import SECRET_BYTES, RandomBytes, is_client_id, parse_client_secret
from keywright.identity.throttle import Rule, Throttle, network_of
from keywright.keyring import Keyring, Sealer
from keywright.signatures import public_key_of
from keywright.storage import Database
from keywright.tokens.assertion import AssertionRules, IsFirstUse, ReadAssertion, assertion_fault

WRONG_CLIENT = "Client ID or Client Secret is wrong, or the API key was deleted; check both, or create a new API key"
_WRONG = Rule("token-client", 10, 60, "too many wrong Client Secrets for this Client ID from your address")
_WRONG_NETWORK = Rule("token-network", 60, 60, "too many wrong Client Secrets from your network")
# Longer than any Client ID; what is longer still is looked up as this, in vain.
_MAX_ID_CHARACTERS = 64
_log = structlog.get_logger("keywright.tokens")


@dataclass(frozen=True, slots=True)
class SecretProof:
    """A client that shows its Client Secret."""

    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AssertionProof:
    """A client that signs a JWT with its Client Secret (RFC 7523 section 2.2)."""

    assertion: ReadAssertion = field(repr=False)

    @property
    def client_id(self) -> str:
        """The Client ID that the assertion claims."""
        return self.assertion.client_id


class Clients:
    """Recognises clients.

    Args:
        database: where their keys are.
        keyring: opens the secrets of hmac-sha256 keys.
        throttle: counts failures, and failures only: a right secret is never refused because others guess.
        is_first_use: remembers assertions, for all who take them.
        rules: what an assertion must say.
        random_bytes: makes the decoy.
    """

    def __init__(
        self,
        database: Database,
        keyring: Sealer,
        throttle: Throttle,
        *,
        is_first_use: IsFirstUse,
        rules: AssertionRules,
        random_bytes: RandomBytes,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._throttle = throttle
        self._is_first_use = is_first_use
        self._rules = rules
        # Under a keyring of its own: the real one may lose its older keys while we run.
        self._decoy_keyring = Keyring("decoy", {"decoy": random_bytes(SECRET_BYTES)})
        self._decoy = self._decoy_keyring.seal(random_bytes(SECRET_BYTES), "decoy", random_bytes)
        self._decoy_public_key = public_key_of(random_bytes(SECRET_BYTES))

    async def recognise(self, proof: SecretProof | AssertionProof, address: str, now: float) -> VerificationKey:
        """Find the key of a client.

        Args:
            proof: what the client shows.
            address: the network address that it comes from.
            now: seconds since 1970 UTC.

        Returns:
            The key, which works now.

        Raises:
            InvalidClient: it is wrong, or of no active key.
            TooManyRequests: it is wrong, and so were many before.
            ApiAccessNotEnabled: it is right, and API access is switched off for the account.
            Unavailable: the database, the keyring, the memory of nonces or the counts do not answer.
        """
        key = await self._find(proof.client_id)
        try:
            if isinstance(proof, AssertionProof):
                self._check_signature(proof.assertion, key)
            else:
                self._check_secret(proof.client_secret, key)
        except InvalidClient as error:
            await self._note_failure(proof.client_id, address, error)
            raise
        assert key is not None  # or it was refused above
        if isinstance(proof, AssertionProof):
            await self._check_claims(proof.assertion, key, now)
        if not key.api_access_enabled:
            raise ApiAccessNotEnabled(
                "API access is switched off for this account; ask the platform to switch it on again"
            )
        return key

    async def _find(self, client_id: str) -> VerificationKey | None:
        named = client_id if len(client_id) <= _MAX_ID_CHARACTERS and client_id.isascii() else ""
        async with self._database.read() as session:
            key = await find_verification_key(session, named, self._keyring)
        if key is None or key.algorithm != Algorithm.HMAC_SHA256:
            self._decoy_keyring.open(self._decoy, "decoy")
        return key

    def _check_secret(self, client_secret: str, key: VerificationKey | None) -> None:
        try:
            secret = parse_client_secret(client_secret)
            is_readable = True
        except ValueError:
            secret, is_readable = bytes(SECRET_BYTES), False
        expected = self._decoy_public_key if key is None else key.key
        is_seed = hmac.compare_digest(public_key_of(secret), expected)
        is_mac_key = hmac.compare_digest(secret, expected)
        fits = is_mac_key if key is not None and key.algorithm == Algorithm.HMAC_SHA256 else is_seed
        if key is None or not is_readable or not fits:
            raise InvalidClient(WRONG_CLIENT)

    def _check_signature(self, assertion: ReadAssertion, key: VerificationKey | None) -> None:
        can_sign = key is not None and key.algorithm == Algorithm.ED25519
        public_key = key.key if key is not None and can_sign else self._decoy_public_key
        if not assertion.token.is_signed_by(public_key) or not can_sign or key is None:
            raise InvalidClient(
                "the client assertion is not signed with the Client Secret of an active ed25519 API key; check both"
            )

    async def _check_claims(self, assertion: ReadAssertion, key: VerificationKey, now: float) -> None:
        """Check what the client itself wrote: nobody guesses here, so it is told what is wrong; nothing is counted."""
        fault = assertion_fault(assertion, self._rules, now)
        if fault is not None:
            raise InvalidClient(fault)
        created = self._rules.created(assertion)
        is_by_end = assertion.issued_at is None
        if not await self._is_first_use(key.client_id, assertion.jti, created, key.created_at_seconds, now, is_by_end):
            raise InvalidClient(
                "this client assertion was used before, or may have been; make a new one, with a new jti, each time"
            )

    async def _note_failure(self, client_id: str, address: str, error: InvalidClient) -> None:
        _log.info(
            "client_refused",
            # Whoever mixes the two up must not find the secret in our log.
            client_id=client_id if is_client_id(client_id) else None,
            address=address,
            reason=error.message,
        )
        network = network_of(address)
        try:
            # The network first: once it may not go on, its guesses push out nothing that was counted for others' keys.
            if network is not None:
                await self._throttle.begin(_WRONG_NETWORK, network)
            await self._throttle.begin(_WRONG, f"{client_id}\n{network}")
        except TooManyRequests as busy:
            raise TooManyRequests(
                f"{busy.message}; wait, then send the right one", retry_after_seconds=busy.retry_after_seconds
            ) from error
