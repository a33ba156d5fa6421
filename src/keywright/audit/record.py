"""Write one event, in the transaction of the change that it tells of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keywright.audit import store
from keywright.audit.event import AuditEvent, event_hash, genesis_hash
from keywright.storage import WriteSession
from keywright.storage.times import rfc3339


async def record(
    session: WriteSession,
    chain: str,
    *,
    actor: dict[str, Any],
    action: str,
    subject: dict[str, Any],
    detail: dict[str, Any] | None = None,
) -> AuditEvent:
    """Append an event to a chain.

    Args:
        session: the transaction of the change itself. Its write lock keeps the chain in one order.
        chain: the account's ID, or `platform`.
        actor: who did it, as `Principal.actor` gives it.
        action: what was done: `credential.created`, `api_access.enabled`, ...
        subject: what it was done to: `{"kind", "id"}`.
        detail: what else is worth knowing. Never a secret.

    Returns:
        The event as stored.
    """
    head = await store.head_of(session, chain)
    seq, previous_hash = (1, genesis_hash(chain)) if head is None else (head[0] + 1, head[1])
    unhashed = AuditEvent(
        seq=seq,
        at=rfc3339(session.now_ms),
        actor=actor,
        action=action,
        subject=subject,
        detail=detail or {},
        previous_hash=previous_hash,
        hash="",
    )
    event = replace(unhashed, hash=event_hash(unhashed.public()))
    await store.append(session, chain, event)
    return event
