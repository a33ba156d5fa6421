"""The addresses at which tokens are had and asked about, the same ones on both listeners.

POST /auth/token                              Client ID and Client Secret as JSON, for a token
POST /oauth2/token                            the same in OAuth's way (RFC 6749 section 4.4)
POST /oauth2/introspect                       what a token is worth now (RFC 7662)
GET  /.well-known/oauth-authorization-server  where all this is (RFC 8414)
GET  /.well-known/jwks.json                   the keys that sign tokens (RFC 7517)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from keywright.credentials import VerificationKey, find_verification_key
from keywright.errors import (
    ApiAccessNotEnabled,
    InvalidClient,
    KeywrightError,
    Refused,
    TooManyRequests,
    Unauthenticated,
)
from keywright.formats import RandomBytes
from keywright.identity import authenticate_token
from keywright.keyring import Sealer
from keywright.problems import Answer
from keywright.storage import Database
from keywright.tokens.access_tokens import AccessTokens, Claims
from keywright.tokens.clients import AssertionProof, Clients, SecretProof
from keywright.tokens.compact import ALGORITHM_NAMES
from keywright.tokens.oauth import METHODS, TWO_WAYS, OAuthCall, OAuthError, json_answer, read_form, read_proof
from keywright.tokens.shapes import TokenInput, TokenOutput
from keywright.tokens.signing_keys import KEY_SET_SECONDS, LIFETIME_SECONDS

JSON_TOKEN_PATH = "/auth/token"
TOKEN_PATH = "/oauth2/token"
INTROSPECTION_PATH = "/oauth2/introspect"
METADATA_PATH = "/.well-known/oauth-authorization-server"
KEY_SET_PATH = "/.well-known/jwks.json"
# A form with the longest assertion or token, and room to spare.
MAX_BODY_BYTES = 64 * 1024

_GRANT = "client_credentials"
_PUBLIC = [("cache-control", f"public, max-age={KEY_SET_SECONDS}")]
_log = structlog.get_logger("keywright.tokens")


class TokenService:
    """Gives tokens to clients, and tells what a token is worth.

    Args:
        tokens: makes and reads tokens.
        clients: recognises clients.
        database: where keys are.
        keyring: opens the secrets of hmac-sha256 keys.
        count: is told the outcome of each request for a token.
        clock: tells the time, seconds since 1970 UTC.
        random_bytes: makes identifiers.
    """

    def __init__(
        self,
        tokens: AccessTokens,
        clients: Clients,
        database: Database,
        keyring: Sealer,
        *,
        count: Callable[[str], None],
        clock: Callable[[], float],
        random_bytes: RandomBytes,
    ) -> None:
        self._tokens = tokens
        self._clients = clients
        self._database = database
        self._keyring = keyring
        self._count = count
        self._clock = clock
        self._random_bytes = random_bytes
        # Path: the method that it takes, and who answers.
        self.oauth: dict[str, tuple[str, Callable[[OAuthCall], Awaitable[Answer]]]] = {
            TOKEN_PATH: ("POST", self._answering(self._token)),
            INTROSPECTION_PATH: ("POST", self._answering(self._introspect)),
            METADATA_PATH: ("GET", self._answering(self._metadata)),
            KEY_SET_PATH: ("GET", self._answering(self._key_set)),
        }

    async def exchange(self, given: TokenInput, address: str) -> TokenOutput:
        """Give a token for a Client ID and its Client Secret: the call with JSON.

        Args:
            given: both of them.
            address: the network address that it comes from.

        Returns:
            The token.

        Raises:
            InvalidClient: unknown, deleted, or wrong.
            TooManyRequests: wrong, and so were many before.
            ApiAccessNotEnabled: API access is switched off for the account.
            Unavailable: no truthful answer can be given now.
        """
        return await self._give(SecretProof(given.client_id, given.client_secret), address)

    async def _give(self, proof: SecretProof | AssertionProof, address: str) -> TokenOutput:
        now = self._clock()
        try:
            key = await self._clients.recognise(proof, address, now)
        except KeywrightError as error:
            self._count(error.code)
            raise
        token = self._tokens.issue(key.client_id, key.account_id, now, self._random_bytes)
        self._count("issued")
        _log.info("token_issued", client_id=key.client_id, account_id=key.account_id)
        return TokenOutput(token, "Bearer", LIFETIME_SECONDS)

    def _answering(self, work: Callable[[OAuthCall], Awaitable[Answer]]) -> Callable[[OAuthCall], Awaitable[Answer]]:
        """Say refusals in OAuth's words."""

        async def answer(call: OAuthCall) -> Answer:
            try:
                return await work(call)
            except OAuthError as error:
                return error.answer(call)
            except InvalidClient as error:
                return OAuthError(error.code, error.message, 401).answer(call)
            except ApiAccessNotEnabled as error:
                return OAuthError("unauthorized_client", error.message).answer(call)
            except TooManyRequests as error:
                later = [("retry-after", str(error.retry_after_seconds))]
                return OAuthError(error.code, error.message, 429, later).answer(call)

        return answer

    async def _token(self, call: OAuthCall) -> Answer:
        form = read_form(call)
        grant = form.get("grant_type")
        if grant is None:
            raise OAuthError("invalid_request", f"grant_type is missing; it must be {_GRANT}")
        if grant != _GRANT:
            raise OAuthError("unsupported_grant_type", f"grant_type must be {_GRANT}")
        if "scope" in form:
            raise OAuthError("invalid_scope", "there are no scopes here; leave scope out")
        if form.get("resource", self._tokens.audience) != self._tokens.audience:
            raise OAuthError("invalid_target", "tokens are for one API only; leave resource out")
        return json_answer(200, await self._give(read_proof(call, form), call.address))

    async def _introspect(self, call: OAuthCall) -> Answer:
        form = read_form(call)
        asked_by = await self._asking(call, form)
        if "token" not in form:
            raise OAuthError("invalid_request", "token is missing; send the token to ask about")
        now = self._clock()
        claims = self._tokens.read(form["token"], now)
        # To a client, a token of another's is as good as none (RFC 7662 section 4).
        is_theirs = not isinstance(claims, Refused) and asked_by in {None, claims.client_id}
        if isinstance(claims, Refused) or not is_theirs or not await self._works(claims.client_id):
            return json_answer(200, {"active": False})
        return json_answer(200, _introspected(claims))

    async def _asking(self, call: OAuthCall, form: dict[str, str]) -> str | None:
        """Who asks: the Client ID, or None for an operator, who may ask about every token."""
        scheme, _, token = (call.header("authorization") or "").partition(" ")
        if scheme.lower() != "bearer":
            proof = read_proof(call, form)
            return (await self._clients.recognise(proof, call.address, self._clock())).client_id
        if "client_secret" in form or "client_assertion" in form:
            raise OAuthError("invalid_request", TWO_WAYS)
        try:
            async with self._database.read() as session:
                await authenticate_token(session, token.strip(), on_behalf_of=None)
        except Unauthenticated as error:
            challenge = [("www-authenticate", 'Bearer realm="keywright", error="invalid_token"')]
            raise OAuthError("invalid_token", error.message, 401, challenge) from error
        return None

    async def _works(self, client_id: str) -> bool:
        async with self._database.read() as session:
            key: VerificationKey | None = await find_verification_key(session, client_id, self._keyring)
        return key is not None and key.api_access_enabled

    async def _metadata(self, _call: OAuthCall) -> Answer:
        issuer = self._tokens.issuer
        document = {
            "issuer": issuer,
            "token_endpoint": issuer + TOKEN_PATH,
            "token_endpoint_auth_methods_supported": METHODS,
            "token_endpoint_auth_signing_alg_values_supported": ALGORITHM_NAMES,
            "introspection_endpoint": issuer + INTROSPECTION_PATH,
            "introspection_endpoint_auth_methods_supported": [*METHODS, "Bearer"],
            "introspection_endpoint_auth_signing_alg_values_supported": ALGORITHM_NAMES,
            "jwks_uri": issuer + KEY_SET_PATH,
            "grant_types_supported": [_GRANT],
            "response_types_supported": [],
        }
        return _public(document)

    async def _key_set(self, _call: OAuthCall) -> Answer:
        return _public({"keys": [key.public_jwk() for key in self._tokens.key_set(self._clock())]})


def _introspected(claims: Claims) -> dict[str, Any]:
    """What a token that works says (RFC 7662 section 2.2)."""
    return {
        "active": True,
        "token_type": "Bearer",
        "client_id": claims.client_id,
        "sub": claims.sub,
        "aud": claims.aud,
        "iss": claims.iss,
        "iat": claims.iat,
        "exp": claims.exp,
        "jti": claims.jti,
        "account_id": claims.account_id,
    }


def _public(document: dict[str, Any]) -> Answer:
    status, _, body = json_answer(200, document)
    return status, [("content-type", "application/json"), *_PUBLIC], body
