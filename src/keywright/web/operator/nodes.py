"""The nodes that verify, and the leases under which they do."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get

from keywright.accounts import count_access_requests
from keywright.control import Control
from keywright.freshness import list_nodes
from keywright.web.render import page
from keywright.web.visitor import Visitor


@get("/nodes")
async def get_nodes(request: Request[Any, Any, Any], control: Control) -> Response[str]:
    """Show every verifier that was seen within a day, and how far it has come."""
    visitor: Visitor = request.state.visitor
    async with control.database.read() as session:
        waiting = await count_access_requests(session, visitor.person)
        nodes = await list_nodes(session, visitor.person, is_shared=control.database.is_shared)
    return page(request, "operator_nodes.html", here="nodes", waiting=waiting, nodes=nodes)


handlers = [get_nodes]
