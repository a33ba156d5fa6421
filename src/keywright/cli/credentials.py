"""`keywright credential`: what an operator does with keys in an incident. Creating is their owners' part."""

from __future__ import annotations

from typing import Annotated, Any

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
from keywright.credentials import delete_credential, list_credentials
from keywright.freshness import Receipts
from keywright.storage.times import rfc3339, rfc3339_or_none

group = typer.Typer(no_args_is_help=True)
AccountId = Annotated[str, typer.Argument(help="The account, acc_...", show_default=False)]


@group.command("list")
def list_(
    account_id: AccountId, data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """List an account's active keys, without secrets."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)

        async def work() -> list[dict[str, Any]]:
            async with open_local(settings) as database, database.read() as session:
                return [
                    {
                        "clientId": key.client_id,
                        "email": key.email,
                        "label": key.label,
                        "algorithm": key.algorithm.value,
                        "createdAt": rfc3339(key.created_at),
                        "createdBy": key.created_by,
                        "lastUsedAt": rfc3339_or_none(key.last_used_at),
                    }
                    for key in await list_credentials(session, local_principal(), account_id)
                ]

        columns = {
            "clientId": "Client ID",
            "email": "Email",
            "label": "Label",
            "algorithm": "Algorithm",
            "createdAt": "Created",
            "createdBy": "Created by",
            "lastUsedAt": "Last used",
        }
        show(run_async(work()), as_json=as_json, columns=columns, empty="This account has no active keys.")


@group.command("delete")
def delete(
    account_id: AccountId,
    client_id: Annotated[str, typer.Argument(help="The key, ck_...", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Delete a key, for good: when this ends, no verification that starts accepts it."""
    if not yes:
        typer.confirm(
            f"Delete {client_id} for good? Whatever signs with it stops working at once", abort=True, err=True
        )
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)
        from keywright.app import open_outbox

        async def work() -> dict[str, Any]:
            outbox = await open_outbox(settings)
            async with open_local(settings) as database:
                receipts = Receipts(database)
                started = receipts.now()
                async with receipts.gone_everywhere(), database.write() as session:
                    deleted = await delete_credential(session, local_principal(), account_id, client_id, outbox=outbox)
                    await session.commit()
                receipt = await receipts.wait(deleted.revocation, started)
            return {
                "clientId": client_id,
                "deletedAt": rfc3339(deleted.deleted_at),
                "receipt": receipt.public(),
            }

        show(run_async(work()), as_json=as_json)
