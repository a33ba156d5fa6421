"""What a relationship manager sees of an account, and how much waits for them."""

from __future__ import annotations

from dataclasses import dataclass

from keywright.accounts import search_store
from keywright.accounts.models import AccessRequest, Account
from keywright.accounts.policy import NO_SUCH_ACCOUNT, authorize_platform
from keywright.accounts.principal import Principal
from keywright.errors import NotFound
from keywright.storage import ReadSession

# More than these are not counted: the number tells whether there is work, not how much.
MOST_COUNTED = 100


@dataclass(frozen=True, slots=True)
class AccountOverview:
    """An account as a relationship manager sees it.

    Args:
        account: the account.
        active_keys: how many keys it has.
        request: what it asks for, while that waits for a decision.
        waiting: how many accounts wait for a decision, at most `MOST_COUNTED`.
    """

    account: Account
    active_keys: int
    request: AccessRequest | None
    waiting: int


async def find_overview(session: ReadSession, principal: Principal, account_id: str) -> AccountOverview:
    """Return an account with what waits for a decision, in one question.

    Args:
        session: where to read.
        principal: the caller: an operator.
        account_id: the account.

    Returns:
        What there is to see.

    Raises:
        Forbidden: the caller is no operator.
        NotFound: there is no such account.
    """
    authorize_platform(principal)
    found = await search_store.account_with_request(session, account_id, MOST_COUNTED)
    if found is None:
        raise NotFound(NO_SUCH_ACCOUNT)
    return AccountOverview(*found)


async def count_access_requests(session: ReadSession, principal: Principal) -> int:
    """Count the requests that wait for a decision, at most `MOST_COUNTED`.

    Raises:
        Forbidden: the caller is no operator.
    """
    authorize_platform(principal)
    return await search_store.count_access_requests(session, MOST_COUNTED)
