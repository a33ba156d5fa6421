"""Proof, newer than ten minutes, that it is still the same person in front of the browser."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
from litestar import Request

from keywright.accounts import Principal
from keywright.control import Control
from keywright.errors import Fault, InvalidRequest, TooManyRequests
from keywright.identity import find_own_sign_in, prove
from keywright.web.forms import Form
from keywright.web.visitor import Visitor

StructT = TypeVar("StructT", bound=msgspec.Struct)


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


async def read_and_proved(
    request: Request[Any, Any, Any], form: Form, kind: type[StructT], *, found: Iterable[Fault] = ()
) -> tuple[StructT, Principal]:
    """Read a form that takes a fresh proof of who sent it, every fault of either at once.

    Args:
        request: what is answered.
        form: as sent.
        kind: what it is read into.
        found: what the caller found wrong with it already.

    Returns:
        What was filled in, and who did.

    Raises:
        InvalidRequest: with every fault, a missing or wrong password among them.
    """
    faults = list(found)
    filled = principal = None
    try:
        filled = form.read(kind)
    except InvalidRequest as error:
        faults += error.faults
    try:
        principal = await proved(request, form)
    except InvalidRequest as error:
        faults += error.faults
    if faults or filled is None or principal is None:
        raise InvalidRequest(faults)
    return filled, principal


async def confirmed(request: Request[Any, Any, Any], form: Form, expected: str, advice: str) -> Principal:
    """Make sure that something was typed to confirm it, and that it is still the same person who did.

    Args:
        request: what is answered.
        form: as sent; the field is `typed`.
        expected: what is to be typed.
        advice: told if it is something else.

    Returns:
        The person, with a fresh proof.

    Raises:
        InvalidRequest: with every fault.
    """
    faults = typed(form, expected, advice)
    try:
        principal = await proved(request, form)
    except InvalidRequest as error:
        raise InvalidRequest(faults + list(error.faults)) from None
    if faults:
        raise InvalidRequest(faults)
    return principal


def typed(form: Form, expected: str, advice: str) -> list[Fault]:
    """Check what is typed to confirm something; see `confirmed`."""
    return [] if as_typed(form.get("typed")) == as_typed(expected) else [Fault("typed", advice)]


def as_typed(text: str) -> str:
    """Write a text as typed texts are compared, here and in the browser."""
    return " ".join(text.split()).lower()
