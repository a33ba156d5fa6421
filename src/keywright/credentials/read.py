"""List an account's active keys."""

from __future__ import annotations

from keywright.accounts import Permission, Principal, authorize
from keywright.credentials import store
from keywright.credentials.models import Credential
from keywright.storage import ReadSession


async def list_credentials(session: ReadSession, principal: Principal, account_id: str) -> list[Credential]:
    """Return an account's active keys, newest first; deleted ones are not listed.

    Args:
        session: where to read.
        principal: the caller.
        account_id: the account.

    Returns:
        At most ten keys, without any secret.

    Raises:
        NotFound: no such account for this caller.
        Forbidden: the caller may not see keys here.
    """
    await authorize(session, principal, account_id, Permission.VIEW_CREDENTIALS)
    return await store.active_credentials_newest_first(session, account_id)
