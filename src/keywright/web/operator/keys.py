"""An account's keys, without any secret: deleted in an incident."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post

from keywright.accounts import find_account
from keywright.control import Control
from keywright.credentials import delete_credential
from keywright.errors import InvalidRequest, NotFound
from keywright.web.api_keys import TYPED_CHARACTERS
from keywright.web.forms import Form
from keywright.web.operator.account import show_account
from keywright.web.proof import confirmed
from keywright.web.receipt import in_words
from keywright.web.render import Notice, go_to
from keywright.web.visitor import Visitor

_TYPE_THE_END = f"type the last {TYPED_CHARACTERS} characters of the Client ID, as they stand above"


@get("/accounts/{account_id:str}/api-keys")
async def get_keys(request: Request[Any, Any, Any], account_id: str) -> Response[Any]:
    """Show the account, where its keys are."""
    return await show_account(request, account_id)


@get("/accounts/{account_id:str}/api-keys/{client_id:str}/delete")
async def get_delete_key(request: Request[Any, Any, Any], account_id: str, client_id: str) -> Response[Any]:
    """Ask whether a key is really to be deleted."""
    return await show_account(request, account_id, dialog="delete-key", subject_id=client_id)


@post("/accounts/{account_id:str}/api-keys/{client_id:str}/delete", status_code=200)
async def post_delete_key(
    request: Request[Any, Any, Any], visitor: Visitor, form: Form, account_id: str, client_id: str
) -> Response[Any]:
    """Delete a key, for good. When this answers, no verification that starts accepts it."""
    control: Control = request.app.state.control
    here = f"/operator/accounts/{account_id}"
    async with control.database.read() as session:
        await find_account(session, visitor.person, account_id)
    try:
        principal = await confirmed(request, form, client_id[-TYPED_CHARACTERS:], _TYPE_THE_END)
        started = control.receipts.now()
        async with control.receipts.gone_everywhere(), control.database.write() as session:
            deleted = await delete_credential(session, principal, account_id, client_id, outbox=control.outbox)
            await session.commit()
    except InvalidRequest as error:
        return await show_account(
            request, account_id, dialog="delete-key", subject_id=client_id, faults=error, status=400
        )
    except NotFound as error:
        return go_to(request, here, Notice.of(error))
    control.wake_mail()
    receipt = await control.receipts.wait(deleted.revocation, started)
    control.metrics.count_revocation()
    title = f"{deleted.credential.label or client_id} is deleted."
    return go_to(request, here, Notice(in_words(receipt), title=title))


handlers = [get_keys, get_delete_key, post_delete_key]
