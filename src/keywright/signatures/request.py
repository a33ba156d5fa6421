"""An HTTP request as its signer meant it, and what the RFC derives from its URL and header lines."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

# Methods whose requests have a body in exceptional cases only, and then say so with a length (RFC 9110 section 9.3).
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "DELETE"})


def usually_has_body(method: str) -> bool:
    """Say whether a request of this method must be taken to have a body where nothing tells.

    Args:
        method: as sent.

    Returns:
        False for GET, HEAD, OPTIONS, TRACE and DELETE.

    Source: RFC 9110 section 9.3.
    """
    return method not in _WITHOUT_BODY


@dataclass(slots=True)
class SignedRequest:
    """An HTTP request as the signer meant it: not as the last proxy rewrote it.

    A plain slots class rather than a frozen one: one is made per request, and freezing costs time there.

    Args:
        method: the method, case as sent.
        url: absolute: `http(s)://authority/path?query`.
        headers: name and value of every header line, in order; names in any case, repeated names allowed,
            values as text with latin-1 semantics.
        body: the content; `b""` if it is known to be empty, None if it was not seen (a forward-auth gateway).
    """

    method: str
    url: str
    headers: Collection[tuple[str, str]]
    body: bytes | None


class Target(NamedTuple):
    """The parts of an absolute URL, normalised as RFC 9421 section 2.2 asks.

    Args:
        scheme: lower case.
        authority: host in lower case; the port only where it is not the scheme's own.
        path: never empty.
        query: without its question mark; None where the URL has none.
    """

    scheme: str
    authority: str
    path: str
    query: str | None

    @property
    def uri(self) -> str:
        """The target URI, put together again (RFC 9421 section 2.2.2)."""
        return f"{self.scheme}://{self.authority}{self.request_target}"

    @property
    def request_target(self) -> str:
        """Path and query as they stand in the request line (RFC 9421 section 2.2.5, origin form)."""
        return self.path if self.query is None else f"{self.path}?{self.query}"


# Visible ASCII throughout: real clients send characters such as "|" bare, and what was signed is what was sent.
# User information has no place in a request target, and a fragment never leaves the client.
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[a-z0-9\-._~!$&'()*+,;=%]++|\[[0-9a-f:.]++\])(?::(?P<port>[0-9]{0,5}+))?"
    r"(?P<path>/[!-\"$->@-~]*+)?"
    r"(?:\?(?P<query>[!-\"$-~]*+))?",
    re.IGNORECASE | re.ASCII,
)

# A URL that is its own normal form: nothing to take apart. Ports 80, 443 and those of five digits go the long way.
_NORMAL_URL = re.compile(r"https?+://[a-z0-9.-]++(?::(?!(?:80|443)/)[1-9][0-9]{0,3}+)?/[!-\"$-~]*+")

_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
# Looked up before the pattern is tried.
COMMON_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


def split_target(url: str) -> Target | None:
    """Take an absolute URL apart.

    Args:
        url: absolute, `http` or `https`, without user information and fragment.

    Returns:
        Its normalised parts, or None if it is not such a URL.

    Source: RFC 9421 sections 2.2.2 to 2.2.7; RFC 9110 section 4.2.3.
    """
    match = _URL.fullmatch(url)
    if match is None:
        return None
    scheme = match["scheme"].lower()
    authority = match["host"].lower()
    if match["port"]:
        port = int(match["port"])
        if port > 65535:
            return None
        if port != _DEFAULT_PORTS[scheme]:
            authority = f"{authority}:{port}"
    return Target(scheme, authority, match["path"] or "/", match["query"])


# A client that repeats itself is the rule; both bounds (entries here, length by the caller) keep this small.
@lru_cache(maxsize=256)
def target_uri(url: str) -> str | None:
    """Normalise an absolute URL: the value of `@target-uri`.

    Args:
        url: absolute, `http` or `https`.

    Returns:
        The URI with scheme and host in lower case, without a default port, with at least "/" as path; None if
        it is not an absolute URL that can be signed.

    Source: RFC 9421 section 2.2.2.
    """
    if _NORMAL_URL.fullmatch(url):
        return url
    target = split_target(url)
    return None if target is None else target.uri


def is_method(method: str) -> bool:
    """Say whether this can be a request method at all.

    Args:
        method: as sent.

    Returns:
        True for a token of at most 64 characters.

    Source: RFC 9110 section 9.1.
    """
    return method in COMMON_METHODS or _METHOD.fullmatch(method) is not None


def decode_fields(
    lines: Collection[tuple[bytes, bytes]],
) -> tuple[Collection[tuple[str, str]], dict[str, str] | None]:
    """Decode header lines byte for byte, each of them once.

    Args:
        lines: names and values as they came.

    Returns:
        All lines as text, with names in lower case; and the values by name, or None where a name is there twice.

    Source: RFC 9110 section 5.5 (any byte above 127 may stand in a value).
    """
    fields = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in lines}
    if len(fields) == len(lines):
        return fields.items(), fields
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in lines], None


def combine_fields(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Give every field one value: the lines of a repeated field are trimmed and joined by comma and space.

    Args:
        headers: the header lines in order.

    Returns:
        Values by lower-case field name.

    Source: RFC 9421 section 2.1.
    """
    lines: dict[str, list[str]] = {}
    for name, value in headers:
        lines.setdefault(name.lower(), []).append(value.strip(" \t"))
    return {name: ", ".join(values) for name, values in lines.items()}
