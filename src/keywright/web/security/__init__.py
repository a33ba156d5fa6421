"""Sign-in and security: one's password, second factors and sessions."""

from litestar import Router

from keywright.web.security import app_codes, overview, passkeys, password, recovery_codes, sessions

router = Router(
    "/security",
    route_handlers=[
        *overview.handlers,
        *password.handlers,
        *app_codes.handlers,
        *passkeys.handlers,
        *recovery_codes.handlers,
        *sessions.handlers,
    ],
)

__all__ = ["router"]
