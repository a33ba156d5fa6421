"""The verifiers of a deployment, as operators see them."""

from __future__ import annotations

from dataclasses import dataclass

from keywright.accounts import Principal, authorize_platform
from keywright.freshness import store
from keywright.storage import ReadSession

# What was not seen for so long is not told of any more.
GONE_AFTER_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Node:
    """One process that verifies with a cache of its own.

    Args:
        name: host and process.
        version: of its Keywright.
        is_live: whether its lease may run; if not, it was cut off, stopped or killed, and trusts its cache no more.
        applied: the last revocation that it applied.
        behind: how many it has not applied.
        lease_ms: how long it trusts its cache without word from the database.
        started_at: when it registered, milliseconds since 1970 UTC; anew after each lost connection.
        seen_at: when it last renewed its lease.
    """

    name: str
    version: str
    is_live: bool
    applied: int
    behind: int
    lease_ms: int
    started_at: int
    seen_at: int

    @property
    def state(self) -> str:
        """The state in a word."""
        return "live" if self.is_live else "expired"


@dataclass(frozen=True, slots=True)
class Nodes:
    """All verifiers.

    Args:
        leased: whether there are leases at all; on one host, all processes read one database and need none.
        revocations: how many revocations there were.
        items: the verifiers, by name; those that left in good order are not among them.
    """

    leased: bool
    revocations: int
    items: tuple[Node, ...]


async def list_nodes(session: ReadSession, principal: Principal, *, is_shared: bool) -> Nodes:
    """List the verifiers and their leases.

    Args:
        session: where to read.
        principal: the caller.
        is_shared: whether the database is one for many nodes.

    Returns:
        All that were seen within a day.

    Raises:
        Forbidden: the caller is not the platform's own.
    """
    authorize_platform(principal)
    if not is_shared:
        return Nodes(leased=False, revocations=0, items=())
    revocations, now_ms, rows = await store.all_verifiers(session, unseen_ms=GONE_AFTER_MS)
    items = [
        Node(
            name=row.node,
            version=row.version,
            # Nobody notes the end of a lease until a revocation waits for it.
            is_live=row.state == "live" and now_ms <= row.seen_at + row.lease_ms,
            applied=row.applied,
            behind=max(0, revocations - row.applied),
            lease_ms=row.lease_ms,
            started_at=row.started_at,
            seen_at=row.seen_at,
        )
        for row in rows
    ]
    return Nodes(leased=True, revocations=revocations, items=tuple(items))
