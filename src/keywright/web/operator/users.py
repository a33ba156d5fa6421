"""An account's users: invite someone, and once more if the mail went astray."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from msgspec import Meta

from keywright.accounts import Account, Principal, Role, find_account, find_member
from keywright.control import Control
from keywright.errors import Conflict, Fault, InvalidRequest, TooManyRequests
from keywright.identity import Invited, invite
from keywright.storage import WriteSession
from keywright.web.forms import Form
from keywright.web.operator.account import show_account
from keywright.web.proof import proved, read_and_proved
from keywright.web.render import Notice, go_to, page
from keywright.web.visitor import Visitor
from keywright.wire.fields import Email, Name


class InviteForm(msgspec.Struct):
    """Who is invited."""

    email: Email
    name: Name
    role: Annotated[Role, Meta(description="one of the roles offered")]


async def invite_user(
    session: WriteSession,
    control: Control,
    principal: Principal,
    account_id: str,
    *,
    email: str,
    name: str,
    role: Role,
) -> Invited:
    """Invite someone as this deployment does; see `identity.invite`."""
    return await invite(
        session,
        principal,
        account_id,
        email=email,
        name=name,
        role=role,
        lasts_seconds=control.settings.invitation_days * 86400,
        random_bytes=control.random_bytes,
        outbox=control.outbox,
    )


def show_invitation(
    request: Request[Any, Any, Any], control: Control, account: Account, invited: Invited, *, title: str
) -> Response[Any]:
    """Tell how the invited person comes in. A link is shown in this answer, and nowhere else.

    Args:
        request: what is answered.
        control: knows our address and how long an invitation lasts.
        account: where they were invited to.
        invited: who was.
        title: what was done.

    Returns:
        The answer.
    """
    here = f"/operator/accounts/{account.account_id}"
    email = invited.member.person.email
    if invited.has_come:
        text = f"{email} has a password already, and finds {account.name} at the next sign-in."
        return go_to(request, here, Notice(text, title=title))
    if invited.token is None:
        text = (
            f"The link went to {email} by mail only. It is not shown, because whoever holds it can act as that person,"
            " who belongs to another account as well or had a password before."
        )
        return go_to(request, here, Notice(text, title=title))
    return page(
        request,
        "operator_invited.html",
        here="accounts",
        account=account,
        member=invited.member,
        url=f"{control.settings.base_url}/invitations/{invited.token}",
        days=control.settings.invitation_days,
        title=title,
    )


@get("/accounts/{account_id:str}/users/new")
async def get_new_user(request: Request[Any, Any, Any], account_id: str) -> Response[Any]:
    """Show the form to invite someone."""
    return await show_account(request, account_id, dialog="invite")


@post("/accounts/{account_id:str}/users", status_code=200)
async def post_user(
    request: Request[Any, Any, Any], control: Control, visitor: Visitor, form: Form, account_id: str
) -> Response[Any]:
    """Invite someone to the account."""
    async with control.database.read() as session:
        account = await find_account(session, visitor.person, account_id)
    try:
        filled, principal = await read_and_proved(request, form, InviteForm)
        async with control.database.write() as session:
            invited = await invite_user(
                session, control, principal, account_id, email=filled.email, name=filled.name, role=filled.role
            )
            await session.commit()
    except InvalidRequest as error:
        return await show_account(request, account_id, dialog="invite", values=form.values, faults=error, status=400)
    except (Conflict, TooManyRequests) as error:
        faults = InvalidRequest([Fault("email", error.message)])
        return await show_account(request, account_id, dialog="invite", values=form.values, faults=faults, status=409)
    control.wake_mail()
    return show_invitation(request, control, account, invited, title=f"{invited.member.name} is invited.")


@get("/accounts/{account_id:str}/users/{user_id:str}/invite")
async def get_invite_again(request: Request[Any, Any, Any], account_id: str, user_id: str) -> Response[Any]:
    """Ask whether someone is to be invited anew."""
    return await show_account(request, account_id, dialog="invite-again", subject_id=user_id)


@post("/accounts/{account_id:str}/users/{user_id:str}/invite", status_code=200)
async def post_invite_again(
    request: Request[Any, Any, Any], visitor: Visitor, form: Form, account_id: str, user_id: str
) -> Response[Any]:
    """Invite someone anew who has not come yet; the link of before ends."""
    control: Control = request.app.state.control
    async with control.database.read() as session:
        account = await find_account(session, visitor.person, account_id)
    try:
        principal = await proved(request, form)
        async with control.database.write() as session:
            member = await find_member(session, principal, account_id, user_id)
            invited = await invite_user(
                session,
                control,
                principal,
                account_id,
                email=member.person.email,
                name=member.name,
                role=member.role,
            )
            await session.commit()
    except InvalidRequest as error:
        return await show_account(
            request, account_id, dialog="invite-again", subject_id=user_id, faults=error, status=400
        )
    except (Conflict, TooManyRequests) as error:
        return go_to(request, f"/operator/accounts/{account_id}", Notice.of(error))
    control.wake_mail()
    return show_invitation(request, control, account, invited, title=f"{member.name} is invited anew.")


handlers = [get_new_user, post_user, get_invite_again, post_invite_again]
