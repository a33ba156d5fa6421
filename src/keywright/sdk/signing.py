"""Which headers make a request a signed one."""

from __future__ import annotations

import base64
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from keywright.sdk.credential import Credential
from keywright.signatures import SignedRequest, usually_has_body

Clock = Callable[[], float]
NewNonce = Callable[[], str]
Headers = Mapping[str, str] | Iterable[tuple[str, str]]

LABEL = "sig1"
# RFC 9110 section 7.6.1 and section 8.6: what any hop may change or drop.
_CHANGED_ON_THE_WAY = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UNSENDABLE = re.compile(r"[^!-~]")


def new_nonce() -> str:
    """Make a nonce: 192 random bits as 32 characters."""
    # As secrets.token_urlsafe does, whose module is dear to import.
    return base64.urlsafe_b64encode(os.urandom(24)).decode("ascii")


def sign(
    key: Credential,
    *,
    method: str,
    url: str,
    headers: Headers = (),
    body: bytes = b"",
    cover: Sequence[str] = (),
    expires_after_seconds: int | None = None,
    tag: str | None = None,
    label: str = LABEL,
    clock: Clock = time.time,
    nonce: NewNonce = new_nonce,
) -> dict[str, str]:
    """Sign a request that any HTTP client is about to send.

    Covered are `@method`, `@target-uri`, with a body `content-digest`, and `content-type` where it is there. The
    signature is good for one request, which should leave soon: verifiers refuse it when it is five minutes old.

    Args:
        key: who signs.
        method: as it will be sent, in the same case.
        url: absolute, and exactly as it will be sent: percent-encoded, host in ASCII. A fragment is left out.
        headers: those of the request, a mapping or pairs. A `Host` among them takes the place of the URL's host.
        body: the bytes that will be sent.
        cover: names of headers to cover as well.
        expires_after_seconds: ends the signature sooner than the verifier would.
        tag: an application's name for the signature, if the verifier asks for one.
        label: the signature's key in both headers.
        clock: tells the time in seconds since the epoch.
        nonce: makes a nonce: 16 to 64 visible characters that were never used before.

    Returns:
        The headers to add: `Content-Digest` (with a body, unless it is there already), `Signature-Input`,
        `Signature`.

    Raises:
        ValueError: the request cannot be signed so; the message says what to change.
        TypeError: the body is not bytes, or the headers are not texts.

    Source: RFC 9421 section 3.1; RFC 9530 section 2.
    """
    if not isinstance(body, bytes | bytearray | memoryview):
        raise TypeError("body: bytes are needed; encode a text first, the way it will be sent")
    pairs = _pairs(headers)
    names = {name.lower() for name, _ in pairs}
    sent_body = bytes(body)
    created = int(clock())
    return key.sign_request(
        SignedRequest(method, _effective_url(url, pairs), pairs, sent_body),
        created=created,
        nonce=nonce(),
        components=_components(names, _checked(cover), has_body=bool(sent_body) or usually_has_body(method)),
        expires=None if expires_after_seconds is None else created + expires_after_seconds,
        tag=tag,
        label=label,
    )


def without_label(value: str | None, label: str) -> str | None:
    """Take away what an earlier signing added to a `Signature` or `Signature-Input` field.

    Args:
        value: the field's value, if it is there. An added signature is always its last member.
        label: the signature's label.

    Returns:
        What was there before, None if that was nothing.
    """
    if value is None:
        return None
    kept = re.sub(rf"(?:\A|,)[ \t]*{re.escape(label)}=[(:].*\Z", "", value)
    return kept.strip(" \t") or None


def same_site(one: str, other: str) -> bool:
    """Whether a redirect stays with whom the caller chose: the same origin, or the same host now with TLS.

    Args:
        one: absolute URL of the request.
        other: absolute URL of the redirected request.

    Returns:
        Whether a signature may be made for it unasked.
    """
    first, second = urlsplit(one), urlsplit(other)
    if first.hostname != second.hostname:
        return False
    default = {"http": 80, "https": 443}
    ports = (first.port or default.get(first.scheme), second.port or default.get(second.scheme))
    if first.scheme == second.scheme:
        return ports[0] == ports[1]
    return (first.scheme, second.scheme) == ("http", "https") and ports == (80, 443)


def _pairs(headers: Headers) -> list[tuple[str, str]]:
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    for name, value in pairs:
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError("headers: names and values must be texts")
    return pairs


def _effective_url(url: str, headers: list[tuple[str, str]]) -> str:
    """What the server will take the request to be for (RFC 9110 section 7.1): the Host header says where."""
    without_fragment = url.partition("#")[0]
    bad = _UNSENDABLE.search(without_fragment)
    if bad is not None:
        raise ValueError(
            f"url: character {bad.start() + 1} cannot be sent as it is; percent-encode path and query, and write an "
            "international host name in its xn-- form"
        )
    scheme, separator, rest = without_fragment.partition("://")
    if not separator or scheme.lower() not in {"http", "https"}:
        raise ValueError("url: an absolute URL is needed, beginning with https:// or http://")
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    if not authority:
        raise ValueError("url: there is no host in it")
    if "@" in authority:
        raise ValueError("url: user and password do not belong into a URL that is signed; leave them out")
    hosts = [value.strip(" \t") for name, value in headers if name.lower() == "host"]
    if len(hosts) > 1:
        raise ValueError("headers: there is more than one Host")
    return f"{scheme}://{hosts[0] or authority}{rest[len(authority) :]}" if hosts else without_fragment


def _checked(cover: Sequence[str]) -> list[str]:
    if isinstance(cover, str):
        raise TypeError("cover: a sequence of header names, not one text")
    names = list(dict.fromkeys(name.lower() for name in cover))
    for name in names:
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"cover: {name[:64]!a} is not the name of a header")
        if name in _CHANGED_ON_THE_WAY:
            raise ValueError(f"cover: {name} may be changed on the way, so a signature over it would not hold")
        if name in {"signature", "signature-input"}:
            raise ValueError(f"cover: {name} is made by signing and cannot be covered by it")
    return names


def _components(names: set[str], cover: list[str], *, has_body: bool) -> list[str]:
    components = ["@method", "@target-uri"]
    if has_body or "content-digest" in names:
        components.append("content-digest")
    if "content-type" in names:
        components.append("content-type")
    return components + [name for name in cover if name not in components]
