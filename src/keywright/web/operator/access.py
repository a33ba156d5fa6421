"""Decide on an account's API access: enable it, decline what was asked for, switch it off."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from msgspec import Meta

from keywright.accounts import Account, ApiAccess, Principal, find_overview, set_api_access
from keywright.control import Control
from keywright.errors import Conflict, Fault, InvalidRequest
from keywright.revocation import Receipt
from keywright.web.forms import Form
from keywright.web.operator.account import show_account
from keywright.web.proof import read_and_proved, typed
from keywright.web.receipt import in_words
from keywright.web.render import Notice, go_to
from keywright.web.visitor import Visitor
from keywright.wire.fields import Remark

TOLD_BY_MAIL = "Its key managers are told by mail."


class EnableForm(msgspec.Struct):
    """The state on which someone decided: another by now is not decided on unseen."""

    seen: Annotated[ApiAccess, Meta(description="a state of API access; reload the page")]


class DeclineForm(msgspec.Struct):
    """Why a request is declined."""

    reason: Remark


class SwitchOffForm(msgspec.Struct):
    """Why access is switched off."""

    reason: Remark | None = None


async def read_decline(request: Request[Any, Any, Any], form: Form) -> tuple[str, Principal]:
    """Read why a request is declined, and make sure who says so.

    Args:
        request: what is answered.
        form: as sent.

    Returns:
        The reason, and who gives it.

    Raises:
        InvalidRequest: with every fault; whoever is declined is told why.
    """
    found = [] if form.get("reason") else [Fault("reason", "say why: it is what the account can act on")]
    filled, principal = await read_and_proved(request, form, DeclineForm, found=found)
    return filled.reason, principal


async def decide(
    request: Request[Any, Any, Any],
    principal: Principal,
    account_id: str,
    *,
    enabled: bool,
    reason: str | None,
    seen: ApiAccess,
) -> tuple[Account, Receipt]:
    """Decide, if the account is still in the state that was seen.

    Args:
        request: what is answered.
        principal: who decides, with a fresh proof.
        account_id: the account.
        enabled: the decision.
        reason: told to the account by mail, or None.
        seen: the state on which was decided.

    Returns:
        The account as it is now, and the receipt: its keys, if they had to stop, are refused everywhere.

    Raises:
        NotFound: there is no such account.
        Conflict: it is in another state by now.
    """
    control: Control = request.app.state.control
    started = control.receipts.now()
    async with control.receipts.gone_everywhere(), control.database.write() as session:
        account, revocation = await set_api_access(
            session, principal, account_id, enabled=enabled, reason=reason, outbox=control.outbox, seen=seen
        )
        await session.commit()
    if revocation is not None and revocation.is_new:
        control.metrics.count_revocation()
    control.wake_mail()
    return account, await control.receipts.wait(revocation, started)


@get("/accounts/{account_id:str}/enable")
async def get_enable(request: Request[Any, Any, Any], account_id: str) -> Response[Any]:
    """Ask who it is that enables API access; the button leads here once the last proof is old."""
    return await show_account(request, account_id, dialog="enable")


@post("/accounts/{account_id:str}/enable", status_code=200)
async def post_enable(request: Request[Any, Any, Any], form: Form, account_id: str) -> Response[Any]:
    """Enable API access: from now on the account can have keys."""
    here = f"/operator/accounts/{account_id}"
    try:
        filled, principal = await read_and_proved(request, form, EnableForm)
        account, _ = await decide(request, principal, account_id, enabled=True, reason=None, seen=filled.seen)
    except InvalidRequest as error:
        return await show_account(request, account_id, dialog="enable", values=form.values, faults=error, status=400)
    except Conflict as error:
        return go_to(request, here, Notice.of(error))
    return go_to(request, here, Notice(TOLD_BY_MAIL, title=f"API access is enabled for {account.name}."))


@get("/accounts/{account_id:str}/decline")
async def get_decline(request: Request[Any, Any, Any], account_id: str) -> Response[Any]:
    """Ask why the request is declined."""
    return await show_account(request, account_id, dialog="decline")


@post("/accounts/{account_id:str}/decline", status_code=200)
async def post_decline(request: Request[Any, Any, Any], form: Form, account_id: str) -> Response[Any]:
    """Decline the account's request; the reason is mailed."""
    here = f"/operator/accounts/{account_id}"
    try:
        reason, principal = await read_decline(request, form)
        account, _ = await decide(
            request, principal, account_id, enabled=False, reason=reason, seen=ApiAccess.REQUESTED
        )
    except InvalidRequest as error:
        return await show_account(request, account_id, dialog="decline", values=form.values, faults=error, status=400)
    except Conflict as error:
        return go_to(request, here, Notice.of(error))
    text = "The reason is on its way to its key managers, who can ask again."
    return go_to(request, here, Notice(text, title=f"The request of {account.name} is declined."))


@get("/accounts/{account_id:str}/switch-off")
async def get_switch_off(request: Request[Any, Any, Any], account_id: str) -> Response[Any]:
    """Ask whether API access is really to be switched off."""
    return await show_account(request, account_id, dialog="switch-off")


@post("/accounts/{account_id:str}/switch-off", status_code=200)
async def post_switch_off(
    request: Request[Any, Any, Any], control: Control, visitor: Visitor, form: Form, account_id: str
) -> Response[Any]:
    """Switch API access off: when this answers, every key of the account is refused."""
    here = f"/operator/accounts/{account_id}"
    async with control.database.read() as session:
        overview = await find_overview(session, visitor.person, account_id)
    try:
        not_typed = typed(form, overview.account.name, "type the account's name as it stands above")
        filled, principal = await read_and_proved(request, form, SwitchOffForm, found=not_typed)
        account, receipt = await decide(
            request, principal, account_id, enabled=False, reason=filled.reason, seen=ApiAccess.ENABLED
        )
    except InvalidRequest as error:
        return await show_account(
            request, account_id, dialog="switch-off", values=form.values, faults=error, status=400
        )
    except Conflict as error:
        return go_to(request, here, Notice.of(error))
    text = "It has no keys, and none can be created until you enable it again."
    if overview.active_keys:
        keys = "Its key" if overview.active_keys == 1 else f"Its {overview.active_keys} keys"
        text = in_words(receipt, keys)
    return go_to(request, here, Notice(f"{text} {TOLD_BY_MAIL}", title=f"API access of {account.name} is off."))


handlers = [get_enable, post_enable, get_decline, post_decline, get_switch_off, post_switch_off]
