"""Sign in with a passkey: alone, or as the second step."""

from __future__ import annotations

import json
from typing import Any

from litestar import Request, Response, Router, post

from keywright.control import Control
from keywright.errors import Forbidden, Unauthenticated
from keywright.identity import find_half_sign_in
from keywright.identity.passkey_answers import (
    begin_passkey_sign_in,
    finish_with_passkey,
    open_session_with_passkey,
    second_factor_options,
)
from keywright.web.forms import Form, local_path
from keywright.web.passkey_place import passkey_place
from keywright.web.render import Notice, go_to
from keywright.web.session import address_of, cookie_of, log_refusal, log_sign_in, opening_of
from keywright.web.sign_in import half_cookie, read_half


@post("/passkey/options", status_code=200)
async def post_options(request: Request[Any, Any, Any], control: Control, form: Form) -> dict[str, Any]:
    """Tell the page's script what to ask any passkey for."""
    del form  # read for its CSRF token
    await control.throttle.begin_passkey_sign_in(address_of(request))
    async with control.database.write() as session:
        question = await begin_passkey_sign_in(
            session, relying_party=passkey_place(request), random_bytes=control.random_bytes
        )
        await session.commit()
    return {"token": question.token, "options": json.loads(question.options)}


@post("/passkey", status_code=200)
async def post_passkey(request: Request[Any, Any, Any], control: Control, form: Form) -> Response[Any]:
    """Take a passkey's answer, and open the session."""
    try:
        async with control.database.write() as session:
            token = await open_session_with_passkey(
                session,
                form.get("token"),
                form.get("answer"),
                opening_of(request),
                relying_party=passkey_place(request),
                random_bytes=control.random_bytes,
            )
            await session.commit()
    except Unauthenticated as error:
        log_refusal(request, "passkey", error)
        return go_to(request, "/sign-in", Notice.of(error))
    log_sign_in(request, "passkey")
    return go_to(request, local_path(form.get("next")), cookies=[cookie_of(request, token)])


@post("/second-factor/passkey/options", status_code=200)
async def post_second_options(request: Request[Any, Any, Any], control: Control, form: Form) -> dict[str, Any]:
    """Tell the page's script which passkeys finish the sign-in."""
    del form
    token, _ = read_half(request)
    try:
        async with control.database.read() as session:
            half = await find_half_sign_in(session, token)
            options = await second_factor_options(session, half, passkey_place(request))
    except Unauthenticated as error:
        raise Forbidden(error.message) from error
    return {"token": "", "options": json.loads(options)}  # the token is in a cookie that scripts do not see


@post("/second-factor/passkey", status_code=200)
async def post_second_passkey(request: Request[Any, Any, Any], control: Control, form: Form) -> Response[Any]:
    """Finish a sign-in, whose password was right, with a passkey."""
    token, next_path = read_half(request)
    try:
        async with control.database.write() as session:
            half = await find_half_sign_in(session, token)
            opened = await finish_with_passkey(
                session,
                token,
                form.get("answer"),
                opening_of(request),
                relying_party=passkey_place(request),
                random_bytes=control.random_bytes,
            )
            await session.commit()
    except Unauthenticated as error:
        log_refusal(request, "passkey", error)
        return go_to(request, "/sign-in/second-factor", Notice.of(error))
    log_sign_in(request, "password and passkey", half.person_id)
    await control.throttle.signed_in(half.email, address_of(request))
    return go_to(request, next_path, cookies=[cookie_of(request, opened), half_cookie(control, "")])


router = Router("/sign-in", route_handlers=[post_options, post_passkey, post_second_options, post_second_passkey])
