"""Who is calling, from the headers of a request."""

from __future__ import annotations

import re
from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from keywright.accounts import Principal
from keywright.control import Control
from keywright.errors import Fault, Forbidden, InvalidRequest, Unauthenticated
from keywright.identity import authenticate_session, authenticate_token
from keywright.settings import Settings
from keywright.wire.browser import SESSION_COOKIE, client_address, is_own_page

ON_BEHALF_OF = "Keywright-On-Behalf-Of"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_EMAIL = re.compile(r"[!-?A-~]{1,64}@[!-?A-~]{1,189}\Z")
_HOW = "send Authorization: Bearer with an operator token, or sign in at POST /v1/session"


async def require_caller(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Find out who is calling, before anything of the request is read; a Litestar guard.

    Raises:
        Unauthenticated: nobody we know.
        Forbidden: a browser sends this on behalf of another site.
        InvalidRequest: Keywright-On-Behalf-Of is not an email address.
    """
    control: Control = connection.app.state.control
    authorization = connection.headers.get("authorization")
    async with control.database.read() as session:
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() != "bearer" or not token.strip():
                raise Unauthenticated(f"this Authorization header cannot be used; {_HOW}")
            principal = await authenticate_token(
                session, token.strip(), on_behalf_of=_on_behalf_of(connection.headers.get(ON_BEHALF_OF))
            )
        else:
            cookie = connection.cookies.get(SESSION_COOKIE)
            if cookie is None:
                raise Unauthenticated(f"this call needs a caller; {_HOW}")
            refuse_foreign_origin(connection)
            principal = await authenticate_session(session, cookie)
    connection.state.principal = principal


async def find_principal(request: Request[Any, Any, Any]) -> Principal:
    """Hand the caller that the guard found to a handler."""
    principal: Principal = request.state.principal
    return principal


def address_of(request: Request[Any, Any, Any], settings: Settings) -> str:
    """Find the network address that a request comes from.

    Args:
        request: the request.
        settings: say which proxies are ours.

    Returns:
        The nearest address that is none of our proxies'; empty if there is none.
    """
    peer = request.client.host if request.client else ""
    return client_address(peer, request.headers.getall("x-forwarded-for", []), settings.trusted_proxies)


def refuse_foreign_origin(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Refuse changes that a browser sends from another site's page with our cookie.

    Raises:
        Forbidden: the Origin header names another origin.
    """
    origin = connection.headers.get("origin")
    if connection.scope.get("method") in _SAFE_METHODS:
        return
    control: Control = connection.app.state.control
    if not is_own_page(origin, connection.headers.get("host"), control.settings.base_url):
        raise Forbidden(f"this call came from a page of {str(origin)[:100]}, which may not act for you here")


def _on_behalf_of(email: str | None) -> str | None:
    if email is not None and not _EMAIL.match(email):
        raise InvalidRequest([Fault(ON_BEHALF_OF, "must be one email address")])
    return email
