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
from typing import TYPE_CHECKING, Any

from keywright import storage
from keywright.errors import Unavailable
from keywright.keyring import Keyring, KeyringFile, NoKeyring, Sealer
from keywright.settings import Settings
from keywright.storage import Database
from keywright.verification.replay import EmbeddedNonceStore

if TYPE_CHECKING:
    from keywright.gateway import Gateway
    from keywright.mail import Outbox, Transport
    from keywright.telemetry import Metrics
    from keywright.telemetry.requests import AsgiApp, Receive, Send
    from keywright.tokens import AccessTokens, TokenService
    from keywright.verification import LastUsed, VerificationKeys, VerificationService

clock = time.time
# Paths that programs call; all others are pages.
_API_PATHS = ("/v1", "/healthz", "/readyz", "/metrics", "/auth/", "/oauth2/", "/.well-known/")
random_bytes = os.urandom


def prepare(settings: Settings) -> None:
    """Make everything ready that a server needs: database migrated, keys there, memory of nonces begun.

    Args:
        settings: the deployment's.

    Raises:
        Unavailable: something cannot be read or written, or database and keyring do not belong together.
        Conflict: the database is of a newer version.
    """
    from keywright.tokens import load_or_create_signing_keys

    prepare_database(settings)
    # A key that is created from now on was never used before this memory began.
    open_nonces(settings).close()
    asyncio.run(match_keyring(settings))
    load_or_create_signing_keys(settings.token_keys_path, random_bytes, clock())


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
    migrate(settings.database)


async def match_keyring(settings: Settings) -> KeyringFile:
    """Open the keyring that belongs to the database, making it if the database has sealed nothing yet.

    Args:
        settings: the deployment's; the database is ready.

    Returns:
        The keyring.

    Raises:
        Unavailable: it is missing, cannot be read, or is another database's.
    """
    from keywright.credentials import check_sealed_secrets
    from keywright.identity import check_totp_secrets

    file, none = settings.keyring_path, Keyring("", {})
    database = open_database(settings)
    try:
        async with database.read() as session:
            keyring = KeyringFile(file, random_bytes) if file.exists() else none
            await check_sealed_secrets(session, keyring)
            await check_totp_secrets(session, keyring)
    except Unavailable as error:
        raise Unavailable(
            f"the keyring {file} does not open the secrets in {settings.database_name}; restore the keyring that"
            " belongs to this database from its backup, or name it with KEYWRIGHT_KEYRING_FILE",
            private=error.private or error.message,
        ) from error
    finally:
        await database.close()
    return KeyringFile(file, random_bytes)


async def open_outbox(settings: Settings) -> Outbox:
    """Open the outbox for a command on the command line; the server sends what it takes.

    Args:
        settings: the deployment's; the database is ready.

    Returns:
        The outbox. While the keyring cannot be had it logs what cannot be mailed, and stops no command: a key that must
        be deleted now is deleted without mail.
    """
    from keywright.mail import Outbox

    sealer: Sealer
    try:
        sealer = await match_keyring(settings)
    except Unavailable as error:
        sealer = NoKeyring(error)
    return Outbox(sealer, settings.base_url, random_bytes)


def mail_transport(settings: Settings) -> Transport:
    """Choose how mail leaves.

    Args:
        settings: the deployment's.

    Returns:
        SMTP where a server is set, else files in the data directory.
    """
    from keywright.mail import FolderTransport, SmtpTransport

    if settings.smtp_url is None:
        return FolderTransport(settings.mail_dir, settings.mail_from)
    assert settings.mail_from is not None
    return SmtpTransport(settings.smtp_url, settings.mail_from, require_tls=settings.smtp_tls == "required")


def open_database(settings: Settings) -> Database:
    """Open the database, which must be migrated."""
    return storage.open_database(settings.database, clock, pool_size=settings.database_connections)


def open_nonces(settings: Settings) -> EmbeddedNonceStore:
    """Open the host's memory of nonces."""
    return EmbeddedNonceStore.open(
        settings.nonce_dir,
        clock=clock,
        max_age_seconds=settings.max_age_seconds,
        max_ahead_seconds=settings.max_ahead_seconds,
        capacity=settings.nonce_capacity,
    )


def control_plane(settings: Settings) -> AsgiApp:
    """Wire the control plane.

    Args:
        settings: the deployment's; `prepare` has been called.

    Returns:
        The ASGI application: the REST API and the pages, each at its addresses.
    """
    from keywright.api import create_api
    from keywright.control import Control
    from keywright.identity import Passwords
    from keywright.mail import Outbox, Postman
    from keywright.telemetry import Metrics, observed
    from keywright.web import create_pages, with_security_headers

    database, metrics, nonces = open_database(settings), Metrics(), open_nonces(settings)
    passwords = Passwords(settings.password_memory_mib)
    keyring = KeyringFile(settings.keyring_path, random_bytes)
    postman = Postman(database, keyring, mail_transport(settings), count=metrics.count_mail)
    metrics.watch("keywright_mail_waiting", "Mail that waits to be sent.", lambda: postman.waiting)

    async def stop() -> None:
        await postman.stop()
        passwords.close()
        nonces.close()
        await database.close()

    control = Control(
        settings=settings,
        database=database,
        keyring=keyring,
        passwords=passwords,
        outbox=Outbox(keyring, settings.base_url, random_bytes),
        wake_mail=postman.wake,
        tokens=token_service(settings, database, keyring, nonces, tokens=access_tokens(settings), metrics=metrics),
        metrics=metrics,
        random_bytes=random_bytes,
        is_ready=database.check,
        start=postman.start,
        stop=stop,
    )
    pages = with_security_headers(create_pages(control), settings.base_url)
    return observed(_by_path(create_api(control), pages), control.metrics)


def _by_path(api: AsgiApp, pages: AsgiApp) -> AsgiApp:
    """Two applications on one listener: each answers, also what is not there, in its own way."""

    async def choose(scope: Any, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        is_page = scope["type"] == "http" and not path.startswith(_API_PATHS)
        # What starts and stops with the process hangs on the API's side.
        await (pages if is_page else api)(scope, receive, send)

    return choose


def access_tokens(settings: Settings) -> AccessTokens:
    """Wire what makes and reads access tokens; one for each process.

    Args:
        settings: the deployment's; `prepare` has been called.

    Returns:
        The maker and reader.
    """
    from keywright.tokens import AccessTokens, SigningKeyFile

    return AccessTokens(
        SigningKeyFile(settings.token_keys_path, random_bytes, clock()),
        issuer=settings.issuer,
        audience=settings.audience,
        cache_size=settings.credential_cache_size,
    )


def token_service(
    settings: Settings,
    database: Database,
    keyring: Sealer,
    nonces: EmbeddedNonceStore,
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
        tokens: makes and reads tokens.
        metrics: counts.

    Returns:
        The service.
    """
    from keywright.identity.throttle import Throttle
    from keywright.tokens import TOKEN_PATH, AssertionRules, Clients, TokenService, nonce_of
    from keywright.verification.replay import ReplayVerdict

    def is_first_use(client_id: str, jti: str, created: int, key_created_at: float, now: float) -> bool:
        verdict = nonces.remember(client_id, nonce_of(jti), created, key_created_at, now)
        return verdict is ReplayVerdict.FRESH

    # Clients know the token endpoint by the issuer's address, or by that of the API before which a gateway stands.
    origins = {settings.issuer, settings.base_url, settings.api_origin or settings.issuer}
    rules = AssertionRules(
        audiences=frozenset({settings.issuer, *(origin + TOKEN_PATH for origin in origins)}),
        max_age_seconds=settings.max_age_seconds,
        max_ahead_seconds=settings.max_ahead_seconds,
    )
    clients = Clients(database, keyring, Throttle(), is_first_use=is_first_use, rules=rules, random_bytes=random_bytes)
    return TokenService(
        tokens, clients, database, keyring, count=metrics.count_token, clock=clock, random_bytes=random_bytes
    )


def verification_keys(settings: Settings, database: Database, keyring: KeyringFile) -> VerificationKeys:
    """Wire the keys that a verifier asks for.

    Args:
        settings: the deployment's; `prepare` has been called.
        database: the truth.
        keyring: opens the secrets of hmac-sha256 keys.

    Returns:
        The keys, cached as far as this host can tell that they are true.
    """
    if database.is_shared:
        from keywright.verification.uncached_keys import UncachedKeys

        return UncachedKeys(database, keyring)
    from keywright.storage.change_signal import ChangeSignal
    from keywright.verification.keys import CachedKeys

    return CachedKeys(database, ChangeSignal(settings.database_file), keyring, size=settings.credential_cache_size)


def verification_service(
    settings: Settings, database: Database, keyring: KeyringFile, tokens: AccessTokens | None = None
) -> tuple[VerificationService, VerificationKeys, EmbeddedNonceStore, LastUsed]:
    """Wire the verifier.

    Args:
        settings: the deployment's; `prepare` has been called.
        database: the truth.
        keyring: opens the secrets of hmac-sha256 keys.
        tokens: reads bearer tokens; None makes one.

    Returns:
        The service, and the parts of it that want watching and closing.
    """
    from keywright.signatures import Profile
    from keywright.verification import LastUsed, VerificationService

    keys = verification_keys(settings, database, keyring)
    nonces, last_used = open_nonces(settings), LastUsed(database)
    profile = Profile(max_age_seconds=settings.max_age_seconds, max_ahead_seconds=settings.max_ahead_seconds)
    service = VerificationService(keys, nonces, last_used, profile, clock, tokens=tokens or access_tokens(settings))
    return service, keys, nonces, last_used


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
    service, keys, nonces, last_used = verification_service(settings, database, keyring, tokens)
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
        tokens=TokenAnswers(
            token_service(settings, database, keyring, nonces, tokens=tokens, metrics=metrics), settings.trusted_proxies
        ),
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"the data directory {folder} cannot be made ({error.strerror}); choose another with --data-dir"
        ) from error
