"""What browsers send and keep: the session's cookie, the page that a request comes from, the address it comes from."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
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


def client_address(peer: str, forwarded_for: Iterable[str], trusted_proxies: Sequence[str]) -> str:
    """Find the address that a request comes from, also behind proxies.

    Each proxy adds at the right whom it heard from, so the list is read from the right, for as long as it was written
    by proxies of ours. What stands further left is whatever the client wanted it to be.

    Args:
        peer: the address of whoever is connected to us; empty if it has none.
        forwarded_for: every X-Forwarded-For header of the request, in order.
        trusted_proxies: addresses and networks of the proxies before us.

    Returns:
        The nearest address that is none of our proxies'.
    """
    proxies = _networks(tuple(trusted_proxies))
    found = peer
    hops = [hop.strip() for header in forwarded_for for hop in header.split(",")]
    while hops and _is_among(found, proxies):
        nearer = _without_port(hops.pop())
        if _address(nearer) is None:
            break  # a proxy that does not say whom it heard from
        found = nearer
    return found


@lru_cache(maxsize=8)
def _networks(texts: tuple[str, ...]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def _is_among(text: str, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    address = _address(text)
    return address is not None and any(address in network for network in networks)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _without_port(hop: str) -> str:
    """Some proxies add the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    host, colon, port = hop.partition(":")
    return host if colon and port.isdigit() and "." in host else hop
