"""What a middleware must be told: where to verify, and how the public sees the application."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# In base64, with headers, this fits the eight MiB that a gateway listener reads unless told otherwise.
MAX_BODY_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Keywright:
    """How a middleware verifies. Exactly one of `gateway`, `data_dir` and `database` says where.

    Args:
        gateway: address of a gateway listener, such as `http://127.0.0.1:8081`; needs `keywright[middleware]`.
        data_dir: data directory of a Keywright server on this host; needs `keywright[server]`.
        database: absolute path of its database file, where that is not in the data directory's usual place.
        api_origin: scheme and authority that clients sign for, such as `https://api.example.com`; None takes them from
            the request, where the client can set its Host header as it likes.
        trust_proxy_headers: take scheme and host from X-Forwarded-Proto and X-Forwarded-Host; only behind a proxy
            that always overwrites both.
        exclude: paths that are let through without verification; `/public/*` means all below `/public/`.
        max_body_bytes: largest body that is read; a larger one is answered with 413.
        body_timeout_seconds: how long an ASGI application waits for a body; under WSGI the server sees to that.
        timeout_seconds: how long to wait for a verdict before 503.

    Raises:
        ValueError: naming everything that is wrong.
    """

    gateway: str | None = None
    data_dir: str | os.PathLike[str] | None = None
    database: str | os.PathLike[str] | None = None
    api_origin: str | None = None
    trust_proxy_headers: bool = False
    exclude: Sequence[str] = ()
    max_body_bytes: int = MAX_BODY_BYTES
    body_timeout_seconds: float = 60
    timeout_seconds: float = 5

    def __post_init__(self) -> None:
        faults = [*self._place_faults(), *self._exclusion_faults()]
        if self.api_origin is not None and not _is_address(self.api_origin, path=False):
            faults.append("api_origin must be scheme://host[:port] with http or https and nothing behind it")
        if self.api_origin is not None and self.trust_proxy_headers:
            faults.append("api_origin already says the origin; leave trust_proxy_headers out")
        numbers = {name: getattr(self, name) for name in ("max_body_bytes", "body_timeout_seconds", "timeout_seconds")}
        faults += [f"{name} must be a number above 0" for name, value in numbers.items() if not _is_positive(value)]
        if faults:
            raise ValueError("Keywright cannot verify with these settings: " + "; ".join(faults))

    def _place_faults(self) -> list[str]:
        faults = []
        if sum(place is not None for place in (self.gateway, self.data_dir, self.database)) != 1:
            faults.append("give exactly one of gateway, data_dir and database")
        if self.gateway is not None and not _is_address(self.gateway, path=True):
            faults.append("gateway must be the address of a gateway listener, such as http://127.0.0.1:8081")
        if self.database is not None and not Path(self.database).is_absolute():
            faults.append(
                "database must be the absolute path of a SQLite file; where the data is in PostgreSQL, let a gateway"
                " listener beside the application verify: gateway=..."
            )
        return faults

    def _exclusion_faults(self) -> list[str]:
        # A text is a sequence of paths too: of single characters, "/" among them.
        if isinstance(self.exclude, str):
            return ["exclude must be a list of paths"]
        return [
            f'exclude: "{path}" must begin with /, and * may stand only at its end, behind a /'
            for path in self.exclude
            if not path.startswith("/") or "*" in path.removesuffix("/*")
        ]


def read_mapping(settings: dict[str, Any]) -> Keywright:
    """Read the settings as Django has them, with names in capitals.

    Args:
        settings: the value of `KEYWRIGHT` in a settings module.

    Returns:
        The same as `Keywright(...)`.

    Raises:
        ValueError: naming what is wrong.
    """
    known = [each.name.upper() for each in fields(Keywright)]
    unknown = [str(name) for name in settings if name not in known]
    if unknown:
        raise ValueError(f"KEYWRIGHT has no setting {', '.join(unknown)}; there are {', '.join(known)}")
    return Keywright(**{name.lower(): value for name, value in settings.items()})


def _is_address(text: str, *, path: bool) -> bool:
    try:
        parts = urlsplit(text)
        has_host = bool(parts.hostname) and parts.port != 0
    except (AttributeError, TypeError, ValueError):
        return False
    rest = parts.query or parts.fragment or parts.username or text.endswith(("?", "#"))
    return parts.scheme in {"http", "https"} and has_host and not rest and (path or parts.path in {"", "/"})


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
