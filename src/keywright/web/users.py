"""An account's users: see them, invite someone, change a role, remove someone."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.params import Parameter
from msgspec import Meta

from keywright.accounts import Permission, Place, Principal, Role, change_role, roles_of
from keywright.accounts.models import MANAGER_ROLE
from keywright.control import Control
from keywright.errors import Conflict, Fault, InvalidRequest, LastManager, NotFound, TooManyRequests
from keywright.identity import Invited, invite, remove_user
from keywright.identity.user_store import User, UserPage
from keywright.identity.users import list_users
from keywright.storage import ReadSession
from keywright.web.forms import Form
from keywright.web.proof import read_and_proved
from keywright.web.render import Notice, go_to, page
from keywright.web.session import leave
from keywright.web.visitor import Visitor, enter
from keywright.wire.fields import Email, Name

PAGE = 100
ROLE_HINTS = {
    Role.OWNER: "Creates, sees and deletes API keys, and manages the users.",
    Role.ADMIN: "Creates, sees and deletes API keys.",
    Role.EXECUTOR: "Does not see the API keys.",
    Role.PREPARER: "Does not see the API keys.",
    Role.VIEWER: "Does not see the API keys.",
    Role.PARTNER_ADMIN: "Creates, sees and deletes API keys, and manages the users.",
    Role.ONBOARDING_AGENT: "Does not see the API keys or the users.",
}
GONE = Notice("They are no longer a user of this account; nothing was changed.", "plain")
_ChosenRole = Annotated[Role, Meta(description="one of the roles offered; choose one")]


class InviteForm(msgspec.Struct):
    """Who is invited."""

    email: Email
    name: Name
    role: _ChosenRole


class RoleForm(msgspec.Struct):
    """What someone is to be."""

    role: _ChosenRole


class NoForm(msgspec.Struct):
    """Nothing but the wish, and who has it."""


@get("/accounts/{account_id:str}/users")
async def get_users(
    request: Request[Any, Any, Any], account_id: str, after: Annotated[str, Parameter(max_length=100)] = ""
) -> Response[Any]:
    """Show the users."""
    return await _show(request, account_id, cursor=after or None)


@get("/accounts/{account_id:str}/users/new")
async def get_new_user(request: Request[Any, Any, Any], account_id: str) -> Response[Any]:
    """Show the form to invite someone."""
    return await _show(request, account_id, dialog="new")


@post("/accounts/{account_id:str}/users", status_code=200)
async def post_user(
    request: Request[Any, Any, Any], control: Control, visitor: Visitor, form: Form, account_id: str
) -> Response[Any]:
    """Invite someone. The link is theirs: whoever holds it chooses the password, so the inviter does not see it."""
    async with control.database.read() as session:
        await _enter(session, visitor, account_id)
    try:
        filled, principal = await read_and_proved(request, form, InviteForm)
        invited = await _invite(control, principal, account_id, email=filled.email, name=filled.name, role=filled.role)
    except InvalidRequest as error:
        return await _show(request, account_id, dialog="new", values=form.values, faults=error, status=400)
    except (Conflict, TooManyRequests) as error:
        return await _refused(request, account_id, error, field="email", dialog="new", values=form.values)
    return go_to(request, f"/accounts/{account_id}/users", _invited(control, invited))


@get("/accounts/{account_id:str}/users/{user_id:str}/invitation")
async def get_invitation(request: Request[Any, Any, Any], account_id: str, user_id: str) -> Response[Any]:
    """Ask whether someone who has not come is to be invited again."""
    return await _show(request, account_id, dialog="invitation", user_id=user_id)


@post("/accounts/{account_id:str}/users/{user_id:str}/invitation", status_code=200)
async def post_invitation(
    request: Request[Any, Any, Any], visitor: Visitor, form: Form, account_id: str, user_id: str
) -> Response[Any]:
    """Invite someone again who has not come; the link of before ends."""
    control: Control = request.app.state.control
    async with control.database.read() as session:
        await _enter(session, visitor, account_id)
        user = (await list_users(session, visitor.person, account_id, limit=1, person_id=user_id)).asked_for
    here = f"/accounts/{account_id}/users"
    if user is None:
        return go_to(request, here, GONE)
    member = user.member
    try:
        _, principal = await read_and_proved(request, form, NoForm)
        invited = await _invite(
            control, principal, account_id, email=member.person.email, name=member.name, role=member.role
        )
    except InvalidRequest as error:
        return await _show(request, account_id, dialog="invitation", user_id=user_id, faults=error, status=400)
    except (Conflict, TooManyRequests) as error:
        return await _refused(request, account_id, error)
    return go_to(request, here, _invited(control, invited))


@get("/accounts/{account_id:str}/users/{user_id:str}/role")
async def get_role(request: Request[Any, Any, Any], account_id: str, user_id: str) -> Response[Any]:
    """Show the form to change someone's role."""
    return await _show(request, account_id, dialog="role", user_id=user_id)


@post("/accounts/{account_id:str}/users/{user_id:str}/role", status_code=200)
async def post_role(
    request: Request[Any, Any, Any], visitor: Visitor, form: Form, account_id: str, user_id: str
) -> Response[Any]:
    """Give someone another role."""
    control: Control = request.app.state.control
    async with control.database.read() as session:
        place = await _enter(session, visitor, account_id)
    here = f"/accounts/{account_id}"
    asked: dict[str, Any] = {"dialog": "role", "user_id": user_id, "values": form.values}
    try:
        filled, principal = await read_and_proved(request, form, RoleForm)
        async with control.database.write() as session:
            member = await change_role(session, principal, account_id, user_id, role=filled.role, outbox=control.outbox)
            await session.commit()
        control.wake_mail()
    except InvalidRequest as error:
        return await _show(request, account_id, **asked, faults=error, status=400)
    except LastManager as error:
        return await _refused(request, account_id, error, field="role", **asked)
    except NotFound:
        return go_to(request, f"{here}/users", GONE)
    role = _word(member.role)
    if user_id == visitor.person.id and member.role is not place.role:
        # They manage users no more, so this page is no longer theirs.
        return go_to(
            request, here, Notice(f"In {place.account.name} you are {role} now.", title="Your role is changed.")
        )
    return go_to(
        request, f"{here}/users", Notice(f"{member.person.email} is {role} now.", title="The role is changed.")
    )


@get("/accounts/{account_id:str}/users/{user_id:str}/remove")
async def get_remove(request: Request[Any, Any, Any], account_id: str, user_id: str) -> Response[Any]:
    """Ask whether someone is really to be removed."""
    return await _show(request, account_id, dialog="remove", user_id=user_id)


@post("/accounts/{account_id:str}/users/{user_id:str}/remove", status_code=200)
async def post_remove(
    request: Request[Any, Any, Any], visitor: Visitor, form: Form, account_id: str, user_id: str
) -> Response[Any]:
    """Take someone out of the account."""
    control: Control = request.app.state.control
    async with control.database.read() as session:
        place = await _enter(session, visitor, account_id)
        user = (await list_users(session, visitor.person, account_id, limit=1, person_id=user_id)).asked_for
    here = f"/accounts/{account_id}/users"
    if user is None:
        return go_to(request, here, GONE)
    try:
        _, principal = await read_and_proved(request, form, NoForm)
        async with control.database.write() as session:
            await remove_user(session, principal, account_id, user_id, outbox=control.outbox)
            await session.commit()
        control.wake_mail()
    except InvalidRequest as error:
        return await _show(request, account_id, dialog="remove", user_id=user_id, faults=error, status=400)
    except LastManager as error:
        return await _refused(request, account_id, error, field="user", dialog="remove", user_id=user_id)
    except NotFound:
        return go_to(request, here, GONE)
    if user_id == visitor.person.id:
        title = f"You have left {place.account.name}."
        if len(visitor.places) > 1:
            return go_to(request, "/", Notice("", title=title))
        return leave(request, Notice("You belong to no other account, so you were signed out.", title=title))
    text = "The account is closed to them from now on. API keys that they created still work."
    return go_to(request, here, Notice(text, title=f"{user.member.person.email} is removed."))


async def _show(
    request: Request[Any, Any, Any],
    account_id: str,
    *,
    cursor: str | None = None,
    dialog: str = "",
    user_id: str = "",
    values: dict[str, str] | None = None,
    faults: InvalidRequest | tuple[Fault, ...] = (),
    status: int = 200,
) -> Response[Any]:
    control: Control = request.app.state.control
    visitor: Visitor = request.state.visitor
    async with control.database.read() as session:
        place = await _enter(session, visitor, account_id)
        found = await list_users(session, visitor.person, account_id, limit=PAGE, cursor=cursor, person_id=user_id)
    user, here = found.asked_for, f"/accounts/{account_id}/users"
    if user_id and user is None:
        return go_to(request, here, GONE)
    if dialog == "invitation" and user is not None and user.has_come:
        return go_to(request, here, Notice(f"{user.member.person.email} has come already.", "plain"))
    manager = MANAGER_ROLE[place.account.type]
    return page(
        request,
        "users.html",
        status=status,
        place=place,
        here="users",
        faults=faults,
        users=found.users,
        next_cursor=found.next_cursor,
        is_first=cursor is None,
        me=visitor.person.id,
        dialog=dialog,
        user=user,
        is_last_manager=_is_last_manager(user, found, manager),
        manager=manager,
        roles=[(role, ROLE_HINTS[role]) for role in roles_of(place.account.type)],
        values=values or {},
    )


async def _enter(session: ReadSession, visitor: Visitor, account_id: str) -> Place:
    """Who may not manage users finds nothing at these addresses."""
    place = await enter(session, visitor, account_id)
    if not place.may(Permission.MANAGE_USERS):
        raise NotFound("there is nothing at this address")
    return place


async def _invite(
    control: Control, principal: Principal, account_id: str, *, email: str, name: str, role: Role
) -> Invited:
    async with control.database.write() as session:
        invited = await invite(
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
        await session.commit()
    control.wake_mail()
    return invited


async def _refused(
    request: Request[Any, Any, Any],
    account_id: str,
    error: Conflict | LastManager | TooManyRequests,
    *,
    field: str = "",
    **asked: Any,
) -> Response[Any]:
    """Show the page again, with what stands against it at its field."""
    is_throttled = isinstance(error, TooManyRequests)
    fault = InvalidRequest([Fault(field, error.message)])
    answer = await _show(request, account_id, faults=fault, status=429 if is_throttled else 409, **asked)
    if isinstance(error, TooManyRequests):
        answer.headers["Retry-After"] = str(error.retry_after_seconds)
    return answer


def _invited(control: Control, invited: Invited) -> Notice:
    email, days = invited.member.person.email, control.settings.invitation_days
    if invited.has_come:
        return Notice("They have a password already, and find this account at once.", title=f"{email} is added.")
    text = (
        f"The link in the mail holds for {days} {'day' if days == 1 else 'days'}. If it does not come, look among the"
        " unwanted mail, check the address, and send it again from here after a minute."
    )
    return Notice(text, title=f"An invitation to {email} is on its way.")


def _is_last_manager(user: User | None, found: UserPage, manager: Role) -> bool:
    return user is not None and user.member.role is manager and found.managers == 1


def _word(role: Role) -> str:
    return " ".join(part.title() for part in role.split("_"))


router = Router(
    "/",
    route_handlers=[
        get_users,
        get_new_user,
        post_user,
        get_invitation,
        post_invitation,
        get_role,
        post_role,
        get_remove,
        post_remove,
    ],
)
