"""Everything that a server or a command needs before it begins."""
# ruff: noqa: PLC0415 - each function imports what it wires

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from keywright.app.parts import clock, open_database, open_nonces, random_bytes
from keywright.errors import Unavailable
from keywright.keyring import Keyring, KeyringFile, NoKeyring, Sealer
from keywright.settings import Settings
from keywright.verification.nonces import done

if TYPE_CHECKING:
    from keywright.mail import Outbox


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
    asyncio.run(begin_nonces(settings))
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


async def begin_nonces(settings: Settings) -> None:
    """Begin the memory of nonces, before the first key is made.

    Args:
        settings: the deployment's.

    Raises:
        Unavailable: it cannot be had, or Valkey is set so that it may forget.
    """
    from keywright.verification.valkey_nonces import ValkeyNonceStore

    nonces = open_nonces(settings)
    try:
        if isinstance(nonces, ValkeyNonceStore):
            await nonces.begin()
    finally:
        await done(nonces.close())


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


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"the data directory {folder} cannot be made ({error.strerror}); choose another with --data-dir"
        ) from error
