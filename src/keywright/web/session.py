"""The session's cookie, and what a sign-in tells of where it comes from."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response
from litestar.datastructures import Cookie

from keywright.control import Control
from keywright.identity import Opening
from keywright.web.render import Notice, go_to
from keywright.web.visitor import GUEST_COOKIE, Visitor
from keywright.wire.browser import SESSION_COOKIE, client_address, is_loopback, session_cookie


def address_of(request: Request[Any, Any, Any]) -> str:
    """Return the network address that a request comes from, as far as it can be trusted."""
    control: Control = request.app.state.control
    peer = request.client.host if request.client else ""
    return client_address(peer, request.headers.getall("x-forwarded-for", []), control.settings.trusted_proxies)


def opening_of(request: Request[Any, Any, Any]) -> Opening:
    """Tell where a session is opened from, how long it lasts, and which one it replaces."""
    control: Control = request.app.state.control
    return Opening(
        address=address_of(request),
        user_agent=request.headers.get("user-agent", ""),
        lasts_seconds=control.settings.session_hours * 3600,
        replaces=request.cookies.get(SESSION_COOKIE),
    )


def cookie_of(request: Request[Any, Any, Any], token: str) -> Cookie:
    """Make the cookie of a session; an empty token takes it away."""
    control: Control = request.app.state.control
    lasts_seconds = control.settings.session_hours * 3600 if token else 0
    cookie = session_cookie(control.settings.base_url, token, lasts_seconds)
    return Cookie(
        key=SESSION_COOKIE,
        value=cookie.value,
        max_age=cookie.max_age_seconds,
        path="/",
        httponly=True,
        samesite="lax",
        secure=cookie.secure,
    )


def leave(request: Request[Any, Any, Any], notice: Notice) -> Response[Any]:
    """Lead someone whose session has ended to the sign-in; the notice is a guest's now."""
    control: Control = request.app.state.control
    guest = request.state.visitor = Visitor(control.random_bytes(16).hex())
    cookie = Cookie(
        key=GUEST_COOKIE,
        value=guest.seed,
        path="/",
        httponly=True,
        samesite="lax",
        secure=not is_loopback(control.settings.base_url),
    )
    return go_to(request, "/sign-in", notice, cookies=[cookie_of(request, ""), cookie])
