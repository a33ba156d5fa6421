"""Who may enter the console."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from keywright.errors import NotFound
from keywright.web.visitor import Visitor


async def require_operator(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Let in only relationship managers; a Litestar guard behind `require_visitor`.

    Raises:
        NotFound: someone else; to them there is no console.
    """
    visitor: Visitor = connection.state.visitor
    if not visitor.is_operator:
        raise NotFound("there is nothing at this address")
