"""Forms: read whole and typed, or with every fault named; and only from our own pages."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from msgspec import Meta

from keywright.control import Control
from keywright.errors import Fault, Forbidden, InvalidRequest, PayloadTooLarge
from keywright.formats import RandomBytes
from keywright.web.visitor import Visitor
from keywright.wire import read_fields
from keywright.wire.browser import is_own_page
from keywright.wire.fields import fault_in

BODY_SECONDS = 10
# The largest form is a thousand characters of text. What is larger is read and let go, up to the second bound.
MAX_FORM_BYTES = 64 * 1024
MAX_BODY_BYTES = 1024 * 1024
CSRF_FIELD = "csrf"
MAX_PATH = 1000  # of the page to go on to after signing in
# White space may be part of these.
_AS_TYPED = frozenset({"password", "new_password", "request"})
# Names one filling-in of a form that creates something: sent twice, as by reloading, it creates one.
RequestId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z", description="the page's own; reload the page")]
StructT = TypeVar("StructT", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Form:
    """What was filled in. Text that is only white space counts as not filled in."""

    values: dict[str, str]

    def get(self, name: str) -> str:
        """One field as text, empty if it is not there."""
        return self.values.get(name, "")

    def read(self, kind: type[StructT]) -> StructT:
        """Read the form into what a handler takes.

        Args:
            kind: a msgspec structure; fields of the form that it does not have are left alone.

        Returns:
            The value.

        Raises:
            InvalidRequest: with every fault.
        """
        fields = msgspec.structs.fields(kind)
        # A field that must be there and was left empty gets the same advice as one that was filled in wrongly.
        given = {
            field.encode_name: self.get(field.encode_name)
            for field in fields
            if field.required or self.get(field.encode_name)
        }
        return read_fields(given, kind)


async def read_form(request: Request[Any, Any, Any]) -> Form:
    """Read a form that one of our own pages sent; a Litestar dependency.

    Raises:
        Forbidden: it comes from another site, or from a page of a session that has ended.
        InvalidRequest: it is no form, or did not arrive in time.
        PayloadTooLarge: it is larger than any form of ours.
    """
    control: Control = request.app.state.control
    origin = request.headers.get("origin")
    if not is_own_page(origin, request.headers.get("host"), control.settings.base_url):
        raise Forbidden(f"this was sent by a page of {str(origin)[:100]}, which may not act for you here")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _read_body(request)
    except TimeoutError:
        raise InvalidRequest([Fault("", f"the form did not arrive within {BODY_SECONDS} s")]) from None
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise InvalidRequest([Fault("", "this address takes a form, as our pages send it")])
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100, errors="strict")
    except ValueError:
        raise InvalidRequest([Fault("", "the form cannot be read; go back and send it again")]) from None
    values = {name: value if name in _AS_TYPED else value.replace("\r\n", "\n").strip() for name, value in pairs}
    visitor: Visitor = request.state.visitor
    if not hmac.compare_digest(values.get(CSRF_FIELD, "").encode(), visitor.csrf.encode()):
        raise Forbidden(
            "this form is from an earlier sign-in, or your browser keeps no cookies; nothing was changed. Reload the"
            " page and try again"
        )
    return Form(values)


def request_id(values: Mapping[str, str], random_bytes: RandomBytes) -> str:
    """Return the request ID for a form: that of before if the form is shown again, else a new one.

    Args:
        values: what was filled in, if it was.
        random_bytes: makes a new one.
    """
    given = values.get("request_id", "")
    return random_bytes(16).hex() if fault_in("request_id", given, RequestId) else given


async def _read_body(request: Request[Any, Any, Any]) -> bytes:
    """Read the body, also past what is too large: a browser that is still sending does not hear the answer."""
    body, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_FORM_BYTES:
            body += chunk
    if size > MAX_FORM_BYTES:
        raise PayloadTooLarge("this form is larger than we read; shorten it and send it again")
    return bytes(body)


def local_path(path: str) -> str:
    """Return where to go next if that is a page of ours, else the start page.

    Args:
        path: as it came with an address or a form.
    """
    is_path = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if is_path and path.isprintable() and len(path) <= MAX_PATH else "/"
