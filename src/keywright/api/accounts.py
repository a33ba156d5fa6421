"""Accounts and their API access."""

from __future__ import annotations

from typing import Annotated

from litestar import Router, get, post, put
from litestar.params import Parameter

from keywright.accounts import (
    Principal,
    create_account,
    find_account,
    list_access_requests,
    list_accounts,
    request_api_access,
    set_api_access,
)
from keywright.api.shapes import (
    AccessRequestsOutput,
    AccountOutput,
    AccountsOutput,
    ApiAccessDecisionOutput,
    CreateAccountInput,
    RequestApiAccessInput,
    SetApiAccessInput,
    access_request_output,
    account_output,
    api_access_output,
)
from keywright.control import Control

Limit = Annotated[int, Parameter(ge=1, le=200, description="Most items to return.")]
Cursor = Annotated[str | None, Parameter(max_length=100, description="nextCursor of the page before.")]


@post("/accounts", summary="Create an account")
async def post_account(control: Control, principal: Principal, data: CreateAccountInput) -> AccountOutput:
    """Create an account, without users and with API access off. Operators only."""
    async with control.database.write() as session:
        account = await create_account(
            session, principal, name=data.name, account_type=data.type, random_bytes=control.random_bytes
        )
        await session.commit()
    return account_output(account)


@get("/accounts", summary="List accounts")
async def get_accounts(
    control: Control, principal: Principal, limit: Limit = 50, cursor: Cursor = None
) -> AccountsOutput:
    """List accounts, oldest first: all of them for operators, their own for people."""
    async with control.database.read() as session:
        page = await list_accounts(session, principal, limit=limit, cursor=cursor)
    return AccountsOutput([account_output(account) for account in page.items], page.next_cursor)


@get("/accounts/{account_id:str}", summary="Show an account")
async def get_account(control: Control, principal: Principal, account_id: str) -> AccountOutput:
    """Show one account."""
    async with control.database.read() as session:
        return account_output(await find_account(session, principal, account_id))


@put("/accounts/{account_id:str}/api-access", summary="Decide on API access")
async def put_api_access(
    control: Control, principal: Principal, account_id: str, data: SetApiAccessInput
) -> ApiAccessDecisionOutput:
    """Enable an account's API access, decline its request, or disable it: its keys stop at once. Operators only."""
    started = control.receipts.now()
    async with control.database.write() as session:
        account, revocation = await set_api_access(
            session, principal, account_id, enabled=data.enabled, reason=data.reason, outbox=control.outbox
        )
        await session.commit()
    control.wake_mail()
    if revocation is not None and revocation.is_new:
        control.metrics.count_revocation()
    receipt = None if data.enabled else await control.receipts.wait(revocation, started)
    return api_access_output(account, receipt)


@post("/accounts/{account_id:str}/api-access/requests", status_code=202, summary="Request API access")
async def post_access_request(
    control: Control, principal: Principal, account_id: str, data: RequestApiAccessInput
) -> AccountOutput:
    """Ask the platform to enable the account's API access. Key managers only."""
    async with control.database.write() as session:
        account = await request_api_access(session, principal, account_id, message=data.message, outbox=control.outbox)
        await session.commit()
    control.wake_mail()
    return account_output(account)


@get("/api-access/requests", summary="List pending requests for API access")
async def get_access_requests(
    control: Control, principal: Principal, limit: Limit = 50, cursor: Cursor = None
) -> AccessRequestsOutput:
    """List the accounts that wait for a decision, the longest waiting first. Operators only."""
    async with control.database.read() as session:
        page = await list_access_requests(session, principal, limit=limit, cursor=cursor)
    return AccessRequestsOutput([access_request_output(each) for each in page.items], page.next_cursor)


router = Router(
    "/",
    tags=["Accounts"],
    route_handlers=[
        post_account,
        get_accounts,
        get_account,
        put_api_access,
        post_access_request,
        get_access_requests,
    ],
)
