"""`keywright operator`."""

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
from keywright.errors import InvalidRequest
from keywright.identity import Operator, add_operator, list_operators, remove_operator
from keywright.settings import load_settings
from keywright.storage.times import rfc3339
from keywright.wire.fields import Email, Name, fault_in

group = typer.Typer(no_args_is_help=True)
EmailArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="Their address.", show_default=False)]


@group.command("add")
def add(
    email: EmailArgument,
    name: Annotated[str, typer.Argument(help="Their name.", show_default=False)],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add a relationship manager, mail them, and print the address where they set their password."""
    with reported(as_json=as_json):
        faults = [fault for fault in (fault_in("EMAIL", email, Email), fault_in("NAME", name, Name)) if fault]
        if faults:
            raise InvalidRequest(faults)
        settings = load_settings(data_dir=data_dir, database_url=database_url)
        from keywright.app import open_outbox, prepare_database, random_bytes

        prepare_database(settings)

        async def work() -> dict[str, Any]:
            outbox = await open_outbox(settings)
            async with open_local(settings) as database, database.write() as session:
                operator, token = await add_operator(
                    session,
                    local_principal(),
                    email=email,
                    name=name,
                    lasts_seconds=settings.invitation_days * 86400,
                    outbox=outbox,
                    random_bytes=random_bytes,
                )
                await session.commit()
            return {**_document(operator), "setPasswordUrl": f"{settings.base_url}/reset-password/{token}"}

        show(run_async(work()), as_json=as_json)


@group.command("list")
def list_(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List the relationship managers who are people; `keywright operator-token list` shows the tokens."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)

        async def work() -> list[dict[str, Any]]:
            async with open_local(settings) as database, database.read() as session:
                return [_document(operator) for operator in await list_operators(session, local_principal())]

        columns = {"email": "Email", "name": "Name", "hasPassword": "Has a password", "createdAt": "Since"}
        empty = "There are none; add one with: keywright operator add EMAIL NAME"
        show(run_async(work()), as_json=as_json, columns=columns, empty=empty)


@group.command("remove")
def remove(
    email: EmailArgument, data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Let someone be no relationship manager any more: they are signed out at once."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)

        async def work() -> str:
            async with open_local(settings) as database, database.write() as session:
                operator = await remove_operator(session, local_principal(), email=email)
                await session.commit()
                return operator.email

        show({"removed": run_async(work())}, as_json=as_json)


def _document(operator: Operator) -> dict[str, Any]:
    return {
        "email": operator.email,
        "name": operator.name,
        "hasPassword": operator.has_password,
        "createdAt": rfc3339(operator.created_at),
    }
