"""Signing in and out, and the invitation that comes before."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, Router, delete, get, post
from litestar.datastructures import Cookie

from keywright.api.caller import address_of, refuse_foreign_origin
from keywright.api.shapes import AcceptInvitationInput, InvitationOutput, SignInInput
from keywright.control import Control
from keywright.errors import Unauthenticated
from keywright.identity import (
    Opening,
    accept_invitation,
    check_password,
    close_session,
    find_invitation,
    find_sign_in,
    open_session,
    open_session_with_code,
)
from keywright.identity.sessions import WRONG_SIGN_IN
from keywright.settings import Settings
from keywright.storage.times import rfc3339
from keywright.wire.browser import SESSION_COOKIE, session_cookie


@post("/session", status_code=204, summary="Sign in")
async def post_session(request: Request[Any, Any, Any], control: Control, data: SignInInput) -> Response[None]:
    """Sign in with email and password, and `code` if you have a second factor; the answer sets the session cookie."""
    refuse_foreign_origin(request)
    address = address_of(request, control.settings)
    await control.throttle.begin_sign_in(data.email, address)
    async with control.database.read() as session:
        sign_in = await find_sign_in(session, data.email)
    # Outside of any transaction: this takes its time, the same for someone we do not know.
    matches = await control.passwords.matches(sign_in.password_hash if sign_in else None, data.password)
    if sign_in is None or not matches:
        raise Unauthenticated(WRONG_SIGN_IN)
    if data.code is not None and sign_in.needs_second_factor:
        await control.throttle.begin_second_factor(sign_in.person_id)
    lasts_seconds = control.settings.session_hours * 3600
    opening = Opening(
        address=address,
        user_agent=request.headers.get("user-agent", ""),
        lasts_seconds=lasts_seconds,
        replaces=request.cookies.get(SESSION_COOKIE),
    )
    async with control.database.write() as session:
        if data.code is None:
            token = await open_session(session, sign_in, opening, random_bytes=control.random_bytes)
        else:
            token = await open_session_with_code(
                session,
                sign_in,
                data.code,
                opening,
                keyring=control.keyring,
                random_bytes=control.random_bytes,
                outbox=control.outbox,
            )
        await session.commit()
    control.wake_mail()
    await control.throttle.second_factor_given(sign_in.person_id)
    await control.throttle.signed_in(data.email, address)
    return Response(None, status_code=204, cookies=[_cookie(control.settings, token, lasts_seconds)])


@delete("/session", status_code=204, summary="Sign out")
async def delete_session(request: Request[Any, Any, Any], control: Control) -> Response[None]:
    """Sign out: the session ends here, not only in this browser."""
    refuse_foreign_origin(request)
    token = request.cookies.get(SESSION_COOKIE)
    if token is not None:
        async with control.database.write() as session:
            await close_session(session, token)
            await session.commit()
    return Response(None, status_code=204, cookies=[_cookie(control.settings, "", 0)])


@get("/invitations/{token:str}", summary="Show an invitation")
async def get_invitation(control: Control, token: str) -> InvitationOutput:
    """Tell whoever follows an invitation's link what to do with it."""
    async with control.database.read() as session:
        invitation = await find_invitation(session, token)
    return InvitationOutput(
        email=invitation.email,
        expires_at=rfc3339(invitation.expires_at),
        next_step='POST {"password": "..."} to this address to set your password, then sign in at POST /v1/session',
    )


@post("/invitations/{token:str}", status_code=204, summary="Accept an invitation")
async def post_invitation(control: Control, token: str, data: AcceptInvitationInput) -> None:
    """Set the invited person's password. It works once."""
    check_password(data.password)
    async with control.database.read() as session:
        await find_invitation(session, token)
    password_hash = await control.passwords.hash(data.password)
    async with control.database.write() as session:
        await accept_invitation(session, token, password_hash=password_hash)
        await session.commit()


def _cookie(settings: Settings, token: str, lasts_seconds: int) -> Cookie:
    cookie = session_cookie(settings.base_url, token, lasts_seconds)
    return Cookie(
        key=SESSION_COOKIE,
        value=cookie.value,
        max_age=cookie.max_age_seconds,
        path="/",
        httponly=True,
        samesite="lax",
        secure=cookie.secure,
    )


router = Router("/", tags=["Session"], route_handlers=[post_session, delete_session, get_invitation, post_invitation])
