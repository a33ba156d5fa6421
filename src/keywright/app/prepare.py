"""Everything that a server or a command needs before it begins."""
# ruff: noqa: PLC0415 - each function imports what it wires

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from keywright.app.key_files import match_keyring, match_token_keys
from keywright.app.parts import open_nonces, random_bytes
from keywright.errors import Fault, InvalidRequest, Unavailable
from keywright.keyring import NoKeyring, Sealer
from keywright.settings import Settings
from keywright.verification.nonces import done

if TYPE_CHECKING:
    from keywright.mail import Outbox


def prepare(settings: Settings) -> None:
    """Make everything ready that a server needs: database migrated, keys there, memory of nonces begun.

    Args:
        settings: the deployment's.

    Raises:
        Unavailable: something cannot be read or written, or its files of keys are not those of the database.
        InvalidRequest: a database of many nodes is named, and no Valkey.
        Conflict: the database is of a newer version.
    """
    _require_shared_nonces(settings)
    prepare_database(settings)
    # A key that is created from now on was never used before this memory began.
    asyncio.run(_make_ready(settings))


async def _make_ready(settings: Settings) -> None:
    await begin_nonces(settings)
    await match_keyring(settings)
    await match_token_keys(settings)


def _require_shared_nonces(settings: Settings) -> None:
    if not settings.is_embedded and settings.valkey_url is None:
        raise InvalidRequest(
            [
                Fault(
                    "valkey_url",
                    "must be set when nodes share a PostgreSQL database: what one node has let in, each of them must"
                    " refuse; start a Valkey and name it, such as valkey://valkey.internal:6379 (--valkey-url,"
                    " KEYWRIGHT_VALKEY_URL)",
                )
            ]
        )


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
