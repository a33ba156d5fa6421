"""The page itself, and the dialogs that lie over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get

from keywright.control import Control
from keywright.errors import Fault, InvalidRequest
from keywright.identity import list_second_factors, list_sessions
from keywright.web.browsers import browser_name
from keywright.web.render import page
from keywright.web.visitor import Visitor

HOME = "/security"


@get("/")
async def get_security(request: Request[Any, Any, Any]) -> Response[str]:
    """Show how the visitor signs in, and where they are signed in."""
    return await show(request)


async def show(
    request: Request[Any, Any, Any],
    dialog: str = "",
    *,
    status: int = 200,
    faults: InvalidRequest | Sequence[Fault] = (),
    **context: Any,
) -> Response[str]:
    """Show the page, with a dialog or without.

    Args:
        request: what is answered.
        dialog: which: the template `security_{dialog}.html`; empty for none.
        status: the HTTP status.
        faults: what was wrong with its form.
        **context: what the dialog needs besides.

    Returns:
        The answer.
    """
    control: Control = request.app.state.control
    visitor: Visitor = request.state.visitor
    async with control.database.read() as session:
        factors = await list_second_factors(session, visitor.person)
        sessions = await list_sessions(session, visitor.person)
    return page(
        request,
        "security.html",
        status=status,
        faults=faults,
        dialog=dialog,
        factors=factors,
        sessions=[(each, browser_name(each.user_agent)) for each in sessions],
        **context,
    )


handlers = (get_security,)
