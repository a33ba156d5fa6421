"""Who is visiting, and the accounts they belong to."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from keywright.accounts import Place, Principal, PrincipalKind, find_place, list_places
from keywright.accounts.policy import PROOF_LASTS_MS
from keywright.control import Control
from keywright.errors import Unauthenticated
from keywright.identity import authenticate_session
from keywright.storage import ReadSession
from keywright.wire.browser import SESSION_COOKIE

# Names a browser that is not signed in, so that its forms are its own.
GUEST_COOKIE = "keywright_guest"
# The account menu shows so many; the rest are on a page of their own.
MENU_PLACES = 12


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser, and the person in front of it if they are signed in.

    Args:
        seed: the session's token, or the guest's cookie: what this browser knows and no other site does.
        is_new: whether the guest's cookie must still be set.
        principal: the person, or None.
        places: the accounts they belong to, by name; at most `MENU_PLACES` + 1.
        now_ms: when they came, milliseconds since 1970 UTC.
    """

    seed: str = field(repr=False)
    is_new: bool = False
    principal: Principal | None = None
    places: tuple[Place, ...] = ()
    now_ms: int = 0

    @property
    def person(self) -> Principal:
        """The person who is signed in; only handlers behind `require_visitor` ask for them."""
        if self.principal is None:
            raise Unauthenticated("sign in to go on")
        return self.principal

    @property
    def csrf(self) -> str:
        """What this browser's forms carry, and another site's cannot know."""
        return self.tag("form")

    @property
    def is_operator(self) -> bool:
        """Whether they are a relationship manager."""
        return self.principal is not None and self.principal.kind is PrincipalKind.OPERATOR

    @property
    def needs_proof(self) -> bool:
        """Whether they must prove again who they are before they change keys, users or API access."""
        proved_at = None if self.principal is None else self.principal.proved_at
        return proved_at is None or not 0 <= self.now_ms - proved_at < PROOF_LASTS_MS

    def tag(self, text: str) -> str:
        """Authenticate a text as ours, for this browser only."""
        return hmac.new(self.seed.encode("utf-8", "surrogatepass"), text.encode(), hashlib.sha256).hexdigest()[:32]


async def let_anyone(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Find out who is visiting, if anyone we know; a Litestar guard."""
    control: Control = connection.app.state.control
    token = connection.cookies.get(SESSION_COOKIE)
    if token:
        try:
            connection.state.visitor = await _known(control, token)
        except Unauthenticated:
            pass
        else:
            connection.state.principal = connection.state.visitor.principal
            return
    guest = connection.cookies.get(GUEST_COOKIE)
    connection.state.visitor = Visitor(guest or control.random_bytes(16).hex(), is_new=not guest)


async def require_visitor(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let in only who is signed in; a Litestar guard.

    Raises:
        Unauthenticated: nobody we know; `errors.py` leads them to the sign-in.
    """
    await let_anyone(connection, handler)
    if connection.state.visitor.principal is None:
        raise Unauthenticated("sign in to go on")


async def find_visitor(request: Request[Any, Any, Any]) -> Visitor:
    """Hand the visitor that the guard found to a handler."""
    visitor: Visitor = request.state.visitor
    return visitor


async def enter(session: ReadSession, visitor: Visitor, account_id: str) -> Place:
    """Find the account that an address names, as this visitor may see it.

    Args:
        session: where to look, unless it is one of those that the visitor brought along.
        visitor: who wants in.
        account_id: from the address.

    Returns:
        The account and their role.

    Raises:
        NotFound: there is none, or they have no part in it.
    """
    for place in visitor.places:
        if place.account.account_id == account_id:
            return place
    return await find_place(session, visitor.person, account_id)


async def _known(control: Control, token: str) -> Visitor:
    async with control.database.read() as session:
        principal = await authenticate_session(session, token)
        places: list[Place] = []
        if principal.kind is PrincipalKind.PERSON:
            places = await list_places(session, principal, limit=MENU_PLACES + 1)
        return Visitor(token, principal=principal, places=tuple(places), now_ms=session.now_ms)
