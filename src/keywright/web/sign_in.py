"""Sign in, with a second factor if one is set up; sign out."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote, unquote

from litestar import Request, Response, Router, get, post
from litestar.datastructures import Cookie
from litestar.params import QueryParameter

from keywright.control import Control
from keywright.errors import Fault, KeywrightError, TooManyRequests, Unauthenticated
from keywright.identity import (
    begin_second_factor,
    close_session,
    find_half_sign_in,
    find_sign_in,
    finish_with_code,
    open_session,
)
from keywright.identity.sessions import WRONG_SIGN_IN
from keywright.identity.store import SignIn
from keywright.web.forms import Form, local_path
from keywright.web.render import Notice, go_to, page
from keywright.web.session import address_of, cookie_of, log_refusal, log_sign_in, opening_of
from keywright.web.visitor import Visitor
from keywright.wire.browser import SESSION_COOKIE, is_loopback

# Holds a sign-in between the password and the second factor; opens nothing by itself.
HALF_COOKIE = "keywright_half"
_HALF_SECONDS = 300

Next = Annotated[str, QueryParameter(name="next")]


@get("/sign-in")
async def get_sign_in(request: Request[Any, Any, Any], visitor: Visitor, next_path: Next = "/") -> Response[Any]:
    """Show the sign-in, unless someone is signed in."""
    if visitor.principal is not None:
        return go_to(request, local_path(next_path))
    return page(request, "sign_in.html", next_path=local_path(next_path), email="")


@post("/sign-in", status_code=200)
async def post_sign_in(request: Request[Any, Any, Any], control: Control, form: Form) -> Response[Any]:
    """Take email and password. Whether the address is known cannot be told from the answer, nor from its time."""
    email, next_path = form.get("email")[:254], local_path(form.get("next"))
    try:
        await control.throttle.begin_sign_in(email, address_of(request))
        sign_in = await _with_password(control, email, form.get("password")[:1024])
        async with control.database.write() as session:
            if sign_in.needs_second_factor:
                token = await begin_second_factor(session, sign_in, random_bytes=control.random_bytes)
            else:
                token = await open_session(session, sign_in, opening_of(request), random_bytes=control.random_bytes)
            await session.commit()
    except (Unauthenticated, TooManyRequests) as error:
        log_refusal(request, "password", error)
        return _again(request, "sign_in.html", error, next_path=next_path, email=email)
    if sign_in.needs_second_factor:
        half = half_cookie(control, f"{token}.{quote(next_path, safe='/')}")
        return go_to(request, "/sign-in/second-factor", cookies=[half])
    await control.throttle.signed_in(email, address_of(request))
    log_sign_in(request, "password", sign_in.person_id)
    return go_to(request, next_path, cookies=[cookie_of(request, token)])


@get("/sign-in/second-factor")
async def get_second_factor(request: Request[Any, Any, Any], control: Control) -> Response[Any]:
    """Ask for the second factor."""
    token, _ = read_half(request)
    try:
        async with control.database.read() as session:
            half = await find_half_sign_in(session, token)
    except Unauthenticated:
        return go_to(request, "/sign-in", Notice("This sign-in took too long. Begin anew.", "plain"))
    return page(request, "second_factor.html", half=half)


@post("/sign-in/second-factor", status_code=200)
async def post_second_factor(request: Request[Any, Any, Any], control: Control, form: Form) -> Response[Any]:
    """Take a one-time code or a recovery code, and open the session."""
    token, next_path = read_half(request)
    try:
        async with control.database.read() as session:
            half = await find_half_sign_in(session, token)
    except Unauthenticated:
        return go_to(request, "/sign-in", Notice("This sign-in took too long. Begin anew.", "plain"))
    try:
        await control.throttle.begin_second_factor(half.person_id, token)
        async with control.database.write() as session:
            opened = await finish_with_code(
                session,
                token,
                form.get("code"),
                opening_of(request),
                keyring=control.keyring,
                random_bytes=control.random_bytes,
                outbox=control.outbox,
            )
            await session.commit()
        control.wake_mail()
    except (Unauthenticated, TooManyRequests) as error:
        log_refusal(request, "code", error, half.person_id)
        return _again(request, "second_factor.html", error, field="code", half=half)
    await control.throttle.second_factor_given(half.person_id)
    await control.throttle.signed_in(half.email, address_of(request))
    log_sign_in(request, "password and code", half.person_id)
    return go_to(request, next_path, cookies=[cookie_of(request, opened), half_cookie(control, "")])


@post("/sign-out", status_code=200)
async def post_sign_out(request: Request[Any, Any, Any], control: Control, form: Form) -> Response[Any]:
    """End the session here, not only in this browser."""
    del form  # read for its CSRF token: no other site signs anyone out
    async with control.database.write() as session:
        await close_session(session, request.cookies.get(SESSION_COOKIE, ""))
        await session.commit()
    answer = go_to(request, "/sign-in", cookies=[cookie_of(request, "")])
    # What the browser kept of our pages goes with the session.
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


async def _with_password(control: Control, email: str, password: str) -> SignIn:
    async with control.database.read() as session:
        sign_in = await find_sign_in(session, email)
    # Outside of any transaction: this takes its time, the same for someone we do not know.
    matches = await control.passwords.matches(sign_in.password_hash if sign_in else None, password)
    if sign_in is None or not matches:
        raise Unauthenticated(WRONG_SIGN_IN)
    return sign_in


def _again(
    request: Request[Any, Any, Any], template: str, error: KeywrightError, *, field: str = "", **context: Any
) -> Response[Any]:
    is_throttled = isinstance(error, TooManyRequests)
    answer = page(
        request, template, status=429 if is_throttled else 401, faults=[Fault(field, error.message)], **context
    )
    if isinstance(error, TooManyRequests):
        answer.headers["Retry-After"] = str(error.retry_after_seconds)
    return answer


def half_cookie(control: Control, value: str) -> Cookie:
    """Make the cookie that holds half a sign-in; empty takes it away."""
    return Cookie(
        key=HALF_COOKIE,
        value=value,
        max_age=_HALF_SECONDS if value else 0,
        path="/sign-in",
        httponly=True,
        samesite="lax",
        secure=not is_loopback(control.settings.base_url),
    )


def read_half(request: Request[Any, Any, Any]) -> tuple[str, str]:
    """Return the token of half a sign-in, and where to go once it is whole."""
    token, _, next_path = request.cookies.get(HALF_COOKIE, "").partition(".")
    return token, local_path(unquote(next_path))


router = Router("/", route_handlers=[get_sign_in, post_sign_in, get_second_factor, post_second_factor, post_sign_out])
