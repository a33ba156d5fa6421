"""Proof, newer than ten minutes, that it is still the same person in front of the browser."""

from __future__ import annotations

from typing import Any

from litestar import Request

from keywright.accounts import Principal
from keywright.errors import Fault, InvalidRequest
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
        InvalidRequest: the password is missing or wrong.
        TooManyRequests: too many wrong ones.
    """
    visitor: Visitor = request.state.visitor
    if not visitor.needs_proof:
        return visitor.person
    password = form.get("password")
    if not password:
        raise InvalidRequest([Fault("password", "give your password: your last proof is more than 10 minutes old")])
    raise InvalidRequest([Fault("password", "this is not your password")])
