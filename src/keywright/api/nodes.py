"""The nodes that verify, and their leases."""

from __future__ import annotations

from litestar import Router, get

from keywright.accounts import Principal
from keywright.api.shapes import Output
from keywright.control import Control
from keywright.freshness import Nodes, list_nodes
from keywright.storage.times import rfc3339


class NodeOutput(Output):
    """A process that verifies with a cache of its own, under a lease."""

    name: str
    version: str
    state: str
    revocations_applied: int
    revocations_behind: int
    lease_ms: int
    started_at: str
    last_seen_at: str


class NodesOutput(Output):
    """All of them; `leased` is false on one host, where all processes read one database and none has a lease."""

    leased: bool
    revocations: int
    nodes: list[NodeOutput]


@get("/nodes", summary="List the nodes that verify")
async def get_nodes(control: Control, principal: Principal) -> NodesOutput:
    """List the processes that verify with a cache of their own, and the leases under which they do. Operators only."""
    async with control.database.read() as session:
        return _nodes_output(await list_nodes(session, principal, is_shared=control.database.is_shared))


def _nodes_output(nodes: Nodes) -> NodesOutput:
    """Write the verifiers."""
    return NodesOutput(
        leased=nodes.leased,
        revocations=nodes.revocations,
        nodes=[
            NodeOutput(
                name=node.name,
                version=node.version,
                state=node.state,
                revocations_applied=node.applied,
                revocations_behind=node.behind,
                lease_ms=node.lease_ms,
                started_at=rfc3339(node.started_at),
                last_seen_at=rfc3339(node.seen_at),
            )
            for node in nodes.items
        ],
    )


router = Router("/", tags=["Nodes"], route_handlers=[get_nodes])
