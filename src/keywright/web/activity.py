"""An account's activity: who did what, whether the record is whole, and the record as a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, Router, get, post
from litestar.response import Stream

from keywright.accounts import Permission, Place
from keywright.audit import CheckedChain, EventFilter, check_stored_chain, events_newest_first
from keywright.control import Control
from keywright.errors import InvalidRequest, NotFound
from keywright.storage import Database, ReadSession
from keywright.web.activity_export import as_csv, as_json
from keywright.web.activity_filter import KINDS, Asked, read_filter
from keywright.web.activity_rows import by_day
from keywright.web.forms import Form
from keywright.web.render import page
from keywright.web.visitor import Visitor, enter

PAGE = 50
# So many events are checked with every look at the page, and so many when someone asks for it: that takes some seconds.
CHECKED_ALWAYS = 500
CHECKED_ON_DEMAND = 100_000
# One long check at a time; others wait their turn without holding anything.
_long_check = asyncio.Semaphore(1)


@get("/accounts/{account_id:str}/activity")
async def get_activity(request: Request[Any, Any, Any], account_id: str) -> Response[Any]:
    """Show the activity, or the part of it that the filter lets through."""
    asked = read_filter(request.query_params)
    return await _show(request, account_id, asked, at_most=CHECKED_ALWAYS if asked.is_everything else 0)


@post("/accounts/{account_id:str}/activity/check", status_code=200)
async def post_check(request: Request[Any, Any, Any], form: Form, account_id: str) -> Response[Any]:
    """Check the whole record now, and show the activity with the result."""
    del form  # read for its CSRF token: no other site makes us work
    async with _long_check:
        return await _show(request, account_id, Asked(EventFilter()), at_most=CHECKED_ON_DEMAND, on_demand=True)


@get("/accounts/{account_id:str}/activity.csv")
async def get_csv(request: Request[Any, Any, Any], account_id: str) -> Stream:
    """Download the activity as a table."""
    return await _download(request, account_id, as_csv, "csv", "text/csv")


@get("/accounts/{account_id:str}/activity.json")
async def get_json(request: Request[Any, Any, Any], account_id: str) -> Stream:
    """Download the activity as JSON lines; unfiltered, as `keywright audit verify` checks it."""
    return await _download(request, account_id, as_json, "jsonl", "application/x-ndjson")


async def _show(
    request: Request[Any, Any, Any], account_id: str, asked: Asked, *, at_most: int, on_demand: bool = False
) -> Response[Any]:
    control: Control = request.app.state.control
    visitor: Visitor = request.state.visitor
    checked: CheckedChain | None = None
    async with control.database.read() as session:
        place = await _enter(session, visitor, account_id)
        events = []
        if not asked.faults:
            events = await events_newest_first(
                session, account_id, before_seq=asked.before_seq, limit=PAGE + 1, only=asked.only
            )
        if at_most:
            checked = await check_stored_chain(session, account_id, at_most=at_most)
    shown = events[:PAGE]
    return page(
        request,
        "activity.html",
        status=400 if asked.faults else 200,
        place=place,
        here="activity",
        faults=asked.faults,
        days=by_day(shown, datetime.fromtimestamp(session.now_ms / 1000, UTC).date()),
        older=shown[-1].seq if len(events) > PAGE else None,
        asked=asked,
        kinds=list(KINDS),
        was_checked=bool(at_most),
        on_demand=on_demand,
        checked=checked,
        checked_at=session.now_ms,
        at_most=at_most,
    )


async def _download(
    request: Request[Any, Any, Any],
    account_id: str,
    write: Callable[[Database, str, EventFilter], AsyncIterator[bytes]],
    ending: str,
    media_type: str,
) -> Stream:
    control: Control = request.app.state.control
    asked = read_filter(request.query_params)
    async with control.database.read() as session:
        await _enter(session, request.state.visitor, account_id)
    if asked.faults:
        raise InvalidRequest(list(asked.faults))
    day = datetime.fromtimestamp(session.now_ms / 1000, UTC).date().isoformat()
    part = "-part" if asked.only else ""
    name = f"activity-{account_id}-{day}{part}.{ending}"
    return Stream(
        write(control.database, account_id, asked.only),
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _enter(session: ReadSession, visitor: Visitor, account_id: str) -> Place:
    """Who may not see the activity finds nothing at these addresses."""
    place = await enter(session, visitor, account_id)
    if not place.may(Permission.VIEW_AUDIT):
        raise NotFound("there is nothing at this address")
    return place


router = Router("/", route_handlers=[get_activity, post_check, get_csv, get_json])
