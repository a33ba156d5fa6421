"""Proof, newer than ten minutes, that it is still the same person in front of the browser."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from litestar import Request

from keywright.accounts import Principal
from keywright.control import Control
from keywright.errors import Fault, InvalidRequest, TooManyRequests
from keywright.identity import find_own_sign_in, prove
from keywright.web.forms import Form
from keywright.web.visitor import Visitor


async def proved(request: Request[Any, Any, Any], form: Form) -> Principal:
    """Return who is visiting, once they have proved it anew if that is due: the form then carries their password.

    Args:
        request: what is answered.
        form: as sent.

    Returns:
        The person, with a fresh proof.

    Raises:
        InvalidRequest: the password is missing or wrong, or was wrong too often.
    """
    visitor: Visitor = request.state.visitor
    if not visitor.needs_proof:
        return visitor.person
    password = form.get("password")
    if not password:
        raise InvalidRequest([Fault("password", "give your password: your last proof is more than 10 minutes old")])
    control: Control = request.app.state.control
    person = visitor.person
    async with control.database.read() as session:
        sign_in = await find_own_sign_in(session, person)
    try:
        await control.throttle.begin_proof(person.id)
    except TooManyRequests as error:
        # Told at the field, so that what was filled in is still there when they may try again.
        raise InvalidRequest([Fault("password", error.message)]) from None
    if not await control.passwords.matches(sign_in.password_hash, password):
        raise InvalidRequest([Fault("password", "this is not your password; try again, or set a new one by mail")])
    await control.throttle.proof_given(person.id)
    async with control.database.write() as session:
        person = await prove(session, person, sign_in)
        await session.commit()
    request.state.visitor = replace(visitor, principal=person, now_ms=session.now_ms)
    return person
