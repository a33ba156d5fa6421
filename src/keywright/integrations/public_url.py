"""The URL that a client signed, as far as the request and the settings tell."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from keywright.errors import Fault, InvalidRequest
from keywright.integrations.configuration import Keywright

HeaderLines = Collection[tuple[str, str]]

# Whatever ends an authority must not stand in one, or a client could push what follows into the path.
_HOST = re.compile(r"[^\s,/?#@\\]+")


def public_url(
    config: Keywright, headers: HeaderLines, scheme: str, server: Iterable[str | int | None] | None, target: str
) -> str:
    """Put together the URL that is judged.

    Args:
        config: says the origin, or where to take it from.
        headers: the request's.
        scheme: as the server received the request.
        server: host and port (or None) of the server, for requests without a Host header; None if not known.
        target: path and query as sent.

    Returns:
        The absolute URL.

    Raises:
        InvalidRequest: the request does not say one host, or its target is not a path.
    """
    if not target.startswith("/"):
        raise InvalidRequest([Fault("", "the request target must be a path that begins with /")])
    if config.api_origin is not None:
        return config.api_origin.rstrip("/") + target
    host = _only(headers, "host") or ":".join(str(part) for part in server or () if part is not None)
    if config.trust_proxy_headers:
        scheme = _only(headers, "x-forwarded-proto") or scheme
        host = _only(headers, "x-forwarded-host") or host
    if scheme not in {"http", "https"}:
        raise InvalidRequest(
            [Fault("X-Forwarded-Proto", "must be http or https; the proxy must set it, not add to it")]
        )
    if not _HOST.fullmatch(host):
        raise InvalidRequest([Fault("Host", "must be one host and, if need be, its port")])
    return f"{scheme}://{host}{target}"


def _only(headers: HeaderLines, name: str) -> str | None:
    values = [value for each, value in headers if each.lower() == name]
    if len(values) > 1:
        # One of the two could be the client's own.
        raise InvalidRequest([Fault(name, "is there twice")])
    return values[0].strip() if values else None
