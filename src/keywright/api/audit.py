"""An account's audit trail."""

from __future__ import annotations

from typing import Annotated

from litestar import Router, get
from litestar.params import Parameter

from keywright.accounts import Permission, Principal, authorize
from keywright.api.shapes import AuditEventsOutput, audit_event_output
from keywright.audit import events_newest_first
from keywright.control import Control


@get("/accounts/{account_id:str}/audit-events", summary="Show the audit trail")
async def get_audit_events(
    control: Control,
    principal: Principal,
    account_id: str,
    limit: Annotated[int, Parameter(ge=1, le=200, description="Most events to return.")] = 50,
    cursor: Annotated[int | None, Parameter(ge=1, le=2**53, description="nextCursor of the page before.")] = None,
) -> AuditEventsOutput:
    """Show who did what in an account, newest first. Key managers and operators."""
    async with control.database.read() as session:
        await authorize(session, principal, account_id, Permission.VIEW_AUDIT)
        events = await events_newest_first(session, account_id, before_seq=cursor, limit=limit)
    # The first event of every chain has number 1, so a page that reaches it is the last.
    more = bool(events) and events[-1].seq > 1
    return AuditEventsOutput([audit_event_output(event) for event in events], str(events[-1].seq) if more else None)


router = Router("/", tags=["Audit"], route_handlers=[get_audit_events])
