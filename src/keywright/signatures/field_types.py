"""Which registered fields are structured, and of which type: needed for `;sf` (RFC 9421 section 2.1.1)."""

from __future__ import annotations

from enum import Enum, auto

from keywright.signatures.structured_fields import (
    StructuredFieldError,
    serialise_dictionary,
    serialise_list,
    serialise_member,
)
from keywright.signatures.structured_fields_parser import parse_dictionary, parse_item, parse_list


class FieldType(Enum):
    """The top-level types of a structured field (RFC 9651 section 3)."""

    DICTIONARY = auto()
    LIST = auto()
    ITEM = auto()


_DICTIONARIES = (
    "accept-signature cdn-cache-control content-digest document-policy integrity-policy "
    "no-vary-search permissions-policy priority repr-digest reporting-endpoints signature "
    "signature-input use-as-dictionary want-content-digest want-repr-digest"
)
_LISTS = (
    "accept-ch accept-query cache-group-invalidation cache-groups cache-status client-cert-chain "
    "proxy-status ratelimit ratelimit-policy sec-ch-ua sec-ch-ua-form-factors "
    "sec-ch-ua-full-version-list"
)
_ITEMS = (
    "available-dictionary capsule-protocol client-cert concealed-auth-export "
    "cross-origin-embedder-policy cross-origin-embedder-policy-report-only "
    "cross-origin-opener-policy cross-origin-opener-policy-report-only deprecation dictionary-id "
    "idempotency-key origin-agent-cluster sec-ch-device-memory sec-ch-dpr "
    "sec-ch-prefers-color-scheme sec-ch-prefers-reduced-motion sec-ch-ua-arch sec-ch-ua-bitness "
    "sec-ch-ua-mobile sec-ch-ua-model sec-ch-ua-platform sec-ch-ua-platform-version sec-ch-ua-wow64 "
    "sec-ch-viewport-width sec-ch-width sec-gpc"
)

FIELD_TYPES: dict[str, FieldType] = {
    name: field_type
    for names, field_type in (
        (_DICTIONARIES, FieldType.DICTIONARY),
        (_LISTS, FieldType.LIST),
        (_ITEMS, FieldType.ITEM),
    )
    for name in names.split()
}


def reserialise(name: str, value: str) -> str:
    """Write a structured field's value in its one strict form.

    A field that is not in the table is read as the first of dictionary, list and item that it fits. The guess
    is
    safe: the three write a value alike wherever two of them can read it, but for a repeated key, of which a
    dictionary keeps only the last; so a guessed dictionary must not repeat one.

    Args:
        name: lower-case field name.
        value: combined field value.

    Returns:
        Its strict serialisation.

    Raises:
        StructuredFieldError: it cannot be read as its type.

    Source: RFC 9421 section 2.1.1; RFC 9651 section 4.
    """
    known = FIELD_TYPES.get(name)
    if known is FieldType.DICTIONARY:
        return serialise_dictionary(parse_dictionary(value))
    if known is FieldType.LIST:
        return serialise_list(parse_list(value))
    if known is FieldType.ITEM:
        return serialise_member(parse_item(value))
    try:
        return serialise_dictionary(parse_dictionary(value, repeats_refused=True))
    except StructuredFieldError:
        # What is left of the three is a list: an item reads, and is written, as a list of one.
        return serialise_list(parse_list(value))


def dictionary_member(value: str, key: str) -> str | None:
    """Write one member of a dictionary field in its strict form, without its key.

    Args:
        value: combined field value.
        key: the member's key.

    Returns:
        Its strict serialisation, or None if the dictionary has no such member.

    Raises:
        StructuredFieldError: the field is not a dictionary.

    Source: RFC 9421 section 2.1.2.
    """
    member = parse_dictionary(value).get(key)
    return None if member is None else serialise_member(member)
