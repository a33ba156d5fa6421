"""One account, as its relationship manager sees it: facts, API access, keys without secrets, users, activity."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, get

from keywright.accounts import (
    AccountOverview,
    ApiAccess,
    find_overview,
    roles_of,
)
from keywright.audit import events_newest_first
from keywright.control import Control
from keywright.credentials import Credential, list_credentials_for_operator
from keywright.credentials.models import LIMIT
from keywright.errors import Fault, InvalidRequest
from keywright.identity.user_store import User
from keywright.identity.users import list_users_for_operator
from keywright.web.activity_rows import by_day
from keywright.web.api_keys import TYPED_CHARACTERS, UNUSED_DAYS
from keywright.web.proof import as_typed
from keywright.web.render import Notice, go_to, page
from keywright.web.users import ROLE_HINTS
from keywright.web.visitor import Visitor

# Who has more users than these looks them up through the API.
MOST_USERS = 200
MOST_EVENTS = 20


@get("/accounts/{account_id:str}")
async def get_account(request: Request[Any, Any, Any], account_id: str) -> Response[Any]:
    """Show an account."""
    return await show_account(request, account_id)


async def show_account(
    request: Request[Any, Any, Any],
    account_id: str,
    *,
    dialog: str = "",
    subject_id: str = "",
    values: dict[str, str] | None = None,
    faults: InvalidRequest | tuple[Fault, ...] = (),
    status: int = 200,
) -> Response[Any]:
    """Show an account, with a dialog over it or without.

    Args:
        request: what is answered.
        account_id: the account.
        dialog: which dialog; empty for none.
        subject_id: the key or user that the dialog is about.
        values: what was typed into its form.
        faults: what was wrong with that.
        status: the HTTP status.

    Returns:
        The answer; where there is nothing to ask any more, back to the account.

    Raises:
        NotFound: there is no such account.
    """
    control: Control = request.app.state.control
    visitor: Visitor = request.state.visitor
    async with control.database.read() as session:
        overview = await find_overview(session, visitor.person, account_id)
        keys = await list_credentials_for_operator(session, visitor.person, account_id)
        users = await list_users_for_operator(
            session, visitor.person, overview.account, limit=MOST_USERS, person_id=subject_id
        )
        events = await events_newest_first(session, account_id, before_seq=None, limit=MOST_EVENTS + 1)
    key = next((each for each in keys if each.client_id == subject_id), None)
    if dialog and (why_not := _nothing_to_ask(dialog, overview, key, users.asked_for)):
        return go_to(request, f"/operator/accounts/{account_id}", Notice(why_not, "plain"))
    return page(
        request,
        "operator_account.html",
        status=status,
        here="accounts",
        faults=faults,
        account=overview.account,
        asked=overview.request,
        waiting=overview.waiting,
        keys=keys,
        key=key,
        limit=LIMIT,
        unused_before=visitor.now_ms - UNUSED_DAYS * 86_400_000,
        unused_days=UNUSED_DAYS,
        typed_characters=TYPED_CHARACTERS,
        as_typed=as_typed(overview.account.name),
        users=users.users,
        more_users=users.next_cursor is not None,
        user=users.asked_for,
        roles=[(role, ROLE_HINTS[role]) for role in roles_of(overview.account.type)],
        days=by_day(events[:MOST_EVENTS], datetime.fromtimestamp(visitor.now_ms / 1000, UTC).date()),
        more_events=len(events) > MOST_EVENTS,
        dialog=dialog,
        values=values or {},
    )


def _nothing_to_ask(dialog: str, overview: AccountOverview, key: Credential | None, user: User | None) -> str:
    """Why a dialog has become pointless, as when someone else was quicker; empty if it has not."""
    state = overview.account.api_access
    if dialog == "delete-key" and key is None:
        return "It is no active API key of this account any more."
    if dialog == "invite-again" and (user is None or user.has_come):
        return "They have a password already." if user else "There is no such user in this account any more."
    if dialog == "enable" and state is ApiAccess.ENABLED:
        return "API access of this account is enabled already."
    if dialog == "decline" and state is not ApiAccess.REQUESTED:
        return "No request of this account waits for a decision any more."
    if dialog == "switch-off" and state is not ApiAccess.ENABLED:
        return "API access of this account is off already."
    return ""


handlers = [get_account]
