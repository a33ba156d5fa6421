"""Recovery codes: shown once, when they are made."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post

from keywright.control import Control
from keywright.errors import Conflict, InvalidRequest
from keywright.identity import renew_recovery_codes
from keywright.web.forms import Form
from keywright.web.proof import proved
from keywright.web.render import Notice, go_to, page
from keywright.web.security.overview import HOME, show


@get("/recovery-codes")
async def get_codes(request: Request[Any, Any, Any]) -> Response[str]:
    """Ask whether new codes are wanted: those of before end."""
    return await show(request, "codes_new")


@post("/recovery-codes", status_code=200)
async def post_codes(request: Request[Any, Any, Any], control: Control, form: Form) -> Response[Any]:
    """Make new codes and show them."""
    try:
        person = await proved(request, form)
    except InvalidRequest as error:
        return await show(request, "codes_new", status=400, faults=error)
    try:
        async with control.database.write() as session:
            codes = await renew_recovery_codes(
                session, person, random_bytes=control.random_bytes, outbox=control.outbox
            )
            await session.commit()
        control.wake_mail()
    except Conflict as error:
        return go_to(request, HOME, Notice.of(error))
    return show_codes(request, codes, "You have new recovery codes. Those of before no longer work.")


def show_codes(request: Request[Any, Any, Any], codes: list[str], happened: str) -> Response[str]:
    """Show recovery codes, this once.

    Args:
        request: what is answered.
        codes: the codes.
        happened: what they come with.

    Returns:
        The answer.
    """
    return page(request, "security_codes.html", codes=codes, happened=happened)


handlers = (get_codes, post_codes)
