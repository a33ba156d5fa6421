"""Structured field values (RFC 9651, which takes in RFC 8941): their types and their one serialisation."""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple, TypeAlias


class StructuredFieldError(ValueError):
    """A value is not a structured field, or cannot be written as one; the message says where or why."""


class Token(str):
    """A bare word, told apart from a quoted string (RFC 9651 section 3.3.4)."""

    __slots__ = ()


class DisplayString(str):
    """Text of any script (RFC 9651 section 3.3.8)."""

    __slots__ = ()


class Date(int):
    """Seconds since the epoch, told apart from a number (RFC 9651 section 3.3.7)."""

    __slots__ = ()


BareItem: TypeAlias = int | Decimal | str | bytes | bool | Token | Date | DisplayString
Params: TypeAlias = Mapping[str, BareItem]


class Item(NamedTuple):
    """One value with its parameters (RFC 9651 section 3.3)."""

    value: BareItem
    params: Params


class InnerList(NamedTuple):
    """A list of items within parentheses, with parameters of its own (RFC 9651 section 3.1.1)."""

    items: Sequence[Item]
    params: Params


Member: TypeAlias = Item | InnerList

_KEY = re.compile(r"[a-z*][a-z0-9_\-.*]*+")
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*+")
_STRING = re.compile(r"[ -~]*+")
_INTEGER_LIMIT = 999_999_999_999_999
_THREE_DIGITS = Decimal("0.001")


def serialise_string(value: str) -> str:
    """Write a string with its quotes.

    Args:
        value: printable ASCII.

    Returns:
        The quoted form.

    Raises:
        StructuredFieldError: a character is not printable ASCII.

    Source: RFC 9651 section 4.1.6.
    """
    if not _STRING.fullmatch(value):
        raise StructuredFieldError("a string may hold printable ASCII only")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def serialise_bytes(value: bytes) -> str:
    """Write a byte sequence between colons.

    Args:
        value: any bytes.

    Returns:
        Base64 between colons.

    Source: RFC 9651 section 4.1.8.
    """
    return f":{binascii.b2a_base64(value, newline=False).decode('ascii')}:"


def _serialise_integer(value: int) -> str:
    if not -_INTEGER_LIMIT <= value <= _INTEGER_LIMIT:
        raise StructuredFieldError("an integer has at most 15 digits")
    return str(int(value))


def _serialise_decimal(value: Decimal) -> str:
    rounded = value.quantize(_THREE_DIGITS, rounding=ROUND_HALF_EVEN)
    whole, _, fraction = f"{abs(rounded):f}".partition(".")
    if len(whole) > 12:
        raise StructuredFieldError("a decimal has at most 12 digits before its point")
    sign = "-" if rounded < 0 else ""
    return f"{sign}{whole}.{fraction.rstrip('0') or '0'}"


def _serialise_display_string(value: str) -> str:
    kept = "".join(
        chr(byte) if 0x20 <= byte <= 0x7E and byte not in b'%"' else f"%{byte:02x}" for byte in value.encode("utf-8")
    )
    return f'%"{kept}"'


def serialise_bare(value: BareItem) -> str:
    """Write a value without parameters.

    Args:
        value: one of the eight types.

    Returns:
        Its text.

    Raises:
        StructuredFieldError: it is out of the type's range.

    Source: RFC 9651 section 4.1.3.1.
    """
    if isinstance(value, bool):  # before int, whose kin it is
        text = "?1" if value else "?0"
    elif isinstance(value, Date):
        text = "@" + _serialise_integer(value)
    elif isinstance(value, int):
        text = _serialise_integer(value)
    elif isinstance(value, Decimal):
        text = _serialise_decimal(value)
    elif isinstance(value, bytes):
        text = serialise_bytes(value)
    elif isinstance(value, Token):
        if not _TOKEN.fullmatch(value):
            raise StructuredFieldError("not a token")
        text = str(value)
    elif isinstance(value, DisplayString):
        text = _serialise_display_string(value)
    else:
        text = serialise_string(value)
    return text


def serialise_key(key: str) -> str:
    """Write a key of a dictionary or parameter.

    Args:
        key: lower case.

    Returns:
        The same.

    Raises:
        StructuredFieldError: it cannot be a key.

    Source: RFC 9651 section 4.1.1.3.
    """
    if not _KEY.fullmatch(key):
        raise StructuredFieldError("not a key")
    return key


def serialise_params(params: Params) -> str:
    """Write parameters, each after a semicolon.

    Args:
        params: in order.

    Returns:
        Their text; empty if there are none.

    Source: RFC 9651 section 4.1.1.2.
    """
    return "".join(
        f";{serialise_key(key)}" if value is True else f";{serialise_key(key)}={serialise_bare(value)}"
        for key, value in params.items()
    )


def serialise_items(items: Sequence[Item]) -> str:
    """Write the items of an inner list within parentheses, without the list's own parameters.

    Args:
        items: in order.

    Returns:
        Their text.

    Source: RFC 9651 section 4.1.1.1.
    """
    return "(" + " ".join(serialise_bare(item.value) + serialise_params(item.params) for item in items) + ")"


def serialise_member(member: Member) -> str:
    """Write an item or an inner list with its parameters.

    Args:
        member: either.

    Returns:
        Its text.

    Source: RFC 9651 sections 4.1.1.1 and 4.1.3.
    """
    text = serialise_items(member.items) if isinstance(member, InnerList) else serialise_bare(member.value)
    return text + serialise_params(member.params)


def serialise_list(members: Sequence[Member]) -> str:
    """Write a list.

    Args:
        members: in order.

    Returns:
        Its text.

    Source: RFC 9651 section 4.1.1.
    """
    return ", ".join(serialise_member(member) for member in members)


def serialise_dictionary(members: Mapping[str, Member]) -> str:
    """Write a dictionary.

    Args:
        members: in order.

    Returns:
        Its text.

    Source: RFC 9651 section 4.1.2.
    """
    return ", ".join(
        serialise_key(key) + serialise_params(member.params)
        if isinstance(member, Item) and member.value is True
        else f"{serialise_key(key)}={serialise_member(member)}"
        for key, member in members.items()
    )
