"""Seal every stored secret anew under the keyring's current key, so that an older sealing key can be retired."""

from __future__ import annotations

from keywright.credentials import store
from keywright.formats import RandomBytes
from keywright.keyring import Keyring
from keywright.storage import WriteSession

BATCH = 200


async def reseal_credentials(
    session: WriteSession, keyring: Keyring, *, after: str, random_bytes: RandomBytes
) -> tuple[str | None, int]:
    """Seal one batch anew. What is under the current key already stays as it is.

    Args:
        session: the transaction; commit after each batch, so that the server is not kept waiting.
        keyring: with the old keys and the new.
        after: the Client ID at which the batch before ended; the empty text to begin.
        random_bytes: makes nonces.

    Returns:
        Where this batch ended, None when all are done, and how many were sealed anew.

    Raises:
        Unavailable: a secret cannot be opened; nothing of this batch was changed.
    """
    batch = await store.sealed_secrets(session, after=after, limit=BATCH)
    changed = 0
    for client_id, sealed in batch:
        if keyring.sealed_by(sealed) != keyring.current:
            again = keyring.seal(keyring.open(sealed, client_id), client_id, random_bytes)
            await store.replace_sealed_secret(session, client_id, sealed, again)
            changed += 1
    return (batch[-1][0] if len(batch) == BATCH else None), changed
