"""Composition root: the only place where objects are wired.

Each function imports what it wires: a process of the data plane never loads the control plane's framework, nor a
worker the migrations.
"""
# ruff: noqa: PLC0415 - for the reason above

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from keywright.errors import Unavailable
from keywright.keyring import Keyring, KeyringFile
from keywright.settings import Settings
from keywright.storage import Database
from keywright.verification.replay import EmbeddedNonceStore

if TYPE_CHECKING:
    from litestar import Litestar

    from keywright.gateway import Gateway
    from keywright.verification import LastUsed, VerificationKeys, VerificationService

clock = time.time
random_bytes = os.urandom


def prepare(settings: Settings) -> None:
    """Make everything ready that a server needs: database migrated, keyring there, memory of nonces begun.

    Args:
        settings: the deployment's.

    Raises:
        Unavailable: something cannot be read or written, or database and keyring do not belong together.
        Conflict: the database is of a newer version.
    """
    prepare_database(settings)
    # A key that is created from now on was never used before this memory began.
    open_nonces(settings).close()
    asyncio.run(_match_keyring(settings))


def prepare_database(settings: Settings) -> None:
    """Make the database ready, and nothing else.

    Args:
        settings: the deployment's.

    Raises:
        Unavailable: it cannot be read or written.
        Conflict: it is of a newer version.
    """
    from keywright.storage.migrate import migrate

    _make_folder(settings.data_dir)
    migrate(settings.database_file)


async def _match_keyring(settings: Settings) -> None:
    from keywright.credentials import check_sealed_secrets

    file, none = settings.keyring_path, Keyring("", {})
    database = open_database(settings)
    try:
        async with database.read() as session:
            await check_sealed_secrets(session, KeyringFile(file, random_bytes) if file.exists() else none)
    except Unavailable as error:
        raise Unavailable(
            f"the keyring {file} does not open the keys in {settings.database_file}; restore the keyring that belongs"
            " to this database from its backup, or name it with KEYWRIGHT_KEYRING_FILE",
            private=error.private or error.message,
        ) from error
    finally:
        await database.close()
    KeyringFile(file, random_bytes)


def open_database(settings: Settings) -> Database:
    """Open the database, which must be migrated."""
    return Database(settings.database_file, clock)


def open_nonces(settings: Settings) -> EmbeddedNonceStore:
    """Open the host's memory of nonces."""
    return EmbeddedNonceStore.open(
        settings.nonce_dir,
        clock=clock,
        max_age_seconds=settings.max_age_seconds,
        max_ahead_seconds=settings.max_ahead_seconds,
        capacity=settings.nonce_capacity,
    )


def control_plane(settings: Settings) -> Litestar:
    """Wire the control plane.

    Args:
        settings: the deployment's; `prepare` has been called.

    Returns:
        The ASGI application.
    """
    from keywright.api import Control, create_api
    from keywright.identity import Passwords
    from keywright.mail import Mailbox
    from keywright.telemetry import Metrics

    database, passwords = open_database(settings), Passwords()

    async def stop() -> None:
        passwords.close()
        await database.close()

    return create_api(
        Control(
            settings=settings,
            database=database,
            keyring=KeyringFile(settings.keyring_path, random_bytes),
            passwords=passwords,
            mailbox=Mailbox(settings.mail_dir, random_bytes),
            metrics=Metrics(),
            random_bytes=random_bytes,
            is_ready=database.check,
            stop=stop,
        )
    )


def verification_service(
    settings: Settings, database: Database, keyring: KeyringFile
) -> tuple[VerificationService, VerificationKeys, EmbeddedNonceStore, LastUsed]:
    """Wire the verifier.

    Args:
        settings: the deployment's; `prepare` has been called.
        database: the truth.
        keyring: opens the secrets of hmac-sha256 keys.

    Returns:
        The service, and the parts of it that want watching and closing.
    """
    from keywright.signatures import Profile
    from keywright.storage.change_signal import ChangeSignal
    from keywright.verification import LastUsed, VerificationKeys, VerificationService

    keys = VerificationKeys(
        database,
        ChangeSignal(settings.database_file),
        keyring,
        size=settings.credential_cache_size,
    )
    nonces, last_used = open_nonces(settings), LastUsed(database)
    profile = Profile(max_age_seconds=settings.max_age_seconds, max_ahead_seconds=settings.max_ahead_seconds)
    return VerificationService(keys, nonces, last_used, profile, clock), keys, nonces, last_used


def data_plane(settings: Settings) -> Gateway:
    """Wire the data plane.

    Args:
        settings: the deployment's; `prepare` has been called.

    Returns:
        The ASGI application.
    """
    from keywright.credentials import check_sealed_secrets
    from keywright.gateway import Gateway
    from keywright.telemetry import Metrics

    database, metrics = open_database(settings), Metrics()
    keyring = KeyringFile(settings.keyring_path, random_bytes)
    service, keys, nonces, last_used = verification_service(settings, database, keyring)
    metrics.watch("keywright_cached_credentials", "Keys that a verifier keeps.", lambda: len(keys))
    metrics.watch("keywright_nonces", "Nonces that the host remembers.", lambda: nonces.statistics().entries)
    metrics.watch(
        "keywright_nonces_unprovable_through",
        "Signatures created up to then, seconds since 1970 UTC, are refused as nonce_unprovable.",
        lambda: nonces.statistics().unprovable_through,
    )
    metrics.watch("keywright_nonce_capacity", "Most nonces the host remembers.", lambda: settings.nonce_capacity)
    metrics.watch("keywright_nonce_bytes", "Memory that they take, in bytes.", lambda: nonces.statistics().file_bytes)

    async def is_ready() -> None:
        """Whatever a verdict needs answers: database, keyring, memory of nonces."""
        await database.check()
        async with database.read() as session:
            await check_sealed_secrets(session, keyring)
        nonces.check()

    async def stop() -> None:
        await last_used.stop()
        keys.close()
        nonces.close()
        await database.close()

    return Gateway(
        service,
        metrics,
        is_ready=is_ready,
        every_second=keys.recheck,
        start=last_used.start,
        stop=stop,
        max_body_bytes=settings.max_body_bytes,
        api_origin=settings.api_origin,
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"the data directory {folder} cannot be made ({error.strerror}); choose another with --data-dir"
        ) from error
