"""Read a JSON body into a typed value, or name every fault in it at once."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from keywright.errors import Fault, InvalidRequest

StructT = TypeVar("StructT", bound=msgspec.Struct)

_AT_PATH = re.compile(r" - at `\$([^`]*)`\Z")


def read_input(raw: bytes, kind: type[StructT]) -> StructT:
    """Read a JSON object.

    Args:
        raw: the body as received.
        kind: the msgspec structure it must have; it must forbid unknown fields.

    Returns:
        The value.

    Raises:
        InvalidRequest: with every fault: what is unreadable, missing, unknown, or of a wrong kind.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError:
        raise InvalidRequest(_faults(raw, kind)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest([Fault("", _unreadable(raw, error))]) from None


def _faults(raw: bytes, kind: type[msgspec.Struct]) -> list[Fault]:
    value = msgspec.json.decode(raw)
    if not isinstance(value, dict):
        return [Fault("", "the body must be a JSON object, in braces")]
    known = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    faults = [
        Fault(name, "is not a field of this call; it takes " + ", ".join(known)) for name in value if name not in known
    ]
    for name, field in known.items():
        if name not in value:
            if field.required:
                faults.append(Fault(name, "is missing"))
            continue
        try:
            msgspec.convert(value[name], type=field.type)
        except msgspec.ValidationError as error:
            faults.append(_fault(name, error, field.type))
    return faults or [Fault("", "the body does not have the form of this call")]


def _fault(name: str, error: msgspec.ValidationError, kind: object) -> Fault:
    text = str(error)
    where = _AT_PATH.search(text)
    if where:
        text = text[: where.start()]
    field = name + (where[1] if where else "")
    hint = next((meta.description for meta in _metas(kind) if meta.description), None)
    return Fault(field, f"must be {hint}" if hint else text[:1].lower() + text[1:])


def _metas(kind: object) -> list[msgspec.Meta]:
    """Every annotation on a type, also inside a union such as `Text | None`."""
    found = [meta for meta in getattr(kind, "__metadata__", ()) if isinstance(meta, msgspec.Meta)]
    for inner in getattr(kind, "__args__", ()):
        found += _metas(inner)
    return found


def _unreadable(raw: bytes, error: Exception) -> str:
    if not raw:
        return "the body is empty; this call takes a JSON object"
    if isinstance(error, UnicodeDecodeError):
        return "the body is not valid UTF-8"
    if isinstance(error, RecursionError):
        return "the body is nested too deeply"
    return f"the body is not valid JSON: {error}"
