"""The body that curl would send for its data options."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote_from_bytes

# The long names of curl's options that make up a body.
DATA_OPTIONS = frozenset({"data", "data-ascii", "data-raw", "data-binary", "data-urlencode", "json"})

_LINE_ENDS = bytes.maketrans(b"", b""), b"\r\n\0"


def join_data(parts: list[tuple[str, str]]) -> bytes:
    """Put the body together from data options, byte for byte as curl does.

    Args:
        parts: long name and value of each data option, in order.

    Returns:
        The body.

    Raises:
        OSError: a file cannot be read.
    """
    body = b""
    for option, value in parts:
        piece = _PIECES[option](value)
        # curl's manual: several are joined by "&", but a --json is appended as it is.
        body += b"&" + piece if body and option != "json" else piece
    return body


def read_file(name: str) -> bytes:
    """Read what stands behind an "@".

    Args:
        name: a file; "-" is stdin.

    Returns:
        Its bytes.

    Raises:
        OSError: it cannot be read.
    """
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def raw(value: str) -> bytes:
    """Give back the bytes of an argument as the shell passed them.

    Args:
        value: the argument.

    Returns:
        Its bytes.
    """
    return value.encode("utf-8", "surrogateescape")


def _data(value: str) -> bytes:
    return read_file(value[1:]).translate(*_LINE_ENDS) if value.startswith("@") else raw(value)


def _binary(value: str) -> bytes:
    return read_file(value[1:]) if value.startswith("@") else raw(value)


def _urlencode(value: str) -> bytes:
    """Encode `content`, `=content`, `name=content`, `@file` or `name@file`: the first "=" or "@" decides."""
    place = next((index for index, character in enumerate(value) if character in "=@"), None)
    if place is None:
        return _encoded(raw(value))
    name, content = raw(value[:place]), value[place + 1 :]
    encoded = _encoded(read_file(content) if value[place] == "@" else raw(content))
    return name + b"=" + encoded if name else encoded


def _encoded(content: bytes) -> bytes:
    return quote_from_bytes(content, safe="").replace("%20", "+").encode("ascii")


_PIECES: dict[str, Callable[[str], bytes]] = {
    "data": _data,
    "data-ascii": _data,
    "data-raw": raw,
    "data-binary": _binary,
    "data-urlencode": _urlencode,
    "json": _binary,
}
