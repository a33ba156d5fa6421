"""All accounts: search them, create one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get, post
from msgspec import Meta

from keywright.accounts import (
    AccountSearch,
    AccountSlice,
    AccountType,
    ApiAccess,
    count_access_requests,
    create_account,
    find_created_account,
    roles_of,
    search_accounts,
)
from keywright.control import Control
from keywright.credentials import find_account_of_key
from keywright.credentials.models import LIMIT
from keywright.errors import Conflict, Fault, InvalidRequest, TooManyRequests
from keywright.formats import is_client_id
from keywright.storage import ReadSession
from keywright.web.forms import Form, RequestId, request_id
from keywright.web.operator.users import invite_user, show_invitation
from keywright.web.proof import read_and_proved
from keywright.web.render import Notice, go_to, page
from keywright.web.visitor import Visitor
from keywright.wire.fields import Email, Name

PAGE = 25


class NewAccountForm(msgspec.Struct):
    """What a new account is to be."""

    name: Name
    type: Annotated[AccountType, Meta(description="one of the two offered")]
    request_id: RequestId


class NewAccountWithUserForm(NewAccountForm):
    """The same, and who its first user is: Owner or Partner Admin."""

    email: Email
    user_name: Name


@dataclass(frozen=True, slots=True)
class Asked:
    """What was searched for, as it stands in the address."""

    q: str = ""
    access: str = ""
    type: str = ""
    cursor: str = ""

    @property
    def is_filtered(self) -> bool:
        """Whether anything was asked for but the list as it is."""
        return bool(self.q or self.access or self.type)

    def address(self, cursor: str = "") -> str:
        """The address of the same search at another place."""
        asked = {"q": self.q, "access": self.access, "type": self.type, "cursor": cursor}
        query = urlencode({name: value for name, value in asked.items() if value})
        return f"/operator/accounts?{query}" if query else "/operator/accounts"


@get("/accounts")
async def get_accounts(request: Request[Any, Any, Any]) -> Response[str]:
    """Show the accounts, or those that were searched for."""
    given = {name: request.query_params.get(name, "").strip() for name in ("q", "access", "type", "cursor")}
    asked = Asked(**given)
    try:
        return await _show(request, asked)
    except InvalidRequest as error:
        told = "; ".join(fault.message for fault in error.faults)
        faults = InvalidRequest([Fault("", f"This search could not be read: {told}. Here are all accounts.")])
        return await _show(request, Asked(), faults=faults, status=400)


@get("/accounts/new")
async def get_new_account(request: Request[Any, Any, Any]) -> Response[str]:
    """Show the form for a new account."""
    return await _show(request, Asked(), dialog="new")


@post("/accounts", status_code=200)
async def post_account(request: Request[Any, Any, Any], control: Control, form: Form) -> Response[Any]:
    """Create an account, and with it its first user if one is named."""
    invited = None
    kind = NewAccountWithUserForm if form.get("email") or form.get("user_name") else NewAccountForm
    try:
        filled, principal = await read_and_proved(request, form, kind)
        async with control.database.write() as session:
            account = await create_account(
                session,
                principal,
                name=filled.name,
                account_type=filled.type,
                random_bytes=control.random_bytes,
                request_id=filled.request_id,
            )
            if isinstance(filled, NewAccountWithUserForm):
                invited = await invite_user(
                    session,
                    control,
                    principal,
                    account.account_id,
                    email=filled.email,
                    name=filled.user_name,
                    role=roles_of(filled.type)[0],
                )
            await session.commit()
    except InvalidRequest as error:
        return await _show(request, Asked(), dialog="new", values=form.values, faults=error, status=400)
    except (Conflict, TooManyRequests) as error:
        if (answer := await _created_before(request, form)) is not None:
            return answer
        # Else only the first user can stand in the way; then there is no account yet either.
        faults = InvalidRequest([Fault("email", error.message)])
        return await _show(request, Asked(), dialog="new", values=form.values, faults=faults, status=409)
    control.wake_mail()
    title = f"{account.name} is created."
    if invited is not None:
        return show_invitation(request, control, account, invited, title=title)
    text = "Its API access is off until you enable it."
    return go_to(request, f"/operator/accounts/{account.account_id}", Notice(text, title=title))


async def _created_before(request: Request[Any, Any, Any], form: Form) -> Response[Any] | None:
    """Lead to the account that this very form has created before, if it has."""
    control: Control = request.app.state.control
    visitor: Visitor = request.state.visitor
    async with control.database.read() as session:
        made = await find_created_account(session, visitor.person, form.get("request_id"))
    if made is None:
        return None
    text = "The form came a second time, and nothing was made twice."
    if form.get("email"):
        text += " Its first user is invited; if the mail does not arrive, invite them again from here."
    title = f"{made.name} was created already."
    return go_to(request, f"/operator/accounts/{made.account_id}", Notice(text, "plain", title))


async def _show(
    request: Request[Any, Any, Any],
    asked: Asked,
    *,
    dialog: str = "",
    values: dict[str, str] | None = None,
    faults: InvalidRequest | tuple[Fault, ...] = (),
    status: int = 200,
) -> Response[str]:
    control: Control = request.app.state.control
    visitor: Visitor = request.state.visitor
    async with control.database.read() as session:
        waiting = await count_access_requests(session, visitor.person)
        found = await _search(session, visitor, asked)
    return page(
        request,
        "operator_accounts.html",
        status=status,
        here="accounts",
        faults=faults,
        waiting=waiting,
        found=found,
        asked=asked,
        states=list(ApiAccess),
        types=list(AccountType),
        limit=LIMIT,
        dialog=dialog,
        values=values or {},
        request_id=request_id(values or {}, control.random_bytes),
    )


async def _search(session: ReadSession, visitor: Visitor, asked: Asked) -> AccountSlice:
    account_id = None
    client_id = asked.q.lower()
    if is_client_id(client_id):
        account_id = await find_account_of_key(session, visitor.person, client_id)
    search = AccountSearch(
        # What is none of our Client IDs is still looked for in names.
        text="" if account_id else asked.q,
        account_id=account_id,
        api_access=ApiAccess(_one_of(asked.access, ApiAccess, "state of API access")) if asked.access else None,
        type=AccountType(_one_of(asked.type, AccountType, "type")) if asked.type else None,
    )
    return await search_accounts(session, visitor.person, search, limit=PAGE, cursor=asked.cursor or None)


def _one_of(text: str, kind: type[ApiAccess | AccountType], what: str) -> str:
    if text not in list(kind):
        raise InvalidRequest([Fault("", f"there is no such {what}; choose one from the list")])
    return text


handlers = [get_accounts, get_new_account, post_account]
