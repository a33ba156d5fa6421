"""What the console's forms have in common: confirmed and proved, every fault at once."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from litestar import Request

from keywright.accounts import Principal
from keywright.errors import Fault, InvalidRequest
from keywright.web.forms import Form
from keywright.web.proof import proved

StructT = TypeVar("StructT", bound=msgspec.Struct)


async def read_and_proved(
    request: Request[Any, Any, Any], form: Form, kind: type[StructT]
) -> tuple[StructT, Principal]:
    """Read a form that takes a fresh proof of who sent it.

    Args:
        request: what is answered.
        form: as sent.
        kind: what it is read into.

    Returns:
        What was filled in, and who did.

    Raises:
        InvalidRequest: with every fault, a missing or wrong password among them.
    """
    faults: list[Fault] = []
    filled = principal = None
    try:
        filled = form.read(kind)
    except InvalidRequest as error:
        faults += error.faults
    try:
        principal = await proved(request, form)
    except InvalidRequest as error:
        faults += error.faults
    if filled is None or principal is None:
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
