"""From a template to an answer."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Request, Response
from litestar.datastructures import Cookie
from litestar.enums import MediaType
from litestar.response import Redirect

from keywright.accounts import Permission, Place
from keywright.control import Control
from keywright.errors import Fault, InvalidRequest, KeywrightError
from keywright.identity.relying_party import relying_party
from keywright.storage.times import rfc3339
from keywright.web.static_files import static_url
from keywright.web.visitor import GUEST_COOKIE, MENU_PLACES, Visitor
from keywright.wire.browser import is_loopback

NOTICE_COOKIE = "keywright_notice"
_NOTICE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened, told on the next page. Tone: `good`, `bad` or `plain`."""

    text: str
    tone: str = "good"
    title: str = ""

    @classmethod
    def of(cls, error: KeywrightError) -> Notice:
        """Tell of an error."""
        return cls(sentence(error.message), "bad")


def page(
    request: Request[Any, Any, Any],
    template: str,
    *,
    status: int = 200,
    place: Place | None = None,
    here: str = "",
    faults: InvalidRequest | Sequence[Fault] = (),
    **context: Any,
) -> Response[str]:
    """Show a page.

    Args:
        request: what is answered; its visitor and notice are shown.
        template: file name in `templates/`.
        status: the HTTP status.
        place: the account that the page is about, for its menu and navigation.
        here: which entry of the navigation this is.
        faults: what was wrong with a form; shown at its fields.
        **context: what the template needs besides.

    Returns:
        The answer.
    """
    visitor: Visitor = request.state.visitor
    control: Control = request.app.state.control
    notice = _read_notice(request, visitor)
    found = faults.faults if isinstance(faults, InvalidRequest) else faults
    html = (
        _environment()
        .get_template(template)
        .render(
            visitor=visitor,
            place=place,
            here=here,
            notice=notice,
            faults=_by_field(found),
            more_places=len(visitor.places) > MENU_PLACES,
            passkey_origin=_passkey_origin(control.settings.base_url),
            **context,
        )
    )
    cookies = []
    if visitor.is_new:
        cookies.append(_cookie(control, GUEST_COOKIE, visitor.seed, None))
    if NOTICE_COOKIE in request.cookies:
        cookies.append(_cookie(control, NOTICE_COOKIE, "", 0))
    return Response(html, status_code=status, media_type=MediaType.HTML, cookies=cookies)


def go_to(
    request: Request[Any, Any, Any], path: str, notice: Notice | None = None, *, cookies: Sequence[Cookie] = ()
) -> Response[Any]:
    """Lead the browser to a page, after something was done.

    Args:
        request: what is answered.
        path: the page.
        notice: what to tell there, once. Never a secret: it travels in a cookie.
        cookies: further cookies to set.

    Returns:
        The answer, 303.
    """
    control: Control = request.app.state.control
    set_cookies = list(cookies)
    if notice is not None:
        visitor: Visitor = request.state.visitor
        text = base64.urlsafe_b64encode(json.dumps([notice.text, notice.tone, notice.title]).encode()).decode()
        set_cookies.append(_cookie(control, NOTICE_COOKIE, f"{text}.{visitor.tag(text)}", _NOTICE_SECONDS))
    return Redirect(path, status_code=303, cookies=set_cookies)


def _read_notice(request: Request[Any, Any, Any], visitor: Visitor) -> Notice | None:
    text, _, tag = request.cookies.get(NOTICE_COOKIE, "").partition(".")
    # Another subdomain may set cookies for us; what they say must not pass for ours.
    if not text or not hmac.compare_digest(tag.encode(), visitor.tag(text).encode()):
        return None
    try:
        return Notice(*json.loads(base64.urlsafe_b64decode(text)))
    except (ValueError, TypeError, binascii.Error):
        return None


def _cookie(control: Control, key: str, value: str, max_age: int | None) -> Cookie:
    return Cookie(
        key=key,
        value=value,
        max_age=max_age,
        path="/",
        httponly=True,
        samesite="lax",
        secure=not is_loopback(control.settings.base_url),
    )


def _by_field(faults: Sequence[Fault]) -> Mapping[str, str]:
    told: dict[str, str] = {}
    for fault in faults:
        told.setdefault(fault.field, sentence(fault.message))
    return told


def sentence(message: str) -> str:
    """Write a message of ours as a whole sentence."""
    if "@" not in message.partition(" ")[0]:  # an address at the beginning stays as it is
        message = message[:1].upper() + message[1:]
    return message if message.endswith((".", "?", "!")) else f"{message}."


@lru_cache(maxsize=8)
def _passkey_origin(base_url: str) -> str:
    """Where passkeys work, for the page's script; empty if nowhere."""
    found = relying_party(base_url)
    return "" if found is None else found.origin


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("keywright.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(static=static_url, Permission=Permission, MENU_PLACES=MENU_PLACES)
    environment.filters.update(moment=_moment, rfc3339=rfc3339, words=_words, day=_day)
    return environment


def _moment(at_ms: int) -> str:
    """A time as people read it, to the minute; pages say that times are UTC."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%-d %b %Y, %H:%M}"


def _day(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%-d %b %Y}"


def _words(name: str) -> str:
    """A name of the wire as people read it: `partner_admin` is Partner Admin."""
    return " ".join(part[:1].upper() + part[1:] for part in str(name).split("_"))
