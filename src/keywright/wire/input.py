"""Read a JSON body into a typed value, or name every fault in it at once."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

import msgspec

from keywright.errors import Fault, InvalidRequest

StructT = TypeVar("StructT", bound=msgspec.Struct)

# What a body can hold instead of JSON: nesting or numbers that the decoder gives up on, besides plain nonsense.
_UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)
# Faults are named all at once, but a body of nothing but faults must not be answered by a longer one.
_MOST_FAULTS = 50
_LONGEST_NAME = 100
_AT_PATH = re.compile(r" - at `\$([^`]*)`\Z")


def read_input(raw: bytes, kind: type[StructT]) -> StructT:
    """Read a JSON object.

    Args:
        raw: the body as received.
        kind: the msgspec structure it must have; it must forbid unknown fields.

    Returns:
        The value.

    Raises:
        InvalidRequest: with every fault: what is unreadable, missing, unknown, given twice, or of a wrong kind.
    """
    try:
        value = msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError:
        raise InvalidRequest(_faults(raw, kind)) from None
    except _UNREADABLE as error:
        raise InvalidRequest([Fault("", _unreadable(raw, error))]) from None
    if repeated := _repeated(raw):
        raise InvalidRequest(repeated)
    return value


def read_fields(values: dict[str, str], kind: type[StructT]) -> StructT:
    """Read fields of text that came another way than as JSON, such as from a form.

    Args:
        values: the fields that were filled in.
        kind: the msgspec structure that they make.

    Returns:
        The value.

    Raises:
        InvalidRequest: with every fault.
    """
    known = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    if faults := _faults_of_fields(values, known):
        raise InvalidRequest(faults)
    return msgspec.convert(values, type=kind)


def _faults(raw: bytes, kind: type[msgspec.Struct]) -> list[Fault]:
    try:
        # Not before now is the whole of the body read: the typed decoder stops at the first thing it does not like.
        value = msgspec.json.decode(raw)
        repeated = _repeated(raw)
    except _UNREADABLE as error:
        return [Fault("", _unreadable(raw, error))]
    if not isinstance(value, dict):
        return [Fault("", "the body must be a JSON object, in braces")]
    known = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    unknown = [name for name in value if name not in known]
    if len(unknown) > _MOST_FAULTS:
        return [Fault("", f"{len(unknown)} fields are not of this call; it takes " + ", ".join(known))]
    faults = repeated + [
        Fault(name[:_LONGEST_NAME], "is not a field of this call; it takes " + ", ".join(known)) for name in unknown
    ]
    faults += _faults_of_fields(value, known)
    return faults or [Fault("", "the body does not have the form of this call")]


def _faults_of_fields(values: dict[str, Any], known: dict[str, msgspec.structs.FieldInfo]) -> list[Fault]:
    faults = []
    for name, field in known.items():
        if name not in values:
            if field.required:
                faults.append(Fault(name, "is missing"))
            continue
        try:
            msgspec.convert(values[name], type=field.type)
        except msgspec.ValidationError as error:
            faults.append(_fault(name, error, field.type))
    return faults


def _repeated(raw: bytes) -> list[Fault]:
    """Names that an object gives twice (RFC 8259 section 4): which of the two counts would be anyone's guess."""
    twice: dict[str, None] = {}

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for name, inner in pairs:
            if name in value:
                twice[name] = None
            value[name] = inner
        return value

    json.loads(raw, object_pairs_hook=note)
    return [Fault(name[:_LONGEST_NAME], "is there twice") for name in list(twice)[:_MOST_FAULTS]]


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
    if not isinstance(error, msgspec.DecodeError):
        return "the body holds a number that is too long"
    return f"the body is not valid JSON: {error}"
