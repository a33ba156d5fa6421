"""Find accounts among many, as relationship managers do: by name, Account ID or someone's email, page by page."""

from __future__ import annotations

import re
from dataclasses import dataclass

from keywright.accounts import search_store
from keywright.accounts.models import Account, AccountType, ApiAccess
from keywright.accounts.policy import authorize_platform
from keywright.accounts.principal import Principal
from keywright.errors import Fault, InvalidRequest
from keywright.storage import ReadSession

MOST_CHARACTERS = 254
_CURSOR = re.compile(r"(after|before)-(acc_[0-9a-z]{1,36})\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class AccountSearch:
    """What to look for; all of it must fit.

    Args:
        text: a part of the name, upper and lower case alike; or an Account ID, or the email of one of its people.
        account_id: only this account, as when it was found by one of its keys.
        api_access: only accounts whose API access is in this state.
        type: only accounts of this type.
    """

    text: str = ""
    account_id: str | None = None
    api_access: ApiAccess | None = None
    type: AccountType | None = None


@dataclass(frozen=True, slots=True)
class FoundAccount:
    """An account in a list, with how many keys it has."""

    account: Account
    active_keys: int


@dataclass(frozen=True, slots=True)
class AccountSlice:
    """A piece of the list of accounts by name, and the cursors of its neighbours; None where the list ends."""

    items: list[FoundAccount]
    previous_cursor: str | None
    next_cursor: str | None


async def search_accounts(
    session: ReadSession, principal: Principal, search: AccountSearch, *, limit: int, cursor: str | None
) -> AccountSlice:
    """Return a page of the accounts that fit, by name.

    Args:
        session: where to read.
        principal: the caller: an operator.
        search: what to look for.
        limit: most accounts to return.
        cursor: one of the page's before or behind, or None for the first page.

    Returns:
        The accounts and where to go on.

    Raises:
        Forbidden: the caller is no operator.
        InvalidRequest: the text is none that a name can hold, or the cursor none of ours.
    """
    authorize_platform(principal)
    # Databases end a text at NUL, or refuse it: no name holds one.
    if len(search.text) > MOST_CHARACTERS or "\x00" in search.text:
        advice = f"search for at most {MOST_CHARACTERS} characters that can be typed; a part of the name is enough"
        raise InvalidRequest([Fault("text", advice)])
    backwards, place = await _place(session, cursor)
    found = await search_store.accounts_by_name(
        session,
        text=search.text,
        account_id=search.account_id,
        api_access=search.api_access,
        account_type=search.type,
        behind=place,
        backwards=backwards,
        limit=limit + 1,
    )
    items = [FoundAccount(account, active_keys) for account, active_keys in found[:limit]]
    if not items:
        return AccountSlice([], None, None)
    more = len(found) > limit
    if backwards:
        items.reverse()
    has_previous = more if backwards else place is not None
    has_next = more or backwards
    return AccountSlice(
        items,
        f"before-{items[0].account.account_id}" if has_previous else None,
        f"after-{items[-1].account.account_id}" if has_next else None,
    )


async def _place(session: ReadSession, cursor: str | None) -> tuple[bool, tuple[str, str] | None]:
    """Read a cursor: whether it leads backwards, and the name and ID that it stands at."""
    if cursor is None:
        return False, None
    found = _CURSOR.match(cursor)
    place = None if found is None else await search_store.place_of(session, found[2])
    if found is None or place is None:
        raise InvalidRequest([Fault("cursor", "is not one that we gave; leave it out to start at the beginning")])
    return found[1] == "before", place
