"""Requests for API access that wait for a decision."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get, post

from keywright.accounts import ApiAccess, count_access_requests, list_access_requests
from keywright.control import Control
from keywright.errors import Conflict, Fault, InvalidRequest
from keywright.web.forms import Form
from keywright.web.operator.access import TOLD_BY_MAIL, decide, read_decline
from keywright.web.proof import proved
from keywright.web.render import Notice, go_to, page
from keywright.web.visitor import Visitor

PAGE = 20


@get("/requests")
async def get_requests(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show the requests, the longest waiting first."""
    return await _show(request, request.query_params.get("cursor", ""))


@get("/requests/{account_id:str}/approve")
async def get_approve(request: Request[Any, Any, Any], account_id: str) -> Response[Any]:
    """Ask who it is that approves; the button leads here once the last proof is old."""
    return await _show(request, request.query_params.get("cursor", ""), dialog="approve", account_id=account_id)


@post("/requests/{account_id:str}/approve", status_code=200)
async def post_approve(request: Request[Any, Any, Any], form: Form, account_id: str) -> Response[Any]:
    """Enable API access for an account that asks for it."""
    cursor = form.get("cursor")
    here = _address(cursor)
    try:
        principal = await proved(request, form)
        account, _ = await decide(request, principal, account_id, enabled=True, reason=None, seen=ApiAccess.REQUESTED)
    except InvalidRequest as error:
        return await _show(request, cursor, dialog="approve", account_id=account_id, faults=error, status=400)
    except Conflict as error:
        return go_to(request, here, Notice.of(error))
    return go_to(request, here, Notice(TOLD_BY_MAIL, title=f"API access is enabled for {account.name}."))


@get("/requests/{account_id:str}/decline")
async def get_decline_request(request: Request[Any, Any, Any], account_id: str) -> Response[Any]:
    """Ask why a request is declined."""
    return await _show(request, request.query_params.get("cursor", ""), dialog="decline", account_id=account_id)


@post("/requests/{account_id:str}/decline", status_code=200)
async def post_decline_request(request: Request[Any, Any, Any], form: Form, account_id: str) -> Response[Any]:
    """Decline a request; the reason is mailed."""
    cursor = form.get("cursor")
    try:
        reason, principal = await read_decline(request, form)
        account, _ = await decide(
            request, principal, account_id, enabled=False, reason=reason, seen=ApiAccess.REQUESTED
        )
    except InvalidRequest as error:
        asked: dict[str, Any] = {"dialog": "decline", "account_id": account_id, "values": form.values}
        return await _show(request, cursor, **asked, faults=error, status=400)
    except Conflict as error:
        return go_to(request, _address(cursor), Notice.of(error))
    text = "The reason is on its way to its key managers, who can ask again."
    return go_to(request, _address(cursor), Notice(text, title=f"The request of {account.name} is declined."))


async def _show(
    request: Request[Any, Any, Any],
    cursor: str,
    *,
    dialog: str = "",
    account_id: str = "",
    values: dict[str, str] | None = None,
    faults: InvalidRequest | tuple[Fault, ...] = (),
    status: int = 200,
) -> Response[Any]:
    control: Control = request.app.state.control
    visitor: Visitor = request.state.visitor
    async with control.database.read() as session:
        waiting = await count_access_requests(session, visitor.person)
        try:
            found = await list_access_requests(session, visitor.person, limit=PAGE, cursor=cursor or None)
        except InvalidRequest:
            cursor, status = "", 400
            faults = InvalidRequest([Fault("", "This link leads nowhere. Here are the requests from the beginning.")])
            found = await list_access_requests(session, visitor.person, limit=PAGE, cursor=None)
    asked = next((each for each in found.items if each.account_id == account_id), None)
    if dialog and asked is None:
        why = "No request of this account waits for a decision any more; nothing was changed."
        return go_to(request, _address(cursor), Notice(why, "plain"))
    return page(
        request,
        "operator_requests.html",
        status=status,
        here="requests",
        faults=faults,
        waiting=waiting,
        found=found.items,
        cursor=cursor,
        here_address=_address(cursor),
        next_address=_address(found.next_cursor) if found.next_cursor else "",
        asked=asked,
        dialog=dialog,
        values=values or {},
    )


def _address(cursor: str) -> str:
    return f"/operator/requests?{urlencode({'cursor': cursor})}" if cursor else "/operator/requests"


handlers = [get_requests, get_approve, post_approve, get_decline_request, post_decline_request]
