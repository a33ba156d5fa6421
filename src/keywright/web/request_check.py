"""A key's "Test a request" box: what is wrong with a request that was signed with it, and what to change.

Nothing of what is pasted is kept or logged, and no nonce is used up: the same request can be sent, and tested, again.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, Router, get, post
from msgspec import Meta

from keywright.accounts import Permission, Place
from keywright.control import Control
from keywright.credentials import (
    Algorithm,
    Credential,
    VerificationKey,
    find_verification_key,
    list_credentials,
)
from keywright.diagnosis import Examination, examine
from keywright.diagnosis import VerificationKey as CheckedWith
from keywright.diagnosis.examination import hide_client_secrets
from keywright.errors import Fault, InvalidRequest, NotFound, RefusalCode, Refused
from keywright.settings import Settings
from keywright.signatures import Profile
from keywright.web.forms import Form
from keywright.web.render import Notice, go_to, page
from keywright.web.visitor import Visitor, enter

_FIELDS = ("request", "refusal", "url")
_EXAMPLE = """\
POST /v1/payments HTTP/1.1
Host: api.example.com
Content-Type: application/json
Content-Digest: sha-256=:...:
Signature-Input: sig1=("@method" "@target-uri" "content-digest");created=...;keyid="{}";nonce="..."
Signature: sig1=:...:

{{"amount": "10.00"}}"""


class CheckForm(msgspec.Struct):
    """A request as text, and what the server answered to it; one of them may lack."""

    request: Annotated[str, Meta(max_length=60_000, description="a request of at most 60,000 characters")] = ""
    refusal: Annotated[str, Meta(max_length=60_000, description="an answer of at most 60,000 characters")] = ""
    url: Annotated[str, Meta(max_length=2000, description="an address with https://, at most 2,000 characters")] = ""


@get("/accounts/{account_id:str}/api-keys/{client_id:str}/test")
async def get_box(request: Request[Any, Any, Any], account_id: str, client_id: str) -> Response[Any]:
    """Show the box, empty."""
    _, place, key = await _find(request, account_id, client_id)
    return _gone(request, account_id) if key is None else _show(request, place, key)


@post("/accounts/{account_id:str}/api-keys/{client_id:str}/test", status_code=200)
async def post_box(request: Request[Any, Any, Any], form: Form, account_id: str, client_id: str) -> Response[Any]:
    """Say what is wrong with what was pasted."""
    checked_with, place, key = await _find(request, account_id, client_id)
    if key is None or checked_with is None:
        return _gone(request, account_id)
    control: Control = request.app.state.control
    visitor: Visitor = request.state.visitor
    values = {name: hide_client_secrets(form.get(name)) for name in _FIELDS}
    try:
        examination = _examine(form.read(CheckForm), checked_with, control.settings, visitor.now_ms / 1000)
    except InvalidRequest as error:
        return _show(request, place, key, values=values, faults=error)
    except ValueError as error:
        fault = Fault("request", hide_client_secrets(str(error)))
        return _show(request, place, key, values=values, faults=InvalidRequest([fault]))
    if examination.diagnosis is not None and not checked_with.api_access_enabled:
        examination.diagnosis.problems.append(Refused(RefusalCode.API_ACCESS_DISABLED, "It is off for this account."))
    document = examination.document()
    held_secret = any(values[name] != form.get(name) for name in _FIELDS)
    return _show(request, place, key, values=values, document=document, held_secret=held_secret)


def _examine(given: CheckForm, key: VerificationKey, settings: Settings, now: float) -> Examination:
    if not given.request.strip() and not given.refusal:
        raise InvalidRequest([Fault("request", "paste the request, the server's answer, or both")])
    return examine(
        given.request.encode(),
        given.refusal.encode() or None,
        key=_key(key),
        algorithm=key.algorithm,
        client_id=key.client_id,
        url=given.url or None,
        # What was refused is judged by the server's clock of then.
        at=None if given.refusal else now,
        pasted=True,
        profile=Profile(max_age_seconds=settings.max_age_seconds, max_ahead_seconds=settings.max_ahead_seconds),
    )


async def _find(
    request: Request[Any, Any, Any], account_id: str, client_id: str
) -> tuple[VerificationKey | None, Place, Credential | None]:
    """Find the key, for somebody who may see it.

    Raises:
        NotFound: the account is none of theirs, or their role sees no keys.
    """
    control: Control = request.app.state.control
    visitor: Visitor = request.state.visitor
    async with control.database.read() as session:
        place = await enter(session, visitor, account_id)
        if not place.may(Permission.VIEW_CREDENTIALS):
            raise NotFound("there is nothing at this address")
        keys = await list_credentials(session, visitor.person, account_id)
        key = next((each for each in keys if each.client_id == client_id), None)
        checked_with = None
        if key is not None and request.method == "POST":
            checked_with = await find_verification_key(session, client_id, control.keyring)
    return checked_with, place, key


def _key(found: VerificationKey) -> CheckedWith:
    if found.algorithm == Algorithm.HMAC_SHA256:
        return CheckedWith(seed=found.key)
    return CheckedWith(public_key=found.key)


def _gone(request: Request[Any, Any, Any], account_id: str) -> Response[Any]:
    notice = Notice("It is no active API key of this account any more.", "plain")
    return go_to(request, f"/accounts/{account_id}/api-keys", notice)


def _show(
    request: Request[Any, Any, Any],
    place: Place,
    key: Credential,
    *,
    values: dict[str, str] | None = None,
    faults: InvalidRequest | tuple[Fault, ...] = (),
    document: dict[str, Any] | None = None,
    held_secret: bool = False,
) -> Response[str]:
    return page(
        request,
        "request_check.html",
        status=400 if faults else 200,
        place=place,
        here="api-keys",
        faults=faults,
        key=key,
        example=_EXAMPLE.format(key.client_id),
        values=values or {},
        document=document,
        held_secret=held_secret,
    )


router = Router("/", route_handlers=[get_box, post_box])
