"""Wires the data plane, and the verifier in it."""
# ruff: noqa: PLC0415 - each function imports what it wires

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from keywright._version import __version__
from keywright.app.key_files import watch_key_files
from keywright.app.parts import (
    access_tokens,
    clock,
    open_database,
    open_nonces,
    open_throttle,
    random_bytes,
    token_service,
)
from keywright.keyring import KeyringFile
from keywright.settings import Settings
from keywright.storage import Database
from keywright.verification.nonces import NonceStore, done

if TYPE_CHECKING:
    from keywright.gateway import Gateway
    from keywright.telemetry import Metrics
    from keywright.tokens import AccessTokens
    from keywright.verification import LastUsed, VerificationKeys, VerificationService


def data_plane(settings: Settings) -> Gateway:
    """Wire the data plane.

    Args:
        settings: the deployment's; `prepare` has been called.

    Returns:
        The ASGI application.
    """
    from keywright.credentials import check_sealed_secrets
    from keywright.gateway import Gateway, TokenAnswers
    from keywright.telemetry import Metrics

    database, metrics = open_database(settings), Metrics()
    keyring = KeyringFile(settings.keyring_path, random_bytes)
    tokens = access_tokens(settings)
    throttle = open_throttle(settings)
    service, keys, nonces, last_used = verification_service(
        settings, database, keyring, tokens, count_failure=metrics.count_valkey_failure
    )
    metrics.watch("keywright_cached_credentials", "Keys that a verifier keeps.", lambda: len(keys))
    nonces.show(metrics.watch)
    key_files = watch_key_files(settings, database, metrics)
    if database.is_shared:
        watch_lease(keys, metrics)

    def start() -> None:
        keys.start()
        last_used.start()

    async def is_ready() -> None:
        """Whatever a verdict needs answers: database, lease, keyring, memory of nonces."""
        await database.check()
        await keys.check()
        async with database.read() as session:
            await check_sealed_secrets(session, keyring)
            await key_files.look(session)
        await done(nonces.check())

    async def stop() -> None:
        await keys.close()
        await last_used.stop()
        await done(nonces.close())
        await throttle.close()
        await database.close()

    return Gateway(
        service,
        metrics,
        is_ready=is_ready,
        every_second=keys.recheck,
        start=start,
        stop=stop,
        max_body_bytes=settings.max_body_bytes,
        api_origin=settings.api_origin,
        tokens=TokenAnswers(
            token_service(settings, database, keyring, nonces, throttle, tokens=tokens, metrics=metrics),
            settings.trusted_proxies,
        ),
    )


def verification_service(
    settings: Settings,
    database: Database,
    keyring: KeyringFile,
    tokens: AccessTokens | None = None,
    *,
    count_failure: Callable[[], None] = lambda: None,
    patience_seconds: float | None = None,
) -> tuple[VerificationService, VerificationKeys, NonceStore, LastUsed]:
    """Wire the verifier.

    Args:
        settings: the deployment's; `prepare` has been called.
        database: the truth.
        keyring: opens the secrets of hmac-sha256 keys.
        tokens: reads bearer tokens; None makes one.
        count_failure: called for each question that Valkey did not answer.
        patience_seconds: how long to wait for a key that is not at hand; None leaves that to the database's own bounds.

    Returns:
        The service, and the parts of it that want watching and closing.
    """
    from keywright.signatures import Profile
    from keywright.verification import LastUsed, VerificationService

    keys = verification_keys(settings, database, keyring)
    nonces, last_used = open_nonces(settings, count_failure=count_failure), LastUsed(database)
    profile = Profile(max_age_seconds=settings.max_age_seconds, max_ahead_seconds=settings.max_ahead_seconds)
    service = VerificationService(
        keys,
        nonces,
        last_used,
        profile,
        clock,
        tokens=tokens or access_tokens(settings),
        patience_seconds=patience_seconds,
    )
    return service, keys, nonces, last_used


def verification_keys(settings: Settings, database: Database, keyring: KeyringFile) -> VerificationKeys:
    """Wire the keys that a verifier asks for.

    Args:
        settings: the deployment's; `prepare` has been called.
        database: the truth.
        keyring: opens the secrets of hmac-sha256 keys.

    Returns:
        The keys, cached as far as this host can tell that they are true.
    """
    from keywright.credentials import VerificationKey

    if not database.is_shared:
        from keywright.storage.change_signal import ChangeSignal
        from keywright.verification.keys import CachedKeys

        return CachedKeys(database, ChangeSignal(settings.database_file), keyring, size=settings.credential_cache_size)
    from keywright.freshness import Lease, boot_seconds
    from keywright.freshness.keeper import Keeper
    from keywright.storage.postgresql import connect
    from keywright.verification.leased_keys import LeasedKeys

    lease = Lease[VerificationKey](lease_seconds=settings.lease_seconds, size=settings.credential_cache_size)
    keeper = Keeper(
        lease,
        lambda: connect(settings.database, application_name="keywright verifier"),
        boot_seconds,
        random_bytes,
        node=f"{socket.gethostname()} {os.getpid()}",
        version=__version__,
    )
    return LeasedKeys(database, keyring, lease, keeper, boot_seconds)


def watch_lease(keys: VerificationKeys, metrics: Metrics) -> None:
    """Show how a verifier's lease stands.

    Args:
        keys: the verifier's.
        metrics: where to show it.
    """
    from keywright.verification.leased_keys import LeasedKeys

    assert isinstance(keys, LeasedKeys)
    keeper = keys.keeper
    metrics.watch(
        "keywright_lease_trusted",
        "1 while keys may be used, cached or read; 0 while the verifier answers 503.",
        lambda: float(keeper.is_trusted),
        lowest=True,
    )
    metrics.watch(
        "keywright_lease_remaining_seconds",
        "How long cached keys may be used if the database is not heard of any more.",
        lambda: keeper.remaining_seconds,
        lowest=True,
    )
    metrics.watch(
        "keywright_revocations_applied",
        "Number of the last revocation that this verifier applied.",
        lambda: keeper.applied,
        lowest=True,
    )
