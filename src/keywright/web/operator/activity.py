"""All that was done in an account, page by page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, get

from keywright.accounts import find_overview
from keywright.audit import events_newest_first
from keywright.control import Control
from keywright.errors import InvalidRequest
from keywright.web.activity_filter import read_filter
from keywright.web.activity_rows import by_day
from keywright.web.render import page
from keywright.web.visitor import Visitor

PAGE = 50


@get("/accounts/{account_id:str}/activity")
async def get_activity(
    request: Request[Any, Any, Any], control: Control, visitor: Visitor, account_id: str
) -> Response[Any]:
    """Show an account's activity, newest first."""
    asked = read_filter({"before": request.query_params.get("before", "")})
    async with control.database.read() as session:
        overview = await find_overview(session, visitor.person, account_id)
        events = await events_newest_first(session, account_id, before_seq=asked.before_seq, limit=PAGE + 1)
    shown = events[:PAGE]
    return page(
        request,
        "operator_activity.html",
        status=400 if asked.faults else 200,
        here="accounts",
        faults=InvalidRequest(list(asked.faults)) if asked.faults else (),
        account=overview.account,
        waiting=overview.waiting,
        days=by_day(shown, datetime.fromtimestamp(session.now_ms / 1000, UTC).date()),
        before=asked.before_seq,
        older=shown[-1].seq if len(events) > PAGE else None,
    )


handlers = [get_activity]
