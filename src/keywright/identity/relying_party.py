"""Where passkeys belong: the name and origin that browsers bind them to."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """What a passkey is made for.

    Args:
        rp_id: the host name; a passkey answers to no other.
        origin: the one address of pages that may ask it.
    """

    rp_id: str
    origin: str


def relying_party(base_url: str) -> RelyingParty | None:
    """Find what passkeys are made for.

    Args:
        base_url: where people reach the control plane, without a path.

    Returns:
        Host name and origin. On a loopback address they are those of `localhost`, since browsers make no passkeys for
        IP addresses: people open that one then. None if no browser makes passkeys there: at any other IP address, and
        off loopback without TLS.

    Source: Web Authentication Level 2, sections 5.1.3 (step 8) and 13.4.9.
    """
    parts = urlsplit(base_url)
    host = (parts.hostname or "").rstrip(".")
    try:
        host = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        return None
    is_loopback = host == "localhost" or host.endswith(".localhost")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        if not address.is_loopback:
            return None
        host, is_loopback = "localhost", True
    if not host or (parts.scheme != "https" and not is_loopback):
        return None
    port = "" if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f":{parts.port}"
    return RelyingParty(host, f"{parts.scheme}://{host}{port}")
