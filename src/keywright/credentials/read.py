"""List an account's active keys, and find the account of one."""

from __future__ import annotations

from keywright.accounts import Permission, Principal, authorize, authorize_platform
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


async def list_credentials_for_operator(
    session: ReadSession, principal: Principal, account_id: str
) -> list[Credential]:
    """Return an account's active keys, newest first, to those who may see every account's.

    Args:
        session: where to read.
        principal: the caller: an operator.
        account_id: the account; one that does not exist has no keys.

    Returns:
        At most ten keys, without any secret.

    Raises:
        Forbidden: the caller is no operator.
    """
    authorize_platform(principal)
    return await store.active_credentials_newest_first(session, account_id)


async def find_account_of_key(session: ReadSession, principal: Principal, client_id: str) -> str | None:
    """Tell which account a key belongs to, or belonged to before it was deleted.

    Args:
        session: where to look.
        principal: the caller: an operator.
        client_id: the key.

    Returns:
        The Account ID, or None if there never was such a key.

    Raises:
        Forbidden: the caller is no operator.
    """
    authorize_platform(principal)
    return await store.account_of_key(session, client_id)
