"""What the server said when it refused, and where its signature base differs from the request's."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from keywright.diagnosis.remedies import OTHER_REMEDIES, REMEDIES
from keywright.errors import REFUSAL_TITLES, RefusalCode
from keywright.signatures import NOT_SHOWN

_STATUS_LINE = re.compile(rb"HTTP/[0-9.]+ +([0-9]{3})[^\r\n]*\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_ERROR = re.compile(r'\berror="?([a-z_]+)')
_COMPONENT = re.compile(r'("[^"]*"(?:;[a-z*][a-z0-9_.*-]*(?:=(?:"(?:[^"\\]|\\.)*"|[^;: ]+))?)*): ?(.*)', re.DOTALL)
_UNKNOWN = "This code is not one of Keywright's data plane; the detail is all there is to go by."


@dataclass(frozen=True, slots=True)
class ServerRefusal:
    """A refusal as it came.

    Args:
        code: the public code.
        detail: the server's own words; may be empty.
        status: the HTTP status, if it was there.
        date: the server's time in seconds since the epoch, if it was there.
        base: the signature base as the server built it, if it said so.
    """

    code: str
    detail: str
    status: int | None = None
    date: float | None = None
    base: str | None = None

    @property
    def title(self) -> str:
        """The code in words; empty for one that is not a refusal's."""
        return REFUSAL_TITLES[RefusalCode(self.code)] if self.code in set(RefusalCode) else ""

    @property
    def remedy(self) -> str:
        """What to change."""
        if self.code in set(RefusalCode):
            return REMEDIES[RefusalCode(self.code)]
        return OTHER_REMEDIES.get(self.code, _UNKNOWN)


@dataclass(frozen=True, slots=True)
class Difference:
    """A line of the signature base that is not the same on both sides; None where it lacks."""

    component: str
    here: str | None
    server: str | None


def looks_like_refusal(text: bytes) -> bool:
    """Tell a response or a problem document from a request.

    Args:
        text: what was given.

    Returns:
        Whether `read_refusal` is to read it.
    """
    start = text.lstrip()
    return start.startswith(b"{") or _STATUS_LINE.match(start) is not None


def read_refusal(text: bytes) -> ServerRefusal:
    """Read a refusal: a response as `curl -i` prints it, or its body alone.

    Args:
        text: the response, or a problem document, or an answer of `/v1/verify`.

    Returns:
        What it says.

    Raises:
        ValueError: there is no code in it.
    """
    rest = text.lstrip()
    status: int | None = None
    headers: list[tuple[str, str]] = []
    # Before the answer itself, curl prints those of proxies and "100 Continue".
    while match := _STATUS_LINE.match(rest):
        status = int(match[1])
        end = _HEAD_END.search(rest)
        head, rest = (rest, b"") if end is None else (rest[: end.start()], rest[end.end() :])
        lines = head.decode("latin-1").splitlines()[1:]
        headers = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    document = _json_object(rest)
    code, detail, base = (_text(document.get(name)) for name in ("code", "detail", "signatureBase"))
    if not code:
        challenges = ", ".join(value for name, value in headers if name == "www-authenticate")
        code = next(iter(_ERROR.findall(challenges)), "")
        code = "token_invalid" if code == "invalid_token" else code
    if not code:
        raise ValueError(
            "the refusal names no code: neither a problem document with 'code' nor WWW-Authenticate with 'error' is in "
            "it. Save the whole response (curl -i); if that is it, something before Keywright answered"
        )
    dates = [_seconds(value) for name, value in headers if name == "date"]
    return ServerRefusal(code, detail, status, dates[0] if dates else None, base or None)


def differences(here: str, server: str) -> list[Difference]:
    """Compare two signature bases line by line.

    Args:
        here: of the request as it was given.
        server: as the server built it.

    Returns:
        Lines that differ, in the order of the server's. Values that the server does not show are not compared.
    """
    ours, theirs = _components(here), _components(server)
    found = [
        Difference(name, ours.get(name), value)
        for name, value in theirs.items()
        if ours.get(name) != value and not (value == NOT_SHOWN and name in ours)
    ]
    return found + [Difference(name, value, None) for name, value in ours.items() if name not in theirs]


def hint_for(difference: Difference) -> str:
    """Say what such a difference comes from.

    Args:
        difference: one of `differences`.

    Returns:
        A sentence; empty if it speaks for itself.
    """
    name, here, server = difference.component, difference.here, difference.server
    if here is None or server is None:
        return (
            "The two do not cover the same: this is not the request that was refused, or a hop changed Signature-Input."
        )
    if name == '"@method"':
        return "A hop changed the method; a redirect does that to POST."
    if name in {'"@target-uri"', '"@authority"', '"@scheme"', '"@path"', '"@query"', '"@request-target"'}:
        return _url_hint(here, server)
    if name == '"@signature-params"':
        return "This is not the request that was refused: each has a time and a nonce of its own."
    if name == '"content-digest"':
        return "The header is another one: this is not the request that was refused, or a hop wrote its own."
    return "A hop changed this header, or added to it."


def _url_hint(here: str, server: str) -> str:
    if here.partition("://")[2] and here.partition("://")[2] == server.partition("://")[2]:
        return (
            "Only the scheme differs: TLS ends before the verifier, which must be told so (X-Forwarded-Proto, or the "
            "setting api_origin); or the URL was signed with the wrong one."
        )
    if here.partition("?")[0] == server.partition("?")[0]:
        return "Only the query differs: a client or hop re-encoded, sorted or dropped it. Sign it as it is sent."
    mine, theirs = (re.sub(r"^https?://[^/?]*", "", value) for value in (here, server))
    if mine == theirs:
        return (
            "Only the origin differs: sign the host that clients call; or the gateway must forward the Host that it "
            "got (or set api_origin)."
        )
    return "A hop rewrote the URL, or it was signed before it was encoded. Sign it as it is sent; ask before rewriting."


def _components(base: str) -> dict[str, str]:
    lines = (_COMPONENT.fullmatch(line) for line in base.split("\n"))
    return {match[1]: match[2] for match in lines if match is not None}


def _json_object(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _seconds(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
