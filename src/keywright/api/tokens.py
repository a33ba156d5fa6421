"""Access tokens: the JSON call, and OAuth's own addresses.

Only the JSON call is in the OpenAPI description: the others are described by their RFCs, and say where they are in the
metadata (RFC 8414).
"""

from __future__ import annotations

from typing import Any

from litestar import HttpMethod, Request, Response, Router, post, route
from litestar.datastructures import CacheControlHeader

from keywright.api.caller import address_of
from keywright.control import Control
from keywright.tokens import (
    INTROSPECTION_PATH,
    JSON_TOKEN_PATH,
    KEY_SET_PATH,
    METADATA_PATH,
    TOKEN_PATH,
    OAuthCall,
    TokenInput,
    TokenOutput,
)


@post(JSON_TOKEN_PATH, status_code=200, summary="Exchange an API key for an access token")
async def post_json_token(request: Request[Any, Any, Any], control: Control, data: TokenInput) -> TokenOutput:
    """Exchange Client ID and Client Secret for a bearer token that lasts an hour, or as long as the API key does."""
    return await control.tokens.exchange(data, address_of(request, control.settings))


@post([TOKEN_PATH, INTROSPECTION_PATH], include_in_schema=False)
async def post_oauth(request: Request[Any, Any, Any], control: Control) -> Response[bytes]:
    """Give a token (RFC 6749 section 4.4), or tell what one is worth (RFC 7662)."""
    return await _answer(request, control, await request.body())


# Litestar's own header would be added to the answer's.
@route(
    [METADATA_PATH, KEY_SET_PATH],
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    status_code=200,
    include_in_schema=False,
    cache_control=CacheControlHeader(),
)
async def get_oauth(request: Request[Any, Any, Any], control: Control) -> Response[bytes]:
    """Show the metadata (RFC 8414), or the keys that sign tokens (RFC 7517)."""
    return await _answer(request, control, b"")


async def _answer(request: Request[Any, Any, Any], control: Control, body: bytes) -> Response[bytes]:
    _, answer = control.tokens.oauth[request.url.path]
    lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.scope["headers"]]
    status, headers, said = await answer(OAuthCall(lines, body, address_of(request, control.settings)))
    return Response(said, status_code=status, headers=dict(headers), media_type="application/json")


router = Router("/", tags=["Tokens"], route_handlers=[post_json_token, post_oauth, get_oauth])
