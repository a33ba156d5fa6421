"""The rows that say which files of keys belong to the deployment: hashes of keys, by when they were added."""

from __future__ import annotations

from sqlalchemy import delete, insert, select

from keywright.storage import ReadSession, WriteSession
from keywright.storage.tables import deployment_keys


async def registered(session: ReadSession, file: str) -> list[str]:
    """Read what is registered.

    Args:
        session: where to read.
        file: `keyring` or `token-keys`.

    Returns:
        Fingerprints, that of the key which was added last at the end.
    """
    found = await session.execute(
        select(deployment_keys.c.fingerprint)
        .where(deployment_keys.c.file == file)
        .order_by(deployment_keys.c.noted_at, deployment_keys.c.fingerprint)
    )
    return [row.fingerprint for row in found]


async def add(session: WriteSession, file: str, fingerprint: str) -> None:
    """Register a key as the one that was added last.

    Args:
        session: the transaction.
        file: `keyring` or `token-keys`.
        fingerprint: not registered yet.
    """
    latest = await session.execute(
        select(deployment_keys.c.noted_at)
        .where(deployment_keys.c.file == file)
        .order_by(deployment_keys.c.noted_at.desc())
        .limit(1)
    )
    # After the one before it, whatever the clock says.
    noted_at = max(session.now_ms, (latest.scalar() or 0) + 1)
    await session.execute(insert(deployment_keys).values(file=file, fingerprint=fingerprint, noted_at=noted_at))


async def remove_all(session: WriteSession, file: str) -> None:
    """Forget what is registered.

    Args:
        session: the transaction.
        file: `keyring` or `token-keys`.
    """
    await session.execute(delete(deployment_keys).where(deployment_keys.c.file == file))
