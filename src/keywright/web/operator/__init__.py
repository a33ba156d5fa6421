"""The operator console: relationship managers find accounts, create them, and decide on their API access."""

from litestar import Router, get
from litestar.response import Redirect

from keywright.web.operator import access, account, accounts, activity, keys, nodes, requests, users
from keywright.web.operator.guard import require_operator


@get("/")
async def get_console() -> Redirect:
    """Lead to the accounts."""
    return Redirect("/operator/accounts", status_code=303)


router = Router(
    "/operator",
    route_handlers=[
        get_console,
        *accounts.handlers,
        *account.handlers,
        *access.handlers,
        *users.handlers,
        *keys.handlers,
        *activity.handlers,
        *requests.handlers,
        *nodes.handlers,
    ],
    guards=[require_operator],
)

__all__ = ["router"]
