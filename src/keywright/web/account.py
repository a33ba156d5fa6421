"""One's accounts, and what an account is."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, Router, get
from litestar.params import Parameter

from keywright.accounts import list_places
from keywright.control import Control
from keywright.web.render import page
from keywright.web.visitor import Visitor, enter

_PAGE = 50


@get("/accounts")
async def get_accounts(
    request: Request[Any, Any, Any],
    control: Control,
    visitor: Visitor,
    after: Annotated[str, Parameter(max_length=200)] = "",
    after_id: Annotated[str, Parameter(max_length=40)] = "",
) -> Response[str]:
    """Show the accounts that the visitor belongs to."""
    async with control.database.read() as session:
        found = await list_places(session, visitor.person, limit=_PAGE + 1, after=(after, after_id))
    last = found[_PAGE - 1].account if len(found) > _PAGE else None
    return page(request, "accounts.html", places=found[:_PAGE], last=last)


@get("/accounts/{account_id:str}")
async def get_account(
    request: Request[Any, Any, Any], control: Control, visitor: Visitor, account_id: str
) -> Response[str]:
    """Show one account."""
    async with control.database.read() as session:
        place = await enter(session, visitor, account_id)
    return page(request, "account.html", place=place, here="account")


router = Router("/", route_handlers=[get_accounts, get_account])
