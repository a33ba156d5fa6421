"""`keywright user`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from keywright.accounts import Member, Role, change_role, list_members
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
from keywright.identity import invite, remove_user
from keywright.storage.times import rfc3339
from keywright.wire.fields import Email, Name, fault_in

group = typer.Typer(no_args_is_help=True)
AccountId = Annotated[str, typer.Argument(help="The account, acc_...", show_default=False)]
UserId = Annotated[str, typer.Argument(help="The person, usr_...", show_default=False)]
RoleOption = Annotated[Role, typer.Option("--role", help="Which role; it must exist in the account's type.")]


@group.command("add")
def add(
    account_id: AccountId,
    email: Annotated[str, typer.Argument(help="The person's address.", show_default=False)],
    name: Annotated[str, typer.Argument(help="The person's name.", show_default=False)],
    role: RoleOption,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add someone to an account, mail them, and print their invitation's address.

    The address is printed for newcomers only: whoever holds it can act as that person. Someone who belongs to another
    account, or had a password before, gets it by mail only.
    """
    with reported(as_json=as_json):
        faults = [fault for fault in (fault_in("EMAIL", email, Email), fault_in("NAME", name, Name)) if fault]
        if faults:
            raise InvalidRequest(faults)
        settings = existing_settings(data_dir, database_url)
        from keywright.app import open_outbox, random_bytes

        async def work() -> dict[str, Any]:
            outbox = await open_outbox(settings)
            async with open_local(settings) as database, database.write() as session:
                invited = await invite(
                    session,
                    local_principal(),
                    account_id,
                    email=email,
                    name=name,
                    role=role,
                    lasts_seconds=settings.invitation_days * 86400,
                    random_bytes=random_bytes,
                    outbox=outbox,
                )
                await session.commit()
            url = None if invited.token is None else f"{settings.base_url}/invitations/{invited.token}"
            return {**_document(invited.member), "invitationUrl": url}

        show(run_async(work()), as_json=as_json)


@group.command("list")
def list_(
    account_id: AccountId, data_dir: DataDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """List the people of an account."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)

        async def work() -> list[dict[str, Any]]:
            async with open_local(settings) as database, database.read() as session:
                return [_document(member) for member in await list_members(session, local_principal(), account_id)]

        columns = {
            "userId": "User ID",
            "email": "Email",
            "name": "Name",
            "role": "Role",
            "createdAt": "Since",
        }
        show(run_async(work()), as_json=as_json, columns=columns)


@group.command("set-role")
def set_role(
    account_id: AccountId,
    user_id: UserId,
    role: RoleOption,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Give someone another role; the last Owner or Partner Admin keeps theirs."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)
        from keywright.app import open_outbox

        async def work() -> dict[str, Any]:
            outbox = await open_outbox(settings)
            async with open_local(settings) as database, database.write() as session:
                member = await change_role(session, local_principal(), account_id, user_id, role=role, outbox=outbox)
                await session.commit()
                return _document(member)

        show(run_async(work()), as_json=as_json)


@group.command("remove")
def remove(
    account_id: AccountId,
    user_id: UserId,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Take someone out of an account and sign them out; the last Owner or Partner Admin stays."""
    with reported(as_json=as_json):
        settings = existing_settings(data_dir, database_url)
        from keywright.app import open_outbox

        async def work() -> None:
            outbox = await open_outbox(settings)
            async with open_local(settings) as database, database.write() as session:
                await remove_user(session, local_principal(), account_id, user_id, outbox=outbox)
                await session.commit()

        run_async(work())
        show({"removed": user_id}, as_json=as_json)


def _document(member: Member) -> dict[str, Any]:
    return {
        "userId": member.person.person_id,
        "email": member.person.email,
        "name": member.name,
        "role": member.role.value,
        "createdAt": rfc3339(member.created_at),
    }
