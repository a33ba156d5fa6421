"""`keywright operator-token`."""

from __future__ import annotations

from typing import Annotated

import typer

from keywright.accounts.principal import TokenScope
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
from keywright.identity import create_operator_token, delete_operator_token, list_operator_tokens
from keywright.settings import load_settings
from keywright.storage.times import rfc3339
from keywright.wire.fields import Label, fault_in

group = typer.Typer(no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="What the token is called.", show_default=False)]


@group.command("create")
def create(
    name: Name,
    scope: Annotated[
        TokenScope, typer.Option(help="operator: a relationship manager; platform: also creates keys.")
    ] = TokenScope.OPERATOR,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make an operator token and print it. It is shown this once; only its hash is kept."""
    with reported(as_json=as_json):
        if fault := fault_in("NAME", name, Label):
            raise InvalidRequest([fault])
        settings = load_settings(data_dir=data_dir, database_url=database_url)
        from keywright.app import prepare_database, random_bytes

        prepare_database(settings)

        async def work() -> str:
            async with open_local(settings) as database, database.write() as session:
                _, secret = await create_operator_token(
                    session, local_principal(), name=name, scope=scope, random_bytes=random_bytes
                )
                await session.commit()
                return secret

        secret = run_async(work())
        if as_json:
            show({"name": name, "scope": scope.value, "token": secret}, as_json=True)
        else:
            print(secret)


@group.command("list")
def list_(data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List the operator tokens that work."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)

        async def work() -> list[dict[str, str]]:
            async with open_local(settings) as database, database.read() as session:
                return [
                    {"name": token.name, "scope": token.scope, "createdAt": rfc3339(token.created_at)}
                    for token in await list_operator_tokens(session, local_principal())
                ]

        columns = {"name": "Name", "scope": "Scope", "createdAt": "Created"}
        empty = "There are none; make one with: keywright operator-token create NAME"
        show(run_async(work()), as_json=as_json, columns=columns, empty=empty)


@group.command("delete")
def delete(name: Name, data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """End an operator token at once."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)

        async def work() -> None:
            async with open_local(settings) as database, database.write() as session:
                await delete_operator_token(session, local_principal(), name=name)
                await session.commit()

        run_async(work())
        show({"deleted": name}, as_json=as_json)
