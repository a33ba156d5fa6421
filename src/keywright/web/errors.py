"""Errors as pages: what is wrong, what to do next, and a way on."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.response import Redirect

from keywright.control import Control
from keywright.errors import (
    Forbidden,
    KeywrightError,
    NotFound,
    PayloadTooLarge,
    Unauthenticated,
)
from keywright.web.render import page, sentence
from keywright.web.visitor import Visitor
from keywright.wire import PROBLEM_TYPE, problem_document, problem_headers

_NOWHERE = "There is no page at this address. It may have moved, or it belongs to an account that is not yours."
# What a page answers with; the wording is the error's own.
_PAGES: dict[str, tuple[int, str]] = {
    "forbidden": (403, "This was not done"),
    "not_found": (404, "Nothing here"),
    "invalid_request": (400, "This could not be read"),
    "insufficient_user_authentication": (401, "Confirm that it is you"),
    "api_access_not_enabled": (403, "API access is not enabled"),
    "credential_limit_reached": (409, "No more API keys can be created"),
    "last_manager": (409, "An account keeps its last manager"),
    "conflict": (409, "This was not done"),
    "too_many_requests": (429, "Wait a moment"),
    "payload_too_large": (413, "This is too large"),
    "unavailable": (503, "Not available now"),
    "internal_error": (500, "Something failed on our side"),
}
_log = structlog.get_logger("keywright.web")


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Turn an error into a page; a Litestar exception handler.

    Args:
        request: what failed.
        error: ours, Litestar's, or one that nobody foresaw.

    Returns:
        The answer.
    """
    if not hasattr(request.state, "visitor"):
        control: Control = request.app.state.control
        # It failed before anyone was looked for. A seed of its own, so that no notice and no form passes for ours.
        request.state.visitor = Visitor(control.random_bytes(16).hex())
    fault = _ours(request, error)
    if isinstance(fault, Unauthenticated):
        return _sign_in(request)
    status, title = _PAGES[fault.code]
    message = fault.message
    # Pages of others and pages that one may not see answer as addresses that lead nowhere.
    if isinstance(fault, NotFound) or (isinstance(fault, Forbidden) and request.method == "GET"):
        status, title, message = 404, "Nothing here", _NOWHERE
    if fault.private:
        _log.warning("request_failed", code=fault.code, reason=fault.private)
    if isinstance(error, MethodNotAllowedException):
        status = 405
    headers = problem_headers(fault)
    if "text/html" not in request.headers.get("accept", ""):
        # A program that lost its way understands a problem document better than a page. Browsers say what they want.
        document = problem_document(fault, status, code="method_not_allowed" if status == 405 else None)
        return Response(document, status_code=status, media_type=PROBLEM_TYPE, headers=headers)
    answer = page(request, "error.html", status=status, title=title, message=sentence(message))
    answer.headers.update(headers)
    return answer


def _sign_in(request: Request[Any, Any, Any]) -> Response[Any]:
    """Lead to the sign-in, and from there back to the page; what a form held cannot be carried along."""
    url = request.scope["path"]
    if request.method != "GET" or url == "/":
        return Redirect("/sign-in", status_code=303)
    if query := request.scope.get("query_string", b"").decode("latin-1"):
        url = f"{url}?{query}"
    return Redirect(f"/sign-in?next={quote(url, safe='')}", status_code=303)


def _ours(request: Request[Any, Any, Any], error: Exception) -> KeywrightError:
    if isinstance(error, KeywrightError):
        return error
    if isinstance(error, NotFoundException | MethodNotAllowedException):
        return NotFound("nothing answers at this address")
    if isinstance(error, HTTPException) and error.status_code == 413:
        return PayloadTooLarge("this form is larger than we read; shorten it and send it again")
    if isinstance(error, HTTPException) and error.status_code < 500:
        return NotFound("nothing answers at this address")
    _log.error("page_failed", exc_info=error, path=str(request.scope.get("path_template")))
    return KeywrightError("This failed on our side and was logged; nothing was changed. Try again in a moment.")
