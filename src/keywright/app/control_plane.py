"""Wires the control plane."""
# ruff: noqa: PLC0415 - each function imports what it wires

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keywright.app.key_files import watch_key_files
from keywright.app.parts import access_tokens, open_database, open_nonces, open_throttle, random_bytes, token_service
from keywright.keyring import KeyringFile
from keywright.settings import Settings
from keywright.verification.nonces import done

if TYPE_CHECKING:
    from keywright.mail import Transport
    from keywright.telemetry.requests import AsgiApp, Receive, Send

# Paths that programs call; all others are pages.
_API_PATHS = ("/v1", "/healthz", "/readyz", "/metrics", "/auth/", "/oauth2/", "/.well-known/")


def control_plane(settings: Settings) -> AsgiApp:
    """Wire the control plane.

    Args:
        settings: the deployment's; `prepare` has been called.

    Returns:
        The ASGI application: the REST API and the pages, each at its addresses.
    """
    from keywright.api import create_api
    from keywright.control import Control
    from keywright.freshness import Census, Receipts
    from keywright.identity import Passwords
    from keywright.mail import Outbox, Postman
    from keywright.telemetry import Metrics, observed
    from keywright.web import create_pages, with_security_headers

    database, passwords, metrics, throttle = (
        open_database(settings),
        Passwords(settings.password_memory_mib),
        Metrics(),
        open_throttle(settings),
    )
    nonces = open_nonces(settings, count_failure=metrics.count_valkey_failure)
    keyring = KeyringFile(settings.keyring_path, random_bytes)
    postman = Postman(database, keyring, mail_transport(settings), count=metrics.count_mail)
    metrics.watch("keywright_mail_waiting", "Mail that waits to be sent.", lambda: postman.waiting)

    census = Census(database)
    metrics.watch_states("keywright_verifiers", "Verifiers with a cache of their own.", lambda: census.by_state)

    key_files = watch_key_files(settings, database, metrics)

    async def is_ready() -> None:
        await database.check()
        async with database.read() as session:
            await key_files.look(session)
        if settings.valkey_url is not None:  # sign-in counts there, whoever else needs it
            await done(nonces.check())

    async def start() -> None:
        await postman.start()
        census.start()

    async def stop() -> None:
        await postman.stop()
        await census.stop()
        passwords.close()
        await done(nonces.close())
        await throttle.close()
        await database.close()

    control = Control(
        settings=settings,
        database=database,
        keyring=keyring,
        passwords=passwords,
        outbox=Outbox(keyring, settings.base_url, random_bytes),
        wake_mail=postman.wake,
        tokens=token_service(
            settings, database, keyring, nonces, throttle, tokens=access_tokens(settings), metrics=metrics
        ),
        receipts=Receipts(database, observe=metrics.observe_receipt),
        metrics=metrics,
        random_bytes=random_bytes,
        is_ready=is_ready,
        start=start,
        stop=stop,
        throttle=throttle,
    )
    pages = with_security_headers(create_pages(control), settings.base_url)
    return observed(_by_path(create_api(control), pages), control.metrics)


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


def _by_path(api: AsgiApp, pages: AsgiApp) -> AsgiApp:
    """Two applications on one listener: each answers, also what is not there, in its own way."""

    async def choose(scope: Any, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        is_page = scope["type"] == "http" and not path.startswith(_API_PATHS)
        # What starts and stops with the process hangs on the API's side.
        await (pages if is_page else api)(scope, receive, send)

    return choose
