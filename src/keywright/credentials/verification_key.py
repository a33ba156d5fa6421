"""What a verifier asks of the keys: the material to check with, and a place to note the use."""

from __future__ import annotations

from collections.abc import Mapping

from keywright.accounts import ApiAccess
from keywright.credentials import store
from keywright.credentials.models import VerificationKey
from keywright.keyring import Sealer
from keywright.storage import ReadSession, WriteSession

_SOME = 50


async def find_verification_key(session: ReadSession, client_id: str, keyring: Sealer) -> VerificationKey | None:
    """Find an active key to verify with.

    Args:
        session: where to read.
        client_id: from the signature's `keyid`.
        keyring: opens the secret of an hmac-sha256 key.

    Returns:
        The key with its account's state; None if there is no such active key.

    Raises:
        Unavailable: the sealed secret cannot be opened.
    """
    stored = await store.stored_key(session, client_id)
    if stored is None:
        return None
    if stored.public_key is not None:
        key = stored.public_key
    else:
        assert stored.sealed_secret is not None
        key = keyring.open(stored.sealed_secret, client_id)
    return VerificationKey(
        client_id=client_id,
        account_id=stored.account_id,
        account_type=stored.account_type,
        algorithm=stored.algorithm,
        key=key,
        created_at_seconds=stored.created_at / 1000,
        api_access_enabled=stored.api_access == ApiAccess.ENABLED.value,
    )


async def check_sealed_secrets(session: ReadSession, keyring: Sealer) -> int:
    """Make sure that database and keyring belong together, by opening some of the sealed secrets.

    Args:
        session: where to read.
        keyring: should open them.

    Returns:
        How many were tried; Client IDs are random, so these are a random few.

    Raises:
        Unavailable: one does not open.
    """
    some = await store.sealed_secrets(session, after="", limit=_SOME)
    for client_id, sealed in some:
        keyring.open(sealed, client_id)
    return len(some)


async def note_last_used(session: WriteSession, used_at_ms: Mapping[str, int]) -> None:
    """Note when keys were last used.

    Args:
        session: the transaction.
        used_at_ms: Client ID to time, milliseconds since 1970 UTC.
    """
    await store.update_last_used(session, used_at_ms)
