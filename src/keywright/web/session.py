"""The session's cookie, and what a sign-in tells of where it comes from."""

from __future__ import annotations

from typing import Any

import structlog
from litestar import Request, Response
from litestar.datastructures import Cookie

from keywright.control import Control
from keywright.errors import KeywrightError
from keywright.identity import Opening
from keywright.web.render import Notice, go_to
from keywright.web.visitor import GUEST_COOKIE, Visitor
from keywright.wire.browser import SESSION_COOKIE, client_address, is_loopback, session_cookie

_log = structlog.get_logger("keywright.sign_in")


def address_of(request: Request[Any, Any, Any]) -> str:
    """Return the network address that a request comes from, as far as it can be trusted."""
    control: Control = request.app.state.control
    peer = request.client.host if request.client else ""
    return client_address(peer, request.headers.getall("x-forwarded-for", []), control.settings.trusted_proxies)


def log_sign_in(request: Request[Any, Any, Any], way: str, person_id: str | None = None) -> None:
    """Leave a trace of a sign-in for whoever runs the server.

    Args:
        request: what is answered.
        way: what was proved.
        person_id: who signed in, where that is at hand.
    """
    _log.info("signed_in", way=way, person=person_id, address=address_of(request))


def log_refusal(request: Request[Any, Any, Any], way: str, error: KeywrightError, person_id: str | None = None) -> None:
    """Leave a trace of a sign-in that was refused, with the reason that its person is not told.

    Args:
        request: what is answered.
        way: what was tried.
        error: the refusal.
        person_id: whose sign-in it would have been, where that is known.
    """
    reason = error.private or error.code
    _log.warning("sign_in_refused", way=way, person=person_id, address=address_of(request), reason=reason)


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
