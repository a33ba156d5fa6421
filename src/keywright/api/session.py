"""Signing in and out, and the invitation that comes before."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from litestar import Request, Response, Router, delete, get, post
from litestar.datastructures import Cookie

from keywright.api.caller import SESSION_COOKIE, refuse_foreign_origin
from keywright.api.control import Control
from keywright.api.shapes import AcceptInvitationInput, InvitationOutput, SignInInput
from keywright.errors import Unauthenticated
from keywright.identity import (
    accept_invitation,
    check_password,
    close_session,
    find_invitation,
    find_sign_in,
    open_session,
)
from keywright.identity.sessions import WRONG_SIGN_IN
from keywright.settings import Settings
from keywright.storage.times import rfc3339


@post("/session", status_code=204, summary="Sign in")
async def post_session(request: Request[Any, Any, Any], control: Control, data: SignInInput) -> Response[None]:
    """Sign in with email and password; the answer sets the session cookie. Ten failures for an address: wait."""
    refuse_foreign_origin(request)
    async with control.database.read() as session:
        sign_in = await find_sign_in(session, data.email)
    control.attempts.begin(data.email)
    # Outside of any transaction: this takes its time, the same for someone we do not know.
    matches = await control.passwords.matches(sign_in.password_hash if sign_in else None, data.password)
    if sign_in is None or not matches:
        raise Unauthenticated(WRONG_SIGN_IN)
    control.attempts.succeeded(data.email)
    lasts_seconds = control.settings.session_hours * 3600
    async with control.database.write() as session:
        token = await open_session(session, sign_in, lasts_seconds=lasts_seconds, random_bytes=control.random_bytes)
        await session.commit()
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
    return Cookie(
        key=SESSION_COOKIE,
        value=token,
        max_age=lasts_seconds,
        path="/",
        httponly=True,
        samesite="lax",
        secure=not _is_loopback(settings.base_url),
    )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


router = Router("/", tags=["Session"], route_handlers=[post_session, delete_session, get_invitation, post_invitation])
