"""`keywright nodes`: the processes that verify, and their leases."""

from __future__ import annotations

from typing import Any

import typer

from keywright.cli.console import reported
from keywright.cli.local import (
    AsJson,
    DatabaseUrl,
    DataDir,
    existing_settings,
    local_principal,
    open_local,
    run_async,
    show,
)
from keywright.freshness import Nodes, list_nodes
from keywright.storage.times import rfc3339

group = typer.Typer(no_args_is_help=True)

_COLUMNS = {
    "name": "node",
    "version": "version",
    "state": "state",
    "revocationsApplied": "revocations applied",
    "revocationsBehind": "behind",
    "leaseMs": "lease, ms",
    "startedAt": "started",
    "lastSeenAt": "last seen",
}
ONE_HOST = "All processes of this host read one database with each request, so there are no leases to list."


@group.command("list")
def list_them(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List the processes that verify with a cache of their own, how far each has come, and its lease."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)

        async def work() -> Nodes:
            async with open_local(settings) as database, database.read() as session:
                return await list_nodes(session, local_principal(), is_shared=database.is_shared)

        nodes = run_async(work())
        shown = _shown(nodes)
        if as_json:
            show({"leased": nodes.leased, "revocations": nodes.revocations, "nodes": shown}, as_json=True)
        else:
            empty = "No node verifies now." if nodes.leased else ONE_HOST
            show(shown, as_json=False, columns=_COLUMNS, empty=empty)


def _shown(nodes: Nodes) -> list[dict[str, Any]]:
    return [
        {
            "name": node.name,
            "version": node.version,
            "state": node.state,
            "revocationsApplied": node.applied,
            "revocationsBehind": node.behind,
            "leaseMs": node.lease_ms,
            "startedAt": rfc3339(node.started_at),
            "lastSeenAt": rfc3339(node.seen_at),
        }
        for node in nodes.items
    ]
