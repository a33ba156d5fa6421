"""Create an account."""

from __future__ import annotations

import hashlib

from keywright import audit
from keywright.accounts import store
from keywright.accounts.models import Account, AccountType, ApiAccess
from keywright.accounts.policy import authorize_platform, require_fresh_proof
from keywright.accounts.principal import Principal
from keywright.errors import Conflict
from keywright.formats import RandomBytes, new_identifier
from keywright.storage import ReadSession, WriteSession


async def create_account(
    session: WriteSession,
    principal: Principal,
    *,
    name: str,
    account_type: AccountType,
    random_bytes: RandomBytes,
    request_id: str | None = None,
) -> Account:
    """Create an account, without members and with API access off.

    Args:
        session: the transaction.
        principal: the caller: an operator.
        name: what people call the customer.
        account_type: corporate or partner.
        random_bytes: makes the Account ID.
        request_id: names this very request, so that sent twice it makes one account; optional.

    Returns:
        The new account.

    Raises:
        Forbidden: the caller is no operator.
        ProofRequired: the caller proved too long ago who they are.
        Conflict: this very request made an account before; `find_created_account` tells which.
    """
    authorize_platform(principal)
    require_fresh_proof(principal, session.now_ms)
    if request_id is not None and await find_created_account(session, principal, request_id) is not None:
        raise Conflict("this account was created already, and nothing was created a second time")
    account = Account(
        account_id=new_identifier("acc", random_bytes),
        name=name,
        type=account_type,
        api_access=ApiAccess.NOT_REQUESTED,
        api_access_reason=None,
        api_access_changed_at=None,
        created_at=session.now_ms,
    )
    request_hash = None if request_id is None else _request_hash(principal, request_id)
    await store.insert_account(session, account, request_hash=request_hash)
    await audit.record(
        session,
        account.account_id,
        actor=principal.actor(),
        action="account.created",
        subject={"kind": "account", "id": account.account_id},
        detail={"name": name, "type": account_type.value},
    )
    return account


async def find_created_account(session: ReadSession, principal: Principal, request_id: str) -> Account | None:
    """Find the account that a request of the caller's has made.

    Args:
        session: where to look; before creating one, that transaction.
        principal: the caller: an operator.
        request_id: as it came with the request.

    Returns:
        The account, or None if that request has made none.

    Raises:
        Forbidden: the caller is no operator.
    """
    authorize_platform(principal)
    return await store.account_of_request(session, _request_hash(principal, request_id))


def _request_hash(principal: Principal, request_id: str) -> bytes:
    return hashlib.sha256(f"{principal.id}\n{request_id}".encode()).digest()
