"""The value of one covered component, taken from a request."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import parse_qsl, quote

from keywright.errors import RefusalCode, Refused
from keywright.signatures.components import Component
from keywright.signatures.field_types import dictionary_member, reserialise
from keywright.signatures.request import SignedRequest, is_method, split_target
from keywright.signatures.structured_fields import StructuredFieldError, serialise_bytes

# RFC 9421 section 2.5: field content without line folds and without anything beyond ASCII.
_FIELD_VALUE = re.compile(r"[\t -~]*+")
_BREAKS = re.compile(r"[\r\n\0]")


def malformed(detail: str) -> Refused:
    """Refuse because something cannot be read.

    Args:
        detail: what, and what to do.

    Returns:
        The refusal.
    """
    return Refused(RefusalCode.SIGNATURE_MALFORMED, detail)


def missing_field(name: str) -> Refused:
    """Refuse because a covered field is not in the request.

    Args:
        name: the field.

    Returns:
        The refusal.
    """
    return Refused(
        RefusalCode.SIGNATURE_INVALID,
        f"The signature covers the field {name[:64]}, which the request does not carry: it was not "
        "sent, or was removed on the way.",
    )


def clean_value(name: str, request: SignedRequest, max_bytes: int) -> str | Refused:
    """Combine a field's lines, each trimmed, and make sure that the value can stand in a signature base.

    Args:
        name: lower-case name of a field that is there.
        request: where from. Only its lines tell which outer space is a line's own and must go, and which came
            with joining an empty line to another and must stay.
        max_bytes: a longer value is not read.

    Returns:
        The value, or a refusal if it is too long or holds a line break, another control character or non-ASCII
        text.

    Source: RFC 9421 sections 2.1 and 2.5.
    """
    value = ", ".join([line.strip(" \t") for sent, line in request.headers if sent.lower() == name])
    if len(value) > max_bytes:
        return malformed(f"The covered field {name[:64]} is longer than {max_bytes} bytes.")
    if _FIELD_VALUE.fullmatch(value):
        return value
    return malformed(f"The covered field {name[:64]} holds a line break, a control character or non-ASCII text.")


@lru_cache(maxsize=32)
def _query_params(query: str) -> tuple[tuple[str, str], ...]:
    # The form-urlencoded set of RFC 9421 section 2.2.8 escapes "~", which quote() never does.
    return tuple(
        (quote(name, safe="*").replace("~", "%7E"), quote(value, safe="*").replace("~", "%7E"))
        for name, value in parse_qsl(query, keep_blank_values=True)
    )


def _query_param(query: str | None, name: str) -> str | Refused:
    values = [value for key, value in _query_params(query or "") if key == name]
    if not values:
        return Refused(
            RefusalCode.SIGNATURE_INVALID,
            f"The signature covers the query parameter {name[:64]!a}, which the URL does not have.",
        )
    if len(values) > 1:
        return malformed(f"The query parameter {name[:64]!a} is there more than once; cover @query instead.")
    return values[0]


def derived_value(component: Component, request: SignedRequest) -> str | Refused:
    """Derive a component from method and URL.

    Args:
        component: a derived one.
        request: where from.

    Returns:
        The value, or a refusal if the request does not have it.

    Source: RFC 9421 section 2.2.
    """
    name = component.name
    if name == "@method":
        return request.method if is_method(request.method) else malformed("The request's method is not a token.")
    target = split_target(request.url)
    if target is None:
        return malformed("The request's URL is not an absolute http or https URL in plain ASCII.")
    if name == "@query-param":
        return _query_param(target.query, component.key or "")
    return {
        "@target-uri": target.uri,
        "@authority": target.authority,
        "@scheme": target.scheme,
        "@path": target.path,
        "@query": f"?{target.query or ''}",
        "@request-target": target.authority if request.method == "CONNECT" else target.request_target,
    }[name]


def _wrapped_value(name: str, request: SignedRequest) -> str | Refused:
    lines = [value.strip(" \t") for sent, value in request.headers if sent.lower() == name]
    try:
        values = [line.encode("latin-1") for line in lines]
    except UnicodeEncodeError:
        return malformed(f"The covered field {name[:64]} holds a character that no header can carry.")
    if any(_BREAKS.search(line) for line in lines):
        return malformed(f"The covered field {name[:64]} holds a line break or a null.")
    return ", ".join(map(serialise_bytes, values))


def field_value(component: Component, request: SignedRequest, fields: dict[str, str], max_bytes: int) -> str | Refused:
    """Take a header field's value, as plain text or as its parameters ask.

    Args:
        component: a field.
        request: where from, line by line (`;bs` needs the lines).
        fields: the same, combined, by lower-case name.
        max_bytes: a longer field is not read.

    Returns:
        The value, or a refusal if it is absent or cannot be read.

    Source: RFC 9421 section 2.1.
    """
    name = component.name
    value = fields.get(name)
    if value is None:
        return missing_field(name)
    if component.wrapped:
        if len(value) > max_bytes:
            return malformed(f"The covered field {name[:64]} is longer than {max_bytes} bytes.")
        return _wrapped_value(name, request)
    cleaned = clean_value(name, request, max_bytes)
    if isinstance(cleaned, Refused) or component.is_plain:
        return cleaned
    try:
        if component.key is None:
            return reserialise(name, cleaned)
        member = dictionary_member(cleaned, component.key)
    except StructuredFieldError as error:
        # What was signed could be read, or it could not have been signed: so this is not what was signed.
        return Refused(
            RefusalCode.SIGNATURE_INVALID,
            f"The covered field {name[:64]} is no structured field of its type: {error}.",
        )
    if member is None:
        return Refused(
            RefusalCode.SIGNATURE_INVALID,
            f"The signature covers {component.identifier[:128]}, a member that the field does not have.",
        )
    return member


def component_value(
    component: Component, request: SignedRequest, fields: dict[str, str], max_bytes: int
) -> str | Refused:
    """Take a component's value, whatever its kind.

    Args:
        component: derived or a field.
        request: where from.
        fields: its header fields, combined, by lower-case name.
        max_bytes: a longer field is not read.

    Returns:
        The value, or a refusal.

    Source: RFC 9421 section 2.
    """
    if component.name.startswith("@"):
        return derived_value(component, request)
    return field_value(component, request, fields, max_bytes)
