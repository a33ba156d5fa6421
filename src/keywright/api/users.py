"""The people of an account, and their invitations."""

from __future__ import annotations

import msgspec
from litestar import Router, delete, get, patch, post

from keywright.accounts import (
    Principal,
    PrincipalKind,
    change_role,
    find_member,
    list_members,
)
from keywright.api.shapes import AddUserInput, ChangeUserInput, UserOutput, UsersOutput, user_output
from keywright.control import Control
from keywright.identity import invite, remove_user


@post("/accounts/{account_id:str}/users", summary="Add a user")
async def post_user(control: Control, principal: Principal, account_id: str, data: AddUserInput) -> UserOutput:
    """Add someone to an account and mail them an invitation, one a minute at most. For operators and managers."""
    async with control.database.write() as session:
        invited = await invite(
            session,
            principal,
            account_id,
            email=data.email,
            name=data.name,
            role=data.role,
            lasts_seconds=control.settings.invitation_days * 86400,
            random_bytes=control.random_bytes,
            outbox=control.outbox,
        )
        await session.commit()
    control.wake_mail()
    url = None if invited.token is None else f"{control.settings.base_url}/invitations/{invited.token}"
    # Whoever holds the link can set the password: operators get a newcomer's, for when mail fails, and nobody else's.
    return user_output(invited.member, msgspec.UNSET if principal.kind is PrincipalKind.PERSON else url)


@get("/accounts/{account_id:str}/users", summary="List users")
async def get_users(control: Control, principal: Principal, account_id: str) -> UsersOutput:
    """List the people of an account."""
    async with control.database.read() as session:
        return UsersOutput([user_output(member) for member in await list_members(session, principal, account_id)])


@get("/accounts/{account_id:str}/users/{user_id:str}", summary="Show a user")
async def get_user(control: Control, principal: Principal, account_id: str, user_id: str) -> UserOutput:
    """Show one person of an account."""
    async with control.database.read() as session:
        return user_output(await find_member(session, principal, account_id, user_id))


@patch("/accounts/{account_id:str}/users/{user_id:str}", summary="Change a user's role")
async def patch_user(
    control: Control, principal: Principal, account_id: str, user_id: str, data: ChangeUserInput
) -> UserOutput:
    """Give someone another role; the last Owner or Partner Admin keeps theirs."""
    async with control.database.write() as session:
        member = await change_role(session, principal, account_id, user_id, role=data.role, outbox=control.outbox)
        await session.commit()
    control.wake_mail()
    return user_output(member)


@delete("/accounts/{account_id:str}/users/{user_id:str}", summary="Remove a user")
async def delete_user(control: Control, principal: Principal, account_id: str, user_id: str) -> None:
    """Take someone out of an account; the last Owner or Partner Admin stays, and so do all keys."""
    async with control.database.write() as session:
        await remove_user(session, principal, account_id, user_id, outbox=control.outbox)
        await session.commit()
    control.wake_mail()


router = Router("/", tags=["Users"], route_handlers=[post_user, get_users, get_user, patch_user, delete_user])
