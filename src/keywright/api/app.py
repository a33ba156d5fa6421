"""The control plane as an ASGI application."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Response, Router
from litestar.config.response_cache import ResponseCacheConfig
from litestar.datastructures import CacheControlHeader, State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.status_codes import HTTP_404_NOT_FOUND

from keywright import __version__
from keywright.api import accounts, audit, credentials, health, nodes, session, tokens, users
from keywright.api.caller import find_principal, require_caller
from keywright.api.description import SECURITY, describe_problems, security_schemes
from keywright.api.errors import answer_error, nothing_here
from keywright.api.request import JsonRequest
from keywright.control import Control

# The largest call is a thousand characters of text.
MAX_BODY_BYTES = 64 * 1024


def create_api(control: Control) -> Litestar:
    """Put the control plane together.

    Args:
        control: what its handlers work with.

    Returns:
        The ASGI application.
    """

    async def find_control() -> Control:
        return control

    async def start(_app: Litestar) -> None:
        await control.start()

    async def stop(_app: Litestar) -> None:
        await control.stop()

    needs_caller = Router(
        "/v1",
        route_handlers=[accounts.router, users.router, credentials.router, audit.router, nodes.router],
        guards=[require_caller],
        security=SECURITY,
        dependencies={"principal": Provide(find_principal)},
    )
    open_to_all = Router("/v1", route_handlers=[session.router])
    # Litestar answers what is not there beside the schema with a page; ours are problem documents everywhere.
    schema = Router("/v1", route_handlers=[], include_in_schema=False, after_request=_problem_for_page)
    app = Litestar(
        route_handlers=[needs_caller, open_to_all, tokens.router, health.router],
        dependencies={"control": Provide(find_control)},
        exception_handlers={Exception: answer_error},
        request_class=JsonRequest,
        request_max_body_size=MAX_BODY_BYTES,
        cache_control=CacheControlHeader(no_store=True),
        on_startup=[start],
        on_shutdown=[stop],
        state=State({"control": control}),
        openapi_config=OpenAPIConfig(
            title="Keywright",
            version=__version__,
            summary="Self-service API credentials: the control plane.",
            components=security_schemes(),
            openapi_router=schema,
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        ),
        response_cache_config=ResponseCacheConfig(default_expiration=None),
        logging_config=None,
        debug=False,
    )
    describe_problems(app.openapi_schema)
    return app


def _problem_for_page(response: Response[Any]) -> Response[Any]:
    return nothing_here() if response.status_code == HTTP_404_NOT_FOUND else response
