"""`keywright account` and `keywright access`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from keywright.accounts import (
    Account,
    AccountType,
    create_account,
    find_account,
    list_access_requests,
    list_accounts,
    set_api_access,
)
from keywright.cli.console import reported
from keywright.cli.local import (
    PAGE,
    AsJson,
    DatabaseUrl,
    DataDir,
    every_item,
    existing_settings,
    local_principal,
    open_local,
    run_async,
    show,
)
from keywright.errors import InvalidRequest
from keywright.freshness import Receipts
from keywright.storage.times import rfc3339
from keywright.wire.fields import Name, Remark, fault_in

group = typer.Typer(no_args_is_help=True)
access_group = typer.Typer(no_args_is_help=True)
AccountId = Annotated[str, typer.Argument(help="The account, acc_...", show_default=False)]
Reason = Annotated[str | None, typer.Option(help="Told to the account.", show_default=False)]


@group.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What people call the customer.", show_default=False)],
    account_type: Annotated[AccountType, typer.Option("--type", help="Which roles its people have.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Create an account, without users and with API access off."""
    with reported(as_json=as_json):
        if fault := fault_in("NAME", name, Name):
            raise InvalidRequest([fault])
        settings = existing_settings(data_dir, database_url)
        from keywright.app import random_bytes

        async def work() -> dict[str, Any]:
            async with open_local(settings) as database, database.write() as session:
                account = await create_account(
                    session,
                    local_principal(),
                    name=name,
                    account_type=account_type,
                    random_bytes=random_bytes,
                )
                await session.commit()
                return _document(account)

        show(run_async(work()), as_json=as_json)


@group.command("list")
def list_(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List all accounts, oldest first."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)

        async def work() -> list[dict[str, Any]]:
            async with open_local(settings) as database, database.read() as session:
                accounts = await every_item(
                    lambda cursor: list_accounts(session, local_principal(), limit=PAGE, cursor=cursor)
                )
                return [_document(account) for account in accounts]

        columns = {
            "accountId": "Account ID",
            "name": "Name",
            "type": "Type",
            "apiAccess": "API access",
            "createdAt": "Created",
        }
        show(run_async(work()), as_json=as_json, columns=columns)


@group.command("show")
def show_account(
    account_id: AccountId, data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Show one account."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)

        async def work() -> dict[str, Any]:
            async with open_local(settings) as database, database.read() as session:
                return _document(await find_account(session, local_principal(), account_id))

        show(run_async(work()), as_json=as_json)


@access_group.command("enable")
def enable(
    account_id: AccountId,
    reason: Reason = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Enable an account's API access: its key managers can create keys from now on."""
    _decide(account_id, enabled=True, reason=reason, data_dir=data_dir, database_url=database_url, as_json=as_json)


@access_group.command("disable")
def disable(
    account_id: AccountId,
    reason: Reason = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Decline an account's request, or disable its API access: then all its keys stop at once."""
    _decide(
        account_id,
        enabled=False,
        reason=reason,
        data_dir=data_dir,
        database_url=database_url,
        as_json=as_json,
    )


@access_group.command("requests")
def requests(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List the accounts that wait for a decision, the longest waiting first."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)

        async def work() -> list[dict[str, Any]]:
            async with open_local(settings) as database, database.read() as session:
                waiting = await every_item(
                    lambda cursor: list_access_requests(session, local_principal(), limit=PAGE, cursor=cursor)
                )
                return [
                    {
                        "accountId": each.account_id,
                        "name": each.account_name,
                        "requestedBy": each.requested_by,
                        "requestedAt": rfc3339(each.requested_at),
                        "message": each.message,
                    }
                    for each in waiting
                ]

        columns = {
            "accountId": "Account ID",
            "name": "Name",
            "requestedBy": "Requested by",
            "requestedAt": "Requested",
            "message": "Message",
        }
        show(run_async(work()), as_json=as_json, columns=columns, empty="Nobody is waiting.")


def _decide(
    account_id: str,
    *,
    enabled: bool,
    reason: str | None,
    data_dir: DataDir,
    database_url: DatabaseUrl,
    as_json: bool,
) -> None:
    with reported(as_json=as_json):
        if reason is not None and (fault := fault_in("--reason", reason, Remark)):
            raise InvalidRequest([fault])
        settings = existing_settings(data_dir, database_url)
        from keywright.app import open_outbox

        async def work() -> dict[str, Any]:
            outbox = await open_outbox(settings)
            async with open_local(settings) as database:
                receipts = Receipts(database)
                started = receipts.now()
                async with database.write() as session:
                    account, revocation = await set_api_access(
                        session, local_principal(), account_id, enabled=enabled, reason=reason, outbox=outbox
                    )
                    await session.commit()
                document = _document(account)
                if revocation is not None:
                    document["receipt"] = (await receipts.wait(revocation, started)).public()
                return document

        show(run_async(work()), as_json=as_json)


def _document(account: Account) -> dict[str, Any]:
    return {
        "accountId": account.account_id,
        "name": account.name,
        "type": account.type.value,
        "apiAccess": account.api_access.value,
        "reason": account.api_access_reason,
        "createdAt": rfc3339(account.created_at),
    }
