"""What both planes are wired from."""
# ruff: noqa: PLC0415 - each function imports what it wires

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from keywright import storage
from keywright.keyring import Sealer
from keywright.settings import Settings
from keywright.storage import Database
from keywright.verification.nonces import NonceStore, ReplayVerdict

if TYPE_CHECKING:
    from keywright.identity.throttle import Throttle
    from keywright.telemetry import Metrics
    from keywright.tokens import AccessTokens, TokenService

clock = time.time
random_bytes = os.urandom


def open_database(settings: Settings) -> Database:
    """Open the database, which must be migrated."""
    return storage.open_database(settings.database, clock, pool_size=settings.database_connections)


def open_nonces(settings: Settings, *, count_failure: Callable[[], None] = lambda: None) -> NonceStore:
    """Open the memory of nonces: Valkey's where one is set, else the host's.

    Args:
        settings: the deployment's.
        count_failure: called for each question that Valkey did not answer.

    Returns:
        The memory. The host's tells now if it cannot be had, Valkey's when it is asked.

    Raises:
        Unavailable: the host's cannot be had.
    """
    if settings.valkey_url is not None:
        from keywright.valkey.address import parse_valkey_url
        from keywright.verification.valkey_nonces import ValkeyNonceStore

        return ValkeyNonceStore(
            parse_valkey_url(settings.valkey_url),
            max_age_seconds=settings.max_age_seconds,
            max_ahead_seconds=settings.max_ahead_seconds,
            clock=clock,
            count_failure=count_failure,
        )
    from keywright.verification.replay import EmbeddedNonceStore

    return EmbeddedNonceStore.open(
        settings.nonce_dir,
        clock=clock,
        max_age_seconds=settings.max_age_seconds,
        max_ahead_seconds=settings.max_ahead_seconds,
        capacity=settings.nonce_capacity,
    )


def open_throttle(settings: Settings) -> Throttle:
    """Open the counts of attempts: Valkey's where one is set, else this process's."""
    from keywright.identity.throttle import Throttle

    if settings.valkey_url is None:
        return Throttle()
    from keywright.identity.throttle_valkey import ThrottleValkey
    from keywright.valkey.address import parse_valkey_url

    shared = ThrottleValkey(parse_valkey_url(settings.valkey_url))
    return Throttle(shared, close=shared.close)


def access_tokens(settings: Settings) -> AccessTokens:
    """Wire what makes and reads access tokens; one for each process.

    Args:
        settings: the deployment's; `prepare` has been called.

    Returns:
        The maker and reader.
    """
    from keywright.tokens import AccessTokens, SigningKeyFile

    has_shared_name = settings.is_embedded or bool(settings.token_issuer or settings.public_url)
    return AccessTokens(
        SigningKeyFile(settings.token_keys_path, random_bytes, clock()),
        issuer=settings.issuer,
        audience=settings.audience,
        cache_size=settings.credential_cache_size,
        checks_issuer=has_shared_name,
        checks_audience=has_shared_name or bool(settings.token_audience or settings.api_origin),
    )


def token_service(
    settings: Settings,
    database: Database,
    keyring: Sealer,
    nonces: NonceStore,
    throttle: Throttle,
    *,
    tokens: AccessTokens,
    metrics: Metrics,
) -> TokenService:
    """Wire what answers at the tokens' addresses.

    Args:
        settings: the deployment's; `prepare` has been called.
        database: the truth.
        keyring: opens the secrets of hmac-sha256 keys.
        nonces: remembers assertions.
        throttle: counts wrong secrets.
        tokens: makes and reads tokens.
        metrics: counts.

    Returns:
        The service.
    """
    from keywright.tokens import TOKEN_PATH, AssertionRules, Clients, TokenService, nonce_of

    async def is_first_use(  # noqa: PLR0917 - as IsFirstUse is called
        client_id: str, jti: str, created: int, key_created_at: float, now: float, is_by_end: bool
    ) -> bool:
        verdict = nonces.remember(client_id, nonce_of(jti), created, key_created_at, now, is_by_end=is_by_end)
        if not isinstance(verdict, ReplayVerdict):
            verdict = await verdict
        return verdict is ReplayVerdict.FRESH

    # Clients know the token endpoint by the issuer's address, or by that of the API before which a gateway stands.
    origins = {settings.issuer, settings.base_url, settings.api_origin or settings.issuer}
    rules = AssertionRules(
        audiences=frozenset({settings.issuer, *(origin + TOKEN_PATH for origin in origins)}),
        max_age_seconds=settings.max_age_seconds,
        max_ahead_seconds=settings.max_ahead_seconds,
    )
    clients = Clients(database, keyring, throttle, is_first_use=is_first_use, rules=rules, random_bytes=random_bytes)
    return TokenService(
        tokens, clients, database, keyring, count=metrics.count_token, clock=clock, random_bytes=random_bytes
    )
