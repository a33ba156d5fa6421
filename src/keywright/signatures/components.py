"""The list of covered components: read once per spelling, then kept as a plan of how to gather values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from keywright.errors import RefusalCode, Refused
from keywright.signatures.structured_fields import (
    Item,
    StructuredFieldError,
    serialise_items,
    serialise_member,
)
from keywright.signatures.structured_fields_parser import parse_inner_list

DERIVED = frozenset(
    {
        "@method",
        "@target-uri",
        "@authority",
        "@scheme",
        "@request-target",
        "@path",
        "@query",
        "@query-param",
    }
)
_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
_ORDINARY = frozenset({"@method", "@target-uri"})
_FLAGS = frozenset({"sf", "bs"})


@dataclass(frozen=True, slots=True)
class Component:
    """One covered component.

    Args:
        name: lower-case field name, or a derived component's name with its "@".
        identifier: as it stands in the signature base, with quotes and parameters.
        key: the dictionary member or the query parameter that is meant, if one is.
        strict: the field is written anew in strict form (`;sf`).
        wrapped: each of the field's lines is wrapped as bytes (`;bs`).
    """

    name: str
    identifier: str
    key: str | None = None
    strict: bool = False
    wrapped: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the identifier is the name alone."""
        return self.key is None and not self.strict and not self.wrapped

    @property
    def label(self) -> str:
        """The name alone if that says all, else the identifier."""
        return self.name if self.is_plain else self.identifier


@dataclass(frozen=True, slots=True)
class Plan:
    """How to gather the values that a component list covers, and what that list covers.

    Args:
        text: the list in its strict form.
        components: in order.
        covered: their labels, in order.
        lines: for each component the start of its line in the signature base, its name, and, where its value takes
            more than looking a plain field up, `@method` or `@target-uri`, the component itself.
        covers_method: `@method`.
        covers_uri: `@target-uri`.
        covers_authority_and_path: both.
        covers_query: `@query`.
        covers_digest: the whole `content-digest` field.
        covers_all: `@method`, `@target-uri` and `content-digest`: enough for any request.
    """

    text: str
    components: tuple[Component, ...]
    covered: tuple[str, ...]
    lines: tuple[tuple[str, str, Component | None], ...]
    covers_method: bool
    covers_uri: bool
    covers_authority_and_path: bool
    covers_query: bool
    covers_digest: bool
    covers_all: bool


def _malformed(detail: str) -> Refused:
    return Refused(RefusalCode.SIGNATURE_MALFORMED, detail)


def _derived(item: Item, name: str, identifier: str) -> Component | Refused:
    if name in {"@status", "@signature-params"}:
        return _malformed(f"{name} cannot be covered by the signature of a request.")
    if name not in DERIVED:
        return _malformed(f"{name[:64]} is not a derived component that we know.")
    params = dict(item.params)
    key: str | None = None
    if name == "@query-param":
        value = params.pop("name", None)
        if type(value) is not str:
            return _malformed('@query-param needs the parameter name="...".')
        key = value
    if params:
        return _malformed(f"{name} cannot have the parameter {next(iter(params))[:64]}.")
    return Component(name, identifier, key)


def _field(item: Item, name: str, identifier: str) -> Component | Refused:
    key: str | None = None
    for param, value in item.params.items():
        if param == "key":
            if type(value) is not str:
                return _malformed(f"The parameter key of {name[:64]} must be a string.")
            key = value
        elif param not in _FLAGS:
            return _malformed(f"{name[:64]} cannot have the parameter {param[:64]} in the signature of a request.")
        elif value is not True:
            return _malformed(f"The parameter {param} of {name[:64]} is a flag and has no value.")
    strict, wrapped = "sf" in item.params, "bs" in item.params
    if wrapped and (strict or key is not None):
        return _malformed(f"{name[:64]} cannot have the parameter bs together with sf or key.")
    return Component(name, identifier, key, strict, wrapped)


def _component(item: Item) -> Component | Refused:
    name = item.value
    if type(name) is not str:
        return _malformed("Every covered component must be a quoted string.")
    # RFC 9421 sections 2.4 and 2.1.4: of a request alone, there is no related request and no trailer to sign.
    for param in ("req", "tr"):
        if param in item.params:
            return _malformed(f"{name[:64]} cannot have the parameter {param} in the signature of a request.")
    identifier = serialise_member(item)
    if name.startswith("@"):
        return _derived(item, name, identifier)
    if not _FIELD_NAME.fullmatch(name):
        return _malformed(f"A covered component is not a field name in lower case: {name[:64]!a}.")
    return _field(item, name, identifier)


def _lines(components: Sequence[Component]) -> tuple[tuple[str, str, Component | None], ...]:
    lines: list[tuple[str, str, Component | None]] = []
    for component in components:
        start = f"\n{component.identifier}: " if lines else f"{component.identifier}: "
        is_ordinary = component.is_plain and (component.name in _ORDINARY or not component.name.startswith("@"))
        lines.append((start, component.name, None if is_ordinary else component))
    return tuple(lines)


def _plan(text: str, components: tuple[Component, ...]) -> Plan:
    plain = {component.name for component in components if component.is_plain}
    return Plan(
        text=text,
        components=components,
        covered=tuple(component.label for component in components),
        lines=_lines(components),
        covers_method="@method" in plain,
        covers_uri="@target-uri" in plain,
        covers_authority_and_path={"@authority", "@path"} <= plain,
        covers_query="@query" in plain,
        covers_digest="content-digest" in plain,
        covers_all={"@method", "@target-uri", "content-digest"} <= plain,
    )


# Bounded, and keyed by text that is bounded itself: a client that never repeats itself only loses the
# shortcut.
@lru_cache(maxsize=256)
def plan_for(text: str) -> Plan | Refused:
    """Read a component list.

    Args:
        text: the list with its parentheses, without the signature's parameters.

    Returns:
        What to gather and what that covers, or why the list cannot be read.

    Source: RFC 9421 sections 2 and 2.3.
    """
    try:
        inner = parse_inner_list(text)
    except StructuredFieldError as error:
        return _malformed(f"The list of covered components cannot be read: {error}.")
    components: list[Component] = []
    seen: set[tuple[object, frozenset[tuple[str, object]]]] = set()
    for item in inner.items:
        component = _component(item)
        if isinstance(component, Refused):
            return component
        # RFC 9421 section 2: an identifier is its name and its parameters, whatever their order.
        identity = (item.value, frozenset(item.params.items()))
        if identity in seen:
            return _malformed(f"The component {component.identifier[:128]} is covered twice.")
        seen.add(identity)
        components.append(component)
    return _plan(serialise_items(inner.items), tuple(components))
