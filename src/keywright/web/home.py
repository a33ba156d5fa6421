"""The start page: to where a visitor most likely wants to go."""

from __future__ import annotations

from typing import Any

from litestar import Response, Router, get
from litestar.response import Redirect

from keywright.web.visitor import Visitor


@get("/")
async def get_home(visitor: Visitor) -> Response[Any]:
    """Lead on: to the sign-in, the operator console, one's only account, or the choice of them."""
    if visitor.principal is None:
        return Redirect("/sign-in", status_code=303)
    if visitor.is_operator:
        return Redirect("/operator/accounts", status_code=303)
    if len(visitor.places) == 1:
        return Redirect(f"/accounts/{visitor.places[0].account.account_id}", status_code=303)
    return Redirect("/accounts", status_code=303)


router = Router("/", route_handlers=[get_home])
