"""The signature base: the text that is signed (RFC 9421 section 2.5)."""

from __future__ import annotations

from keywright.errors import Refused
from keywright.signatures.components import Plan, plan_for
from keywright.signatures.profile import Profile
from keywright.signatures.request import COMMON_METHODS, SignedRequest, combine_fields, is_method, target_uri
from keywright.signatures.structured_fields import (
    StructuredFieldError,
    serialise_items,
    serialise_params,
)
from keywright.signatures.structured_fields_parser import parse_inner_list
from keywright.signatures.values import clean_value, component_value, malformed, missing_field


def build_base(
    plan: Plan, request: SignedRequest, fields: dict[str, str], params: str, profile: Profile
) -> str | Refused:
    """Build the signature base.

    Args:
        plan: what is covered.
        request: the values' source.
        fields: its header fields, combined, by lower-case name.
        params: the value of `@signature-params`, in strict form.
        profile: bounds of what is read.

    Returns:
        The base, pure ASCII, or why it cannot be built from this request.

    Source: RFC 9421 section 2.5.
    """
    if len(request.url) > profile.max_url_bytes:
        return malformed(f"The request's URL is longer than {profile.max_url_bytes} bytes.")
    max_bytes = profile.max_header_bytes
    parts: list[str] = []
    value: str | Refused | None
    for start, name, component in plan.lines:
        # The ordinary components are gathered right here; a call for each would show in the time per request.
        if component is not None:
            value = component_value(component, request, fields, max_bytes)
        elif name == "@method":
            value = request.method
            if value not in COMMON_METHODS and not is_method(value):
                return malformed("The request's method is not a token.")
        elif name == "@target-uri":
            value = target_uri(request.url)
            if value is None:
                return malformed("The request's URL is not an absolute http or https URL in plain ASCII.")
        else:
            value = fields.get(name)
            if value is None:
                return missing_field(name)
            # Printable ASCII without outer space needs no cleaning; the long way judges tabs and all the rest.
            if len(value) > max_bytes or not (value.isascii() and value.isprintable()) or value.strip() != value:
                value = clean_value(name, request, max_bytes)
        if isinstance(value, Refused):
            return value
        parts += (start, value)
    parts += ('\n"@signature-params": ' if parts else '"@signature-params": ', params)
    base = "".join(parts)
    if len(base) > profile.max_base_bytes:
        return malformed(f"The signature covers more than {profile.max_base_bytes} bytes.")
    return base


def base_for_params(request: SignedRequest, params: str, profile: Profile) -> str | Refused:
    """Build the signature base that a `@signature-params` value asks for.

    Args:
        request: the values' source.
        params: component list and parameters, as after the label in `Signature-Input`.
        profile: bounds of what is read.

    Returns:
        The base, or why it cannot be built.

    Source: RFC 9421 section 2.5.
    """
    try:
        inner = parse_inner_list(params)
    except StructuredFieldError as error:
        return malformed(f"The signature parameters cannot be read: {error}.")
    plan = plan_for(serialise_items(inner.items))
    if isinstance(plan, Refused):
        return plan
    strict = plan.text + serialise_params(inner.params)
    return build_base(plan, request, combine_fields(request.headers), strict, profile)
