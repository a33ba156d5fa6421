"""Change the password."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post

from keywright.control import Control
from keywright.errors import Fault, InvalidRequest, TooManyRequests
from keywright.identity import change_password, check_password, find_own_sign_in
from keywright.web.forms import Form
from keywright.web.render import Notice, go_to
from keywright.web.security.overview import HOME, show
from keywright.web.visitor import Visitor


@get("/password")
async def get_password(request: Request[Any, Any, Any]) -> Response[str]:
    """Ask for the old password and a new one."""
    return await show(request, "password")


@post("/password", status_code=200)
async def post_password(
    request: Request[Any, Any, Any], control: Control, visitor: Visitor, form: Form
) -> Response[Any]:
    """Set the new password; the visitor's other sessions end."""
    person, faults = visitor.person, []
    async with control.database.read() as session:
        sign_in = await find_own_sign_in(session, person)
    try:
        await control.throttle.begin_proof(person.id)
        if not await control.passwords.matches(sign_in.password_hash, form.get("password")):
            faults.append(Fault("password", "this is not your password"))
        else:
            await control.throttle.proof_given(person.id)
    except TooManyRequests as error:
        faults.append(Fault("password", error.message))
    try:
        check_password(form.get("new_password"))
    except InvalidRequest as error:
        faults += [Fault("new_password", fault.message) for fault in error.faults]
    if faults:
        return await show(request, "password", status=400, faults=faults)
    password_hash = await control.passwords.hash(form.get("new_password"))
    async with control.database.write() as session:
        await change_password(session, person, sign_in, password_hash=password_hash, outbox=control.outbox)
        await session.commit()
    control.wake_mail()
    return go_to(request, HOME, Notice("You are signed out everywhere else.", title="Your password is changed."))


handlers = (get_password, post_password)
