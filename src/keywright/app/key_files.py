"""The files of keys: opened, made and changed so that all nodes of a deployment have the same."""
# ruff: noqa: PLC0415 - each function imports what it wires

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from keywright.app.parts import clock, open_database, random_bytes
from keywright.deployment import KeyFile, KeyFileCheck, refuse_foreign, register, replace
from keywright.errors import Unavailable
from keywright.keyring import Keyring, KeyringFile, load_or_create_keyring
from keywright.settings import Settings
from keywright.storage import Database, ReadSession

if TYPE_CHECKING:
    from keywright.telemetry import Metrics

ReadFile = Callable[[Settings], KeyFile]
ResultT = TypeVar("ResultT")


def keyring_of_node(settings: Settings) -> KeyFile:
    """Look at the keyring that lies on this node, if there is one."""
    path = settings.keyring_path
    keys = load_or_create_keyring(path, random_bytes).fingerprints() if path.exists() else ()
    return KeyFile("keyring", path, "KEYWRIGHT_KEYRING_FILE", keys)


def token_keys_of_node(settings: Settings) -> KeyFile:
    """Look at the keys that sign access tokens and lie on this node, if there are any."""
    from keywright.tokens import load_or_create_signing_keys

    path = settings.token_keys_path
    keys = load_or_create_signing_keys(path, random_bytes, clock()).fingerprints() if path.exists() else ()
    return KeyFile("token-keys", path, "KEYWRIGHT_TOKEN_KEYS_FILE", keys)


async def match_keyring(settings: Settings) -> KeyringFile:
    """Open the keyring that belongs to the database, making it if the database has sealed nothing yet.

    Args:
        settings: the deployment's; the database is ready.

    Returns:
        The keyring.

    Raises:
        Unavailable: it is missing, cannot be read, or is another database's or deployment's.
    """
    async with _opened(settings) as database:
        if database.is_shared:
            # Alone: of two first nodes, one makes the file, and the other is told to copy it.
            async with database.write() as session:
                await refuse_foreign(session, keyring_of_node(settings))
                keyring = await _open_keyring(session, settings)
                await register(session, keyring_of_node(settings))
                await session.commit()
                return keyring
        async with database.read() as session:
            return await _open_keyring(session, settings)


async def register_keyring(settings: Settings) -> None:
    """Make this node's keyring the deployment's, in the place of one that is lost.

    Args:
        settings: the deployment's; the database is ready.

    Raises:
        Unavailable: it does not open what is sealed in the database; nothing was changed.
    """
    async with _opened(settings) as database, database.write() as session:
        await _open_keyring(session, settings)
        await replace(session, keyring_of_node(settings))
        await session.commit()


async def match_token_keys(settings: Settings) -> None:
    """Make sure that this node has the deployment's keys that sign access tokens, making them if it is the first.

    Args:
        settings: the deployment's; the database is ready.

    Raises:
        Unavailable: they are missing, cannot be read, or are another deployment's.
    """
    from keywright.tokens import load_or_create_signing_keys

    await change_key_file(
        settings,
        token_keys_of_node,
        lambda: load_or_create_signing_keys(settings.token_keys_path, random_bytes, clock()),
    )


async def change_key_file(
    settings: Settings, read: ReadFile, change: Callable[[], ResultT], *, is_new: bool = False
) -> ResultT:
    """Change a file of keys on this node, and register it for the others.

    Args:
        settings: the deployment's; the database is ready.
        read: looks at the file.
        change: changes it.
        is_new: whether what was there before is given up, here and on all nodes.

    Returns:
        What the change returned.

    Raises:
        Unavailable: this node's file is not the deployment's; nothing was changed.
    """
    async with _opened(settings) as database:
        if not database.is_shared:
            return change()
        async with database.write() as session:
            if not is_new:
                await refuse_foreign(session, read(settings))
            result = change()
            # A file that is written and not registered, since the database goes away now, is registered at a start.
            await (replace if is_new else register)(session, read(settings))
            await session.commit()
            return result


def watch_key_files(settings: Settings, database: Database, metrics: Metrics) -> KeyFileCheck:
    """Wire what looks, in a running node, whether its files of keys are still those of the deployment.

    Args:
        settings: the deployment's.
        database: where they are registered.
        metrics: shows how many of them are not.

    Returns:
        The check; on one host there is nothing to compare.
    """
    checked: tuple[ReadFile, ...] = (keyring_of_node, token_keys_of_node) if database.is_shared else ()
    check = KeyFileCheck(lambda: [read(settings) for read in checked])
    metrics.watch(
        "keywright_key_files_outdated",
        "Files of keys on this node that lack a key which was added on another; as of the last look at /readyz.",
        lambda: check.outdated,
    )
    return check


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Database]:
    database = open_database(settings)
    try:
        yield database
    finally:
        await database.close()


async def _open_keyring(session: ReadSession, settings: Settings) -> KeyringFile:
    from keywright.credentials import check_sealed_secrets
    from keywright.identity import check_totp_secrets

    file, none = settings.keyring_path, Keyring("", {})
    try:
        keyring = KeyringFile(file, random_bytes) if file.exists() else none
        await check_sealed_secrets(session, keyring)
        await check_totp_secrets(session, keyring)
    except Unavailable as error:
        raise Unavailable(
            f"the keyring {file} does not open the secrets in {settings.database_name}; restore the keyring that"
            " belongs to this database from its backup, or name it with KEYWRIGHT_KEYRING_FILE",
            private=error.private or error.message,
        ) from error
    return KeyringFile(file, random_bytes)
