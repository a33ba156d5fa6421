"""An HTTP request as text: the one that somebody saved, logged or typed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from keywright.signatures import SignedRequest

_REQUEST_LINE = re.compile(r"(?P<method>[^ ]+) +(?P<target>[^ ]+)(?: +HTTP/[0-9.]+)? *")
_HEAD_END = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request that was read from text.

    Args:
        request: method, absolute URL, header lines and body.
        remarks: what was odd about the text and how it was taken.
    """

    request: SignedRequest
    remarks: list[str]


def read_raw_request(text: bytes, *, scheme: str, url: str | None) -> RawRequest:
    """Read a request: request line, header lines, an empty line, body. Lines end in CRLF or LF.

    Args:
        text: the request.
        scheme: `https` or `http`, for a request line without them.
        url: the origin that the request was sent to, or its whole URL; None takes the Host header.

    Returns:
        The request.

    Raises:
        ValueError: it cannot be read; the message says where.
    """
    text = text.lstrip(b"\r\n")
    if not text:
        raise ValueError("there is nothing to read: give a file with a request, or pipe one in")
    found = _HEAD_END.search(text)
    head, rest = (text, b"") if found is None else (text[: found.start()], text[found.end() :])
    first, *lines = re.split(r"\r?\n", head.decode("latin-1").rstrip("\r\n"))
    match = _REQUEST_LINE.fullmatch(first)
    if match is None:
        raise ValueError(f"line 1 is no request line, such as 'POST /v1/payments HTTP/1.1': {first[:60]!r}")
    headers = [_header(number, line) for number, line in enumerate(lines, start=2)]
    remarks: list[str] = []
    body = _body(rest, {name.lower(): value for name, value in headers}, remarks)
    absolute = _absolute(match["target"], headers, scheme, url)
    return RawRequest(SignedRequest(match["method"], absolute, headers, body), remarks)


def _header(number: int, line: str) -> tuple[str, str]:
    if line[:1] in {" ", "\t"}:
        raise ValueError(f"line {number} begins with a space: folded headers are not valid, join it to the line above")
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise ValueError(
            f"line {number} is no header, such as 'Name: value'; does the empty line before the body lack?"
        )
    return name, value.strip(" \t")


def _body(rest: bytes, fields: dict[str, str], remarks: list[str]) -> bytes:
    if fields.get("transfer-encoding", "").lower() == "chunked":
        try:
            return _unchunked(rest)
        except ValueError:
            remarks.append("The body is not in chunks, though Transfer-Encoding says so: it is taken as it stands.")
            return rest
    length = fields.get("content-length", "").strip()
    if not length.isascii() or not length.isdigit() or int(length) == len(rest):
        return rest
    if int(length) < len(rest):
        remarks.append(
            f"Content-Length says {int(length)} bytes and {len(rest)} are there: the last "
            f"{len(rest) - int(length)} are left out."
        )
        return rest[: int(length)]
    remarks.append(
        f"Content-Length says {int(length)} bytes and only {len(rest)} are there: the body was cut off or changed."
    )
    return rest


def _unchunked(rest: bytes) -> bytes:
    """Join the chunks (RFC 9112 section 7.1)."""
    body = b""
    while True:
        size_line, end, rest = rest.partition(b"\n")
        size = int(size_line.partition(b";")[0].strip(), 16)
        if size == 0:
            return body
        chunk, rest = rest[:size], rest[size:]
        if not end or size < 0 or len(chunk) < size:
            raise ValueError("a chunk is cut off")
        body += chunk
        rest = rest[2:] if rest.startswith(b"\r\n") else rest[1:]


def _absolute(target: str, headers: list[tuple[str, str]], scheme: str, url: str | None) -> str:
    if re.match(r"https?://", target, re.IGNORECASE):
        return target.partition("#")[0]
    if url is not None:
        given = urlsplit(url)
        if given.scheme.lower() not in {"http", "https"} or not given.netloc:
            raise ValueError("the URL: write it with http:// or https:// and the host, as the client called it")
        if given.path not in {"", "/"} or given.query:
            return url.partition("#")[0]
        return f"{given.scheme}://{given.netloc}{target}"
    host = next((value for name, value in headers if name.lower() == "host"), None)
    if not host:
        raise ValueError("the request has no Host header; say where it was sent to, as https://HOST (--url)")
    return f"{scheme}://{host}{target}"
