"""An account's API keys: see them, create one, delete one, ask for API access."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, Router, get, post
from msgspec import Meta

from keywright.accounts import ApiAccess, Permission, Place, request_api_access
from keywright.control import Control
from keywright.credentials import (
    Algorithm,
    CreateCredential,
    Credential,
    create_credential,
    delete_credential,
    list_credentials,
)
from keywright.credentials.models import LIMIT
from keywright.errors import (
    ApiAccessNotEnabled,
    Conflict,
    CredentialLimitReached,
    Fault,
    InvalidRequest,
    KeywrightError,
    NotFound,
)
from keywright.storage import ReadSession
from keywright.web.forms import Form, RequestId, request_id
from keywright.web.proof import confirmed, read_and_proved
from keywright.web.receipt import in_words
from keywright.web.render import Notice, go_to, page
from keywright.web.secret_forms import secret_forms
from keywright.web.visitor import Visitor, enter
from keywright.wire.fields import Email, Label, Remark

# From then on an unused key stands out.
UNUSED_DAYS = 90
# How much of a Client ID's end is typed to delete it.
TYPED_CHARACTERS = 4
_TYPE_THE_END = f"type the last {TYPED_CHARACTERS} characters of the Client ID, as they stand above"


class CreateForm(msgspec.Struct):
    """What a new key is to be."""

    email: Email
    request_id: RequestId
    label: Label | None = None
    algorithm: Annotated[Algorithm, Meta(description="one of the two offered")] = Algorithm.ED25519


class AccessForm(msgspec.Struct):
    """A request for API access."""

    message: Remark | None = None


@get("/accounts/{account_id:str}/api-keys")
async def get_keys(request: Request[Any, Any, Any], account_id: str) -> Response[str]:
    """Show the keys, or how to get access."""
    return await _show(request, account_id)


@get("/accounts/{account_id:str}/api-keys/new")
async def get_new_key(request: Request[Any, Any, Any], visitor: Visitor, account_id: str) -> Response[str]:
    """Show the form for a new key."""
    return await _show(request, account_id, dialog="new", values={"email": visitor.person.name})


@post("/accounts/{account_id:str}/api-keys", status_code=200)
async def post_key(
    request: Request[Any, Any, Any], control: Control, visitor: Visitor, form: Form, account_id: str
) -> Response[Any]:
    """Create a key and show its secret: in this answer, and nowhere else, ever."""
    async with control.database.read() as session:
        place = await _enter(session, visitor, account_id)
    here = f"/accounts/{account_id}/api-keys"
    try:
        filled, principal = await read_and_proved(request, form, CreateForm)
        command = CreateCredential(account_id, filled.email, filled.label, filled.algorithm, filled.request_id)
        async with control.database.write() as session:
            created = await create_credential(
                session,
                principal,
                command,
                keyring=control.keyring,
                environment=control.settings.environment,
                outbox=control.outbox,
                random_bytes=control.random_bytes,
            )
            await session.commit()
    except InvalidRequest as error:
        return await _show(request, account_id, dialog="new", values=form.values, faults=error, status=400)
    except (ApiAccessNotEnabled, Conflict, CredentialLimitReached) as error:
        return go_to(request, here, Notice.of(error))
    control.wake_mail()
    forms = secret_forms(created.credential, created.client_secret, control.settings.base_url)
    return page(
        request,
        "api_key_created.html",
        place=place,
        here="api-keys",
        key=created.credential,
        client_secret=created.client_secret,
        forms=forms,
    )


@get("/accounts/{account_id:str}/api-keys/{client_id:str}/delete")
async def get_delete_key(request: Request[Any, Any, Any], account_id: str, client_id: str) -> Response[str]:
    """Ask whether a key is really to be deleted."""
    return await _show(request, account_id, dialog="delete", client_id=client_id)


@post("/accounts/{account_id:str}/api-keys/{client_id:str}/delete", status_code=200)
async def post_delete_key(
    request: Request[Any, Any, Any], visitor: Visitor, form: Form, account_id: str, client_id: str
) -> Response[Any]:
    """Delete a key, for good. When this answers, no verification that starts accepts it."""
    control: Control = request.app.state.control
    async with control.database.read() as session:
        await _enter(session, visitor, account_id)
    try:
        principal = await confirmed(request, form, client_id[-TYPED_CHARACTERS:], _TYPE_THE_END)
        started = control.receipts.now()
        async with control.receipts.gone_everywhere(), control.database.write() as session:
            deleted = await delete_credential(session, principal, account_id, client_id, outbox=control.outbox)
            await session.commit()
    except InvalidRequest as error:
        return await _show(
            request, account_id, dialog="delete", client_id=client_id, values=form.values, faults=error, status=400
        )
    control.wake_mail()
    receipt = await control.receipts.wait(deleted.revocation, started)
    control.metrics.count_revocation()
    notice = Notice(in_words(receipt), title=f"{deleted.credential.label or client_id} is deleted.")
    return go_to(request, f"/accounts/{account_id}/api-keys", notice)


@post("/accounts/{account_id:str}/api-keys/access-request", status_code=200)
async def post_access_request(
    request: Request[Any, Any, Any], control: Control, visitor: Visitor, form: Form, account_id: str
) -> Response[Any]:
    """Ask the platform for API access."""
    here = f"/accounts/{account_id}/api-keys"
    async with control.database.read() as session:
        await _enter(session, visitor, account_id)
    try:
        filled = form.read(AccessForm)
        async with control.database.write() as session:
            await request_api_access(session, visitor.person, account_id, message=filled.message, outbox=control.outbox)
            await session.commit()
    except InvalidRequest as error:
        return await _show(request, account_id, faults=error, values=form.values, status=400)
    except Conflict as error:
        return go_to(request, here, Notice.of(error))
    control.wake_mail()
    return go_to(request, here, Notice("Your relationship manager decides, and you will get a mail.", title="Sent."))


async def _show(
    request: Request[Any, Any, Any],
    account_id: str,
    *,
    dialog: str = "",
    client_id: str = "",
    values: dict[str, str] | None = None,
    faults: InvalidRequest | tuple[Fault, ...] = (),
    status: int = 200,
) -> Response[Any]:
    control: Control = request.app.state.control
    visitor: Visitor = request.state.visitor
    async with control.database.read() as session:
        place = await _enter(session, visitor, account_id)
        keys = await list_credentials(session, visitor.person, account_id)
    key = next((each for each in keys if each.client_id == client_id), None)
    here = f"/accounts/{account_id}/api-keys"
    if dialog == "delete" and key is None:
        return go_to(request, here, Notice("It is no active API key of this account any more.", "plain"))
    if dialog == "new" and (refusal := _closed(place, keys)):
        return go_to(request, here, Notice.of(refusal))
    return page(
        request,
        "api_keys.html",
        status=status,
        place=place,
        here="api-keys",
        faults=faults,
        keys=keys,
        limit=LIMIT,
        unused_before=visitor.now_ms - UNUSED_DAYS * 86_400_000,
        unused_days=UNUSED_DAYS,
        dialog=dialog,
        key=key,
        typed_characters=TYPED_CHARACTERS,
        values=values or {},
        request_id=request_id(values or {}, control.random_bytes),
    )


async def _enter(session: ReadSession, visitor: Visitor, account_id: str) -> Place:
    """Who may not see keys finds nothing at these addresses."""
    place = await enter(session, visitor, account_id)
    if not place.may(Permission.VIEW_CREDENTIALS):
        raise NotFound("there is nothing at this address")
    return place


def _closed(place: Place, keys: list[Credential]) -> KeywrightError | None:
    """Why no key can be created now, if so."""
    if place.account.api_access is not ApiAccess.ENABLED:
        return ApiAccessNotEnabled("API access is not enabled for this account, so no key can be created yet.")
    if len(keys) >= LIMIT:
        return CredentialLimitReached(f"This account has {LIMIT} active API keys, the most there can be. Delete one.")
    return None


router = Router(
    "/", route_handlers=[get_keys, get_new_key, post_key, get_delete_key, post_delete_key, post_access_request]
)
