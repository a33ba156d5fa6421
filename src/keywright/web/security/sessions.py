"""Where one is signed in: end one session, or all."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, post

from keywright.control import Control
from keywright.errors import NotFound
from keywright.identity import end_all_sessions, end_session
from keywright.web.forms import Form
from keywright.web.render import Notice, go_to
from keywright.web.security.overview import HOME
from keywright.web.session import leave
from keywright.web.visitor import Visitor


@post("/sessions/{session_id:str}/end", status_code=200)
async def post_end(
    request: Request[Any, Any, Any], control: Control, visitor: Visitor, form: Form, session_id: str
) -> Response[Any]:
    """End one session."""
    del form  # read for its CSRF token
    try:
        async with control.database.write() as session:
            await end_session(session, visitor.person, session_id)
            await session.commit()
    except NotFound as error:
        return go_to(request, HOME, Notice.of(error))
    if session_id == visitor.person.session_id:
        return leave(request, Notice("You are signed out."))
    return go_to(request, HOME, Notice("That browser is signed out."))


@post("/sessions/end", status_code=200)
async def post_end_all(
    request: Request[Any, Any, Any], control: Control, visitor: Visitor, form: Form
) -> Response[Any]:
    """End every session, this one too."""
    del form
    async with control.database.write() as session:
        await end_all_sessions(session, visitor.person)
        await session.commit()
    return leave(request, Notice("You are signed out everywhere."))


handlers = (post_end, post_end_all)
