"""Create an account."""

from __future__ import annotations

from keywright import audit
from keywright.accounts import store
from keywright.accounts.models import Account, AccountType, ApiAccess
from keywright.accounts.policy import authorize_platform
from keywright.accounts.principal import Principal
from keywright.formats import RandomBytes, new_identifier
from keywright.storage import WriteSession


async def create_account(
    session: WriteSession,
    principal: Principal,
    *,
    name: str,
    account_type: AccountType,
    random_bytes: RandomBytes,
) -> Account:
    """Create an account, without members and with API access off.

    Args:
        session: the transaction.
        principal: the caller: an operator.
        name: what people call the customer.
        account_type: corporate or partner.
        random_bytes: makes the Account ID.

    Returns:
        The new account.

    Raises:
        Forbidden: the caller is no operator.
    """
    authorize_platform(principal)
    account = Account(
        account_id=new_identifier("acc", random_bytes),
        name=name,
        type=account_type,
        api_access=ApiAccess.NOT_REQUESTED,
        api_access_reason=None,
        api_access_changed_at=None,
        created_at=session.now_ms,
    )
    await store.insert_account(session, account)
    await audit.record(
        session,
        account.account_id,
        actor=principal.actor(),
        action="account.created",
        subject={"kind": "account", "id": account.account_id},
        detail={"name": name, "type": account_type.value},
    )
    return account
