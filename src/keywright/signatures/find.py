"""Which signature of a request is the one to verify."""

from __future__ import annotations

import re
from collections.abc import Callable

from keywright.errors import RefusalCode, Refused
from keywright.signatures.components import plan_for
from keywright.signatures.found import FoundSignature
from keywright.signatures.ordinary import read_ordinary
from keywright.signatures.profile import Profile
from keywright.signatures.request import SignedRequest, combine_fields
from keywright.signatures.structured_fields import (
    BareItem,
    InnerList,
    Item,
    Member,
    Params,
    StructuredFieldError,
    serialise_items,
    serialise_params,
)
from keywright.signatures.structured_fields_parser import parse_dictionary
from keywright.signatures.values import malformed

_UNSENDABLE = re.compile(r"[^\t -~]")
_NONCE = re.compile(r"[!#-\[\]-~]*")
_INTEGERS = ("created", "expires")
_STRINGS = ("keyid", "nonce", "alg", "tag")


def find_signature(
    request: SignedRequest,
    profile: Profile,
    is_ours: Callable[[str], bool],
    fields: dict[str, str] | None = None,
) -> FoundSignature | Refused:
    """Pick the signature to verify.

    One signature is taken whatever its `keyid`; of several, the one whose `keyid` is ours.

    Args:
        request: the request with all its header lines.
        profile: bounds of what is read.
        is_ours: whether a `keyid` could be one of our Client IDs, judged by its form.
        fields: the request's header fields, combined, by lower-case name, if the caller has them already.

    Returns:
        The signature, not yet verified; or a refusal: `signature_missing`, `signature_malformed`,
        `parameter_missing` (no `keyid`), `signature_ambiguous` (two of ours) or `credential_unknown`
        (several, none of ours).

    Source: RFC 9421 sections 3.2, 4.1 to 4.3.
    """
    headers = request.headers
    if len(headers) > profile.max_header_count:
        return malformed(f"The request has more than {profile.max_header_count} header lines.")
    if fields is None:
        fields = {name.lower(): value for name, value in headers}
        if len(fields) != len(headers):
            fields = combine_fields(headers)
    sent_input = fields.get("signature-input")
    sent_signature = fields.get("signature")
    if sent_input is None or sent_signature is None:
        return _absent(sent_input, sent_signature)
    max_bytes = profile.max_header_bytes
    if len(sent_input) > max_bytes or len(sent_signature) > max_bytes:
        name = "Signature-Input" if len(sent_input) > max_bytes else "Signature"
        return malformed(f"{name} is longer than {max_bytes} bytes.")
    found = read_ordinary(sent_input, sent_signature, fields, profile)
    if found is not None:
        return found
    return read_any(sent_input, sent_signature, fields, profile, is_ours)


def _absent(sent_input: str | None, sent_signature: str | None) -> Refused:
    if sent_input is None and sent_signature is None:
        return Refused(
            RefusalCode.SIGNATURE_MISSING,
            "The request has no Signature-Input and no Signature header; sign it.",
        )
    there, absent = ("Signature", "Signature-Input") if sent_input is None else ("Signature-Input", "Signature")
    return malformed(f"The request has a {there} header but no {absent} header.")


def _read_field(name: str, value: str) -> dict[str, Member] | Refused:
    bad = _UNSENDABLE.search(value)
    if bad is not None:
        what = "a line break" if bad.group() in "\r\n" else "a control or non-ASCII character"
        return malformed(f"{name} holds {what} at character {bad.start() + 1}.")
    try:
        return parse_dictionary(value.strip(" \t"), repeats_refused=True)
    except StructuredFieldError as error:
        return malformed(f"{name} cannot be read: {error}.")


def _pair_up(
    inputs: dict[str, Member], signatures: dict[str, Member], profile: Profile
) -> dict[str, tuple[InnerList, bytes]] | Refused:
    if len(inputs) > profile.max_signatures or len(signatures) > profile.max_signatures:
        return malformed(f"The request has more than {profile.max_signatures} signatures.")
    pairs: dict[str, tuple[InnerList, bytes]] = {}
    for label, inner in inputs.items():
        if not isinstance(inner, InnerList):
            return malformed(f"Signature-Input gives {label[:64]} as something else than a list of components.")
        signature = signatures.get(label)
        if signature is None:
            return malformed(f"{label[:64]} is in Signature-Input but not in Signature.")
        # Parameters there would be unsigned, and nothing defines any.
        if not isinstance(signature, Item) or not isinstance(signature.value, bytes) or signature.params:
            return malformed(f"Signature gives {label[:64]} as something else than a byte sequence.")
        pairs[label] = (inner, signature.value)
    for label in signatures:
        if label not in inputs:
            return malformed(f"{label[:64]} is in Signature but not in Signature-Input.")
    return pairs


def _key_id(inner: InnerList) -> str | None:
    value = inner.params.get("keyid")
    return value if type(value) is str else None


def _choose(pairs: dict[str, tuple[InnerList, bytes]], is_ours: Callable[[str], bool]) -> str | Refused:
    if len(pairs) == 1:
        return next(iter(pairs))
    ours = [label for label, (inner, _) in pairs.items() if (key_id := _key_id(inner)) is not None and is_ours(key_id)]
    if len(ours) > 1:
        return Refused(
            RefusalCode.SIGNATURE_AMBIGUOUS,
            f"{len(ours)} signatures have a Client ID as keyid; send one of ours only.",
        )
    if not ours:
        return Refused(RefusalCode.CREDENTIAL_UNKNOWN, "Of several signatures, none has a Client ID of ours as keyid.")
    return ours[0]


def read_any(
    sent_input: str,
    sent_signature: str,
    fields: dict[str, str],
    profile: Profile,
    is_ours: Callable[[str], bool],
) -> FoundSignature | Refused:
    """Read signatures of any shape and pick one: the general way.

    Args:
        sent_input: the value of `Signature-Input`.
        sent_signature: the value of `Signature`.
        fields: the request's header fields by lower-case name.
        profile: bounds.
        is_ours: whether a `keyid` could be one of our Client IDs.

    Returns:
        The signature or the refusal.

    Source: RFC 9421 sections 3.2, 4.1 to 4.3.
    """
    inputs = _read_field("Signature-Input", sent_input)
    if isinstance(inputs, Refused):
        return inputs
    signatures = _read_field("Signature", sent_signature)
    if isinstance(signatures, Refused):
        return signatures
    pairs = _pair_up(inputs, signatures, profile)
    if isinstance(pairs, Refused):
        return pairs
    if not pairs:
        return Refused(RefusalCode.SIGNATURE_MISSING, "Signature-Input and Signature are empty; sign the request.")
    label = _choose(pairs, is_ours)
    if isinstance(label, Refused):
        return label
    inner, signature = pairs[label]
    return _found(label, inner, signature, fields, profile)


def _fault_in(params: Params) -> Refused | None:
    if "keyid" not in params:
        return Refused(RefusalCode.PARAMETER_MISSING, "The signature has no keyid; set it to the Client ID.")
    for name in _INTEGERS:
        if name in params and type(params[name]) is not int:
            return malformed(f"The parameter {name} must be an integer: seconds since 1970.")
    for name in _STRINGS:
        if name in params and type(params[name]) is not str:
            return malformed(f"The parameter {name} must be a quoted string.")
    if not _NONCE.fullmatch(str(params.get("nonce", ""))):
        return malformed("The nonce may hold visible ASCII characters only, without quote and backslash.")
    return None


def _integer(value: BareItem | None) -> int | None:
    return value if isinstance(value, int) else None


def _string(value: BareItem | None) -> str | None:
    return value if isinstance(value, str) else None


def _found(
    label: str, inner: InnerList, signature: bytes, fields: dict[str, str], profile: Profile
) -> FoundSignature | Refused:
    params = inner.params
    fault = _fault_in(params)
    if fault is not None:
        return fault
    if len(inner.items) > profile.max_components:
        return malformed(f"The signature covers more than {profile.max_components} components.")
    plan = plan_for(serialise_items(inner.items))
    if isinstance(plan, Refused):
        return plan
    return FoundSignature(
        label,
        _string(params["keyid"]) or "",
        _integer(params.get("created")),
        _string(params.get("nonce")),
        _integer(params.get("expires")),
        _string(params.get("alg")),
        _string(params.get("tag")),
        plan.text + serialise_params(params),
        signature,
        plan,
        fields,
    )
