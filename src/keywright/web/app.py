"""The pages as an ASGI application."""

from __future__ import annotations

from litestar import Litestar, Router
from litestar.config.response_cache import ResponseCacheConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from keywright.control import Control
from keywright.web import (
    account,
    activity,
    api_keys,
    home,
    operator,
    passkey_sign_in,
    password,
    request_check,
    security,
    sign_in,
    static_files,
    users,
)
from keywright.web.errors import answer_error
from keywright.web.forms import MAX_BODY_BYTES, read_form
from keywright.web.visitor import find_visitor, let_anyone, require_visitor


def create_pages(control: Control) -> Litestar:
    """Put the pages together.

    Args:
        control: what their handlers work with.

    Returns:
        The ASGI application.
    """

    async def find_control() -> Control:
        return control

    for_guests: list[ControllerRouterHandler] = [
        home.router,
        passkey_sign_in.router,
        password.router,
        sign_in.router,
    ]
    for_people: list[ControllerRouterHandler] = [
        account.router,
        activity.router,
        api_keys.router,
        operator.router,
        request_check.router,
        security.router,
        users.router,
    ]
    return Litestar(
        route_handlers=[
            Router("/", route_handlers=for_guests, guards=[let_anyone]),
            Router("/", route_handlers=for_people, guards=[require_visitor]),
            static_files.router,
        ],
        dependencies={
            "control": Provide(find_control),
            "visitor": Provide(find_visitor),
            "form": Provide(read_form),
        },
        exception_handlers={Exception: answer_error},
        request_max_body_size=MAX_BODY_BYTES,
        state=State({"control": control}),
        openapi_config=None,
        response_cache_config=ResponseCacheConfig(default_expiration=None),
        logging_config=None,
        debug=False,
    )
