"""The app for one-time codes: set up, removed."""

from __future__ import annotations

from typing import Any

import segno
from litestar import Request, Response, get, post

from keywright.control import Control
from keywright.errors import Conflict, Fault, InvalidRequest, NotFound, ProofRequired, TooManyRequests
from keywright.identity import TotpSetup, begin_totp, confirm_totp, remove_totp, waiting_totp
from keywright.web.forms import Form
from keywright.web.proof import proved
from keywright.web.render import Notice, go_to
from keywright.web.security.overview import HOME, show
from keywright.web.security.recovery_codes import show_codes
from keywright.web.visitor import Visitor

_TOO_LATE = Notice("Setting up the app took more than 10 minutes. Begin anew.", "plain")


@get("/app/new")
async def get_new_app(request: Request[Any, Any, Any]) -> Response[str]:
    """Say what is needed."""
    return await show(request, "app_new")


@post("/app", status_code=200)
async def post_app(request: Request[Any, Any, Any], control: Control, form: Form) -> Response[Any]:
    """Make a secret for the app."""
    try:
        person = await proved(request, form)
    except InvalidRequest as error:
        return await show(request, "app_new", status=400, faults=error)
    try:
        async with control.database.write() as session:
            await begin_totp(session, person, keyring=control.keyring, random_bytes=control.random_bytes)
            await session.commit()
    except Conflict as error:
        return go_to(request, HOME, Notice.of(error))
    return go_to(request, f"{HOME}/app")


@get("/app")
async def get_app(request: Request[Any, Any, Any], control: Control, visitor: Visitor) -> Response[Any]:
    """Show the secret to the app, until it has shown its first code."""
    try:
        setup = await _waiting(control, visitor)
    except (NotFound, ProofRequired):
        return go_to(request, HOME)
    return await show(request, "app", **_shown(setup))


@post("/app/confirm", status_code=200)
async def post_confirm(
    request: Request[Any, Any, Any], control: Control, visitor: Visitor, form: Form
) -> Response[Any]:
    """Take the app's first code."""
    person = visitor.person
    try:
        await control.throttle.begin_second_factor(person.id)
        async with control.database.write() as session:
            codes = await confirm_totp(
                session,
                person,
                form.get("code"),
                keyring=control.keyring,
                random_bytes=control.random_bytes,
                outbox=control.outbox,
            )
            await session.commit()
        control.wake_mail()
    except (InvalidRequest, TooManyRequests) as error:
        faults = error.faults if isinstance(error, InvalidRequest) else [Fault("code", error.message)]
        status = 400 if isinstance(error, InvalidRequest) else 429
        return await show(request, "app", status=status, faults=faults, **_shown(await _waiting(control, visitor)))
    except ProofRequired:
        return go_to(request, HOME, _TOO_LATE)
    except (Conflict, NotFound) as error:
        return go_to(request, HOME, Notice.of(error))
    await control.throttle.second_factor_given(person.id)
    happened = "Your app is set up: from now on, signing in also takes one of its codes."
    return show_codes(request, codes, happened) if codes else go_to(request, HOME, Notice(happened))


@get("/app/remove")
async def get_remove_app(request: Request[Any, Any, Any]) -> Response[str]:
    """Ask whether the app is to go."""
    return await show(request, "app_remove")


@post("/app/remove", status_code=200)
async def post_remove_app(request: Request[Any, Any, Any], control: Control, form: Form) -> Response[Any]:
    """Give up the app."""
    try:
        person = await proved(request, form)
    except InvalidRequest as error:
        return await show(request, "app_remove", status=400, faults=error)
    try:
        async with control.database.write() as session:
            await remove_totp(session, person, outbox=control.outbox)
            await session.commit()
        control.wake_mail()
    except NotFound as error:
        return go_to(request, HOME, Notice.of(error))
    return go_to(request, HOME, Notice("Signing in no longer takes its codes.", title="The app is removed."))


async def _waiting(control: Control, visitor: Visitor) -> TotpSetup:
    async with control.database.read() as session:
        return await waiting_totp(session, visitor.person, keyring=control.keyring)


def _shown(setup: TotpSetup) -> dict[str, Any]:
    # Black on white also in the dark: cameras read it so.
    picture = segno.make(setup.uri, error="m").svg_data_uri(border=4, dark="#000", light="#fff", omitsize=True)
    words = [setup.secret[index : index + 4] for index in range(0, len(setup.secret), 4)]
    return {"picture": picture, "secret": " ".join(words)}


handlers = (get_new_app, post_app, get_app, post_confirm, get_remove_app, post_remove_app)
