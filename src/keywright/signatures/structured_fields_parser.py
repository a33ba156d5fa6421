"""Reading structured field values (RFC 9651 section 4.2), strictly and in time linear in their length."""

from __future__ import annotations

import binascii
import re
from decimal import Decimal

from keywright.signatures.structured_fields import (
    BareItem,
    Date,
    DisplayString,
    InnerList,
    Item,
    Member,
    StructuredFieldError,
    Token,
)

_KEY = re.compile(r"[a-z*][a-z0-9_\-.*]*+")
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*+")
_STRING = re.compile(r'"([ !#-\[\]-~]*+(?:\\["\\][ !#-\[\]-~]*+)*+)"')
_ESCAPE = re.compile(r"\\(.)")
_BYTES = re.compile(r":([A-Za-z0-9+/=]*+):")
_NUMBER = re.compile(r"(-?[0-9]{1,15})(?:\.([0-9]{1,3}))?(?![0-9.])")
_DATE = re.compile(r"@(-?[0-9]{1,15})(?![0-9.])")
_DISPLAY_STRING = re.compile(r'%"((?:[ !#$&-~]|%[0-9a-f]{2})*+)"')
_SPACES = re.compile(r" *+")
_OPTIONAL_SPACE = re.compile(r"[ \t]*+")


class _Reader:
    """A place in a text, and how to go on from there."""

    __slots__ = ("at", "repeats_refused", "text")

    def __init__(self, text: str, *, repeats_refused: bool) -> None:
        self.text = text
        self.at = 0
        self.repeats_refused = repeats_refused

    def fault(self, wanted: str) -> StructuredFieldError:
        return StructuredFieldError(f"{wanted} expected at character {self.at + 1}")

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()

    def take(self, pattern: re.Pattern[str], wanted: str) -> re.Match[str]:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise self.fault(wanted)
        self.at = match.end()
        return match

    def key(self) -> str:
        return self.take(_KEY, "a key").group()

    def string(self) -> BareItem:
        return _ESCAPE.sub(r"\1", self.take(_STRING, "a string")[1])

    def byte_sequence(self) -> BareItem:
        text = self.take(_BYTES, "a byte sequence")[1]
        try:
            value = binascii.a2b_base64(text, strict_mode=True)
        except ValueError:
            raise StructuredFieldError(f"a byte sequence before character {self.at} is not base64") from None
        # Several spellings of one value would let a third party alter a signed message unnoticed.
        if binascii.b2a_base64(value, newline=False).decode("ascii") != text:
            raise StructuredFieldError(f"a byte sequence before character {self.at} is not canonical base64")
        return value

    def number(self) -> BareItem:
        whole, fraction = self.take(_NUMBER, "a number").groups()
        if fraction is None:
            return int(whole)
        if len(whole.lstrip("-")) > 12:
            raise StructuredFieldError(f"a decimal before character {self.at} is too long")
        return Decimal(f"{whole}.{fraction}")

    def display_string(self) -> BareItem:
        escaped = self.take(_DISPLAY_STRING, "a display string")[1]
        raw = re.sub(rb"%([0-9a-f]{2})", lambda match: bytes.fromhex(match[1].decode()), escaped.encode("ascii"))
        try:
            return DisplayString(raw.decode("utf-8"))
        except UnicodeDecodeError:
            raise StructuredFieldError(f"a display string before character {self.at} is not UTF-8") from None

    def bare(self) -> BareItem:
        first = self.peek()
        value: BareItem
        if first == '"':
            value = self.string()
        elif first == ":":
            value = self.byte_sequence()
        elif first == "?":
            self.at += 1
            if self.peek() not in {"0", "1"}:
                raise self.fault("0 or 1")
            value = self.peek() == "1"
            self.at += 1
        elif first == "@":
            value = Date(self.take(_DATE, "a date")[1])
        elif first == "%":
            value = self.display_string()
        elif first == "-" or first.isdigit():
            value = self.number()
        else:
            value = Token(self.take(_TOKEN, "a value").group())
        return value

    def params(self) -> dict[str, BareItem]:
        params: dict[str, BareItem] = {}
        while self.peek() == ";":
            self.at += 1
            self.skip(_SPACES)
            key = self.key()
            if self.repeats_refused and key in params:
                raise StructuredFieldError(f"the parameter {key[:64]} is there twice")
            if self.peek() == "=":
                self.at += 1
                params[key] = self.bare()
            else:
                params[key] = True
        return params

    def item(self) -> Item:
        return Item(self.bare(), self.params())

    def inner_list(self) -> InnerList:
        self.at += 1
        items: list[Item] = []
        while True:
            self.skip(_SPACES)
            if self.peek() == ")":
                self.at += 1
                return InnerList(tuple(items), self.params())
            items.append(self.item())
            if self.peek() not in {" ", ")"}:
                raise self.fault("a space or )")

    def member(self) -> Member:
        return self.inner_list() if self.peek() == "(" else self.item()

    def next_member(self) -> bool:
        """Step over a comma; False at the end."""
        self.skip(_OPTIONAL_SPACE)
        if self.at == len(self.text):
            return False
        if self.peek() != ",":
            raise self.fault("a comma")
        self.at += 1
        self.skip(_OPTIONAL_SPACE)
        if self.at == len(self.text):
            raise self.fault("a member after the comma")
        return True

    def end(self) -> None:
        self.skip(_SPACES)
        if self.at != len(self.text):
            raise self.fault("the end")


def _reader(text: str, *, repeats_refused: bool = False) -> _Reader:
    if not text.isascii():
        raise StructuredFieldError("only ASCII is allowed")
    return _Reader(text.strip(" "), repeats_refused=repeats_refused)


def parse_dictionary(text: str, *, repeats_refused: bool = False) -> dict[str, Member]:
    """Read a dictionary.

    Args:
        text: the field's combined value.
        repeats_refused: refuse a key or parameter that is there twice; the RFC has the last one win.

    Returns:
        The members in order.

    Raises:
        StructuredFieldError: it is not a dictionary.

    Source: RFC 9651 section 4.2.2.
    """
    reader = _reader(text, repeats_refused=repeats_refused)
    members: dict[str, Member] = {}
    more = bool(reader.text)
    while more:
        key = reader.key()
        if repeats_refused and key in members:
            raise StructuredFieldError(f"the key {key[:64]} is there twice")
        if reader.peek() == "=":
            reader.at += 1
            members[key] = reader.member()
        else:
            members[key] = Item(True, reader.params())
        more = reader.next_member()
    return members


def parse_list(text: str) -> list[Member]:
    """Read a list.

    Args:
        text: the field's combined value.

    Returns:
        The members in order.

    Raises:
        StructuredFieldError: it is not a list.

    Source: RFC 9651 section 4.2.1.
    """
    reader = _reader(text)
    members: list[Member] = []
    more = bool(reader.text)
    while more:
        members.append(reader.member())
        more = reader.next_member()
    return members


def parse_item(text: str) -> Item:
    """Read an item.

    Args:
        text: the field's value.

    Returns:
        The value and its parameters.

    Raises:
        StructuredFieldError: it is not an item.

    Source: RFC 9651 section 4.2.3.
    """
    reader = _reader(text)
    item = reader.item()
    reader.end()
    return item


def parse_inner_list(text: str) -> InnerList:
    """Read an inner list standing alone: a component list, or the value of `@signature-params`.

    Args:
        text: from its opening parenthesis on.

    Returns:
        Items and parameters; one that is there twice is refused.

    Raises:
        StructuredFieldError: it is not an inner list.

    Source: RFC 9651 section 4.2.1.2.
    """
    reader = _reader(text, repeats_refused=True)
    if reader.peek() != "(":
        raise reader.fault("(")
    inner = reader.inner_list()
    reader.end()
    return inner
