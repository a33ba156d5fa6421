"""Passkeys: made, removed, and used as a fresh proof."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from litestar import Request, Response, get, post

from keywright.control import Control
from keywright.errors import Conflict, Fault, Forbidden, InvalidRequest, NotFound, ProofRequired, Unauthenticated
from keywright.identity.passkey_answers import begin_passkey_proof, prove_with_passkey
from keywright.identity.passkeys import add_passkey, begin_passkey, remove_passkey
from keywright.web.browsers import browser_name
from keywright.web.forms import Form
from keywright.web.passkey_place import passkey_place
from keywright.web.proof import proved
from keywright.web.render import Notice, go_to
from keywright.web.security.overview import HOME, show
from keywright.web.security.recovery_codes import show_codes
from keywright.web.visitor import Visitor
from keywright.wire.fields import Label


class PasskeyForm(msgspec.Struct):
    """What the new passkey is called."""

    name: Label


@get("/passkeys/new")
async def get_new_passkey(request: Request[Any, Any, Any]) -> Response[str]:
    """Ask what it is to be called."""
    return await show(request, "passkey_new", name=browser_name(request.headers.get("user-agent", "")))


@post("/passkeys/options", status_code=200)
async def post_new_options(request: Request[Any, Any, Any], control: Control, form: Form) -> dict[str, Any]:
    """Tell the page's script what to ask the browser for."""
    form.read(PasskeyForm)  # before the browser asks for a finger, not after
    person = await proved(request, form)
    async with control.database.write() as session:
        question = await begin_passkey(
            session, person, relying_party=passkey_place(request), random_bytes=control.random_bytes
        )
        await session.commit()
    return {"token": question.token, "options": json.loads(question.options)}


@post("/passkeys", status_code=200)
async def post_passkey(
    request: Request[Any, Any, Any], control: Control, visitor: Visitor, form: Form
) -> Response[Any]:
    """Take what the browser made."""
    try:
        name = form.read(PasskeyForm).name
        answer = _answer(form)
        async with control.database.write() as session:
            _, codes = await add_passkey(
                session,
                visitor.person,
                form.get("token"),
                answer,
                name=name,
                relying_party=passkey_place(request),
                random_bytes=control.random_bytes,
                outbox=control.outbox,
            )
            await session.commit()
        control.wake_mail()
    except InvalidRequest as error:
        return await show(request, "passkey_new", status=400, faults=error, name=form.get("name"))
    except (Conflict, ProofRequired, Unauthenticated) as error:
        return go_to(request, HOME, Notice.of(error))
    if not codes:
        return go_to(request, HOME, Notice("You can sign in with it from now on.", title=f"{name} is added."))
    happened = "Your passkey is set up: sign in with it, without a password. Your password alone is no longer enough."
    return show_codes(request, codes, happened)


@get("/passkeys/{passkey_id:str}/remove")
async def get_remove_passkey(request: Request[Any, Any, Any], passkey_id: str) -> Response[str]:
    """Ask whether it is to go."""
    return await show(request, "passkey_remove", passkey_id=passkey_id)


@post("/passkeys/{passkey_id:str}/remove", status_code=200)
async def post_remove_passkey(
    request: Request[Any, Any, Any], control: Control, form: Form, passkey_id: str
) -> Response[Any]:
    """Give it up."""
    try:
        person = await proved(request, form)
    except InvalidRequest as error:
        return await show(request, "passkey_remove", status=400, faults=error, passkey_id=passkey_id)
    try:
        async with control.database.write() as session:
            await remove_passkey(session, person, passkey_id, outbox=control.outbox)
            await session.commit()
        control.wake_mail()
    except NotFound as error:
        return go_to(request, HOME, Notice.of(error))
    notice = Notice("It signs nobody in any more. Your device may still offer it: remove it there as well.")
    return go_to(request, HOME, notice)


@post("/proof/options", status_code=200)
async def post_proof_options(
    request: Request[Any, Any, Any], control: Control, visitor: Visitor, form: Form
) -> dict[str, Any]:
    """Tell the page's script which passkeys prove who this is."""
    del form  # read for its CSRF token
    async with control.database.write() as session:
        question = await begin_passkey_proof(
            session, visitor.person, relying_party=passkey_place(request), random_bytes=control.random_bytes
        )
        await session.commit()
    return {"token": question.token, "options": json.loads(question.options)}


@post("/proof", status_code=204)
async def post_proof(request: Request[Any, Any, Any], control: Control, visitor: Visitor, form: Form) -> None:
    """Take a passkey's answer as a fresh proof: what the visitor was about to do needs no password then."""
    try:
        async with control.database.write() as session:
            await prove_with_passkey(
                session,
                visitor.person,
                form.get("token"),
                form.get("answer"),
                relying_party=passkey_place(request),
            )
            await session.commit()
    except Unauthenticated as error:
        # They are signed in all the same: this is no reason to lead them to the sign-in.
        raise Forbidden(error.message, private=error.private) from error


def _answer(form: Form) -> str:
    if not form.get("answer"):
        raise InvalidRequest([Fault("passkey", "making a passkey takes a browser with JavaScript switched on")])
    return form.get("answer")


handlers = (
    get_new_passkey,
    post_new_options,
    post_passkey,
    get_remove_passkey,
    post_remove_passkey,
    post_proof_options,
    post_proof,
)
