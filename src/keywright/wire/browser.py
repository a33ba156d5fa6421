"""What browsers send and keep: the session's cookie, the page that a request comes from, the address it comes from."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

SESSION_COOKIE = "keywright_session"


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """The attributes of the session's cookie (RFC 6265).

    Args:
        value: the session's token; empty to take the cookie away.
        max_age_seconds: how long the browser keeps it.
        secure: whether it travels over TLS only.
    """

    value: str
    max_age_seconds: int
    secure: bool


def session_cookie(base_url: str, token: str, lasts_seconds: int) -> SessionCookie:
    """Make the session's cookie.

    Args:
        base_url: where people reach the control plane; off loopback that takes TLS.
        token: the session's; empty to take the cookie away.
        lasts_seconds: how long it lasts.

    Returns:
        The cookie.
    """
    return SessionCookie(token, lasts_seconds, secure=not is_loopback(base_url))


def is_loopback(url: str) -> bool:
    """Tell whether an address leads to this very machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_own_page(origin: str | None, host: str | None, base_url: str) -> bool:
    """Tell whether a change comes from one of our own pages, or from no page at all.

    SameSite=Lax keeps the cookie from most of what other sites send; this catches the rest, such as sibling subdomains.

    Args:
        origin: the Origin header; browsers send it with every change.
        host: the Host header.
        base_url: where people reach the control plane.

    Returns:
        False for a change that another site's page sends.
    """
    return origin is None or _authority(origin) in {host, urlsplit(base_url).netloc}


def _authority(origin: str) -> str:
    """The authority that an Origin header names; empty, which nothing is, for `null` and nonsense."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
