"""Setting a password: by an invitation, or anew by a link that was mailed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from litestar import Request, Response, Router, get, post
from litestar.response import Redirect

from keywright.control import Control
from keywright.errors import InvalidRequest, KeywrightError, NotFound
from keywright.identity import (
    accept_invitation,
    check_password,
    find_invitation,
    find_password_reset,
    request_password_reset,
    reset_password,
)
from keywright.storage import WriteSession
from keywright.web.forms import Form, read_form
from keywright.web.render import Notice, go_to, page
from keywright.web.session import address_of
from keywright.wire.fields import Email

# The event loop itself does not hold on to its tasks.
_under_way: set[asyncio.Task[None]] = set()
_log = structlog.get_logger("keywright.web")


class ForgottenForm(msgspec.Struct):
    """Whose password is forgotten."""

    email: Email


@get("/forgot-password")
async def get_forgotten(request: Request[Any, Any, Any]) -> Response[str]:
    """Ask whose password is forgotten."""
    return page(request, "forgot_password.html", email="", sent=False)


@post("/forgot-password", status_code=200)
async def post_forgotten(request: Request[Any, Any, Any], control: Control, form: Form) -> Response[Any]:
    """Mail a link, if the address is one of ours. The answer comes first, so that it tells nothing either way."""
    try:
        email = form.read(ForgottenForm).email
    except InvalidRequest as error:
        return page(request, "forgot_password.html", status=400, faults=error, email=form.get("email"), sent=False)
    answer = page(request, "forgot_password.html", email=email, sent=True)
    task = asyncio.create_task(_mail_link(control, email, address_of(request)))
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    return answer


@get("/reset-password/{token:str}")
async def get_reset(request: Request[Any, Any, Any], control: Control, token: str) -> Response[str]:
    """Show the form for a new password."""
    try:
        async with control.database.read() as session:
            found = await find_password_reset(session, token)
    except NotFound as error:
        return _dead_link(request, error)
    return page(request, "set_password.html", title="Choose a new password", email=found.email)


@post("/reset-password/{token:str}", status_code=200)
async def post_reset(request: Request[Any, Any, Any], control: Control, form: Form, token: str) -> Response[Any]:
    """Set the new password; every session of before has ended."""
    try:
        async with control.database.read() as session:
            found = await find_password_reset(session, token)
        change = _then(reset_password, token, outbox=control.outbox, address=address_of(request))
        return await _set(request, form, "Choose a new password", found.email, change)
    except NotFound as error:
        return _dead_link(request, error)


@get("/invitations/{token:str}")
async def get_invitation(request: Request[Any, Any, Any], control: Control, token: str) -> Response[str]:
    """Welcome whoever follows an invitation's link, and let them choose a password."""
    try:
        async with control.database.read() as session:
            invitation = await find_invitation(session, token)
    except NotFound as error:
        return _dead_link(request, error)
    return page(request, "set_password.html", title="Welcome", email=invitation.email)


@post("/invitations/{token:str}", status_code=200)
async def post_invitation(request: Request[Any, Any, Any], control: Control, token: str) -> Response[Any]:
    """Set the invited person's first password. It works once. Programs that post JSON here are led to the REST call."""
    if request.headers.get("content-type", "").startswith("application/json"):
        return Redirect(f"/v1/invitations/{token}", status_code=307)
    form = await read_form(request)
    try:
        async with control.database.read() as session:
            invitation = await find_invitation(session, token)
        return await _set(request, form, "Welcome", invitation.email, _then(accept_invitation, token))
    except NotFound as error:
        return _dead_link(request, error)


Change = Callable[[WriteSession, str], Awaitable[None]]


def _then(change: Callable[..., Awaitable[None]], token: str, **more: Any) -> Change:
    async def set_password(session: WriteSession, password_hash: str) -> None:
        await change(session, token, password_hash=password_hash, **more)

    return set_password


async def _set(request: Request[Any, Any, Any], form: Form, title: str, email: str, change: Change) -> Response[Any]:
    control: Control = request.app.state.control
    password = form.get("password")
    try:
        check_password(password)
    except InvalidRequest as error:
        return page(request, "set_password.html", status=400, faults=error, title=title, email=email)
    password_hash = await control.passwords.hash(password)
    async with control.database.write() as session:
        await change(session, password_hash)
        await session.commit()
    control.wake_mail()
    return go_to(request, "/sign-in", Notice("Your password is set. Sign in with it.", title="Done."))


async def _mail_link(control: Control, email: str, address: str) -> None:
    """Mail the link, some time after the answer: what asks next must not find us busy for addresses that we know."""
    try:
        await asyncio.sleep(0.5 + int.from_bytes(control.random_bytes(2)) / 2**15)
        if not await control.throttle.may_mail_reset(email, address):
            return
        async with control.database.write() as session:
            await request_password_reset(session, email, outbox=control.outbox, random_bytes=control.random_bytes)
            await session.commit()
    except KeywrightError as error:
        _log.warning("password_reset_not_mailed", reason=error.private or error.message)
    control.wake_mail()


def _dead_link(request: Request[Any, Any, Any], error: NotFound) -> Response[str]:
    message = error.message[:1].upper() + error.message[1:] + "."
    return page(request, "error.html", status=404, title="This link does not work any more", message=message)


router = Router(
    "/",
    route_handlers=[get_forgotten, post_forgotten, get_reset, post_reset, get_invitation, post_invitation],
)
