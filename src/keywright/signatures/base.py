"""The signature base: the text that is signed (RFC 9421 section 2.5)."""

from __future__ import annotations

from keywright.errors import Refused
from keywright.signatures.components import Plan, plan_for
from keywright.signatures.profile import Profile
from keywright.signatures.request import (
    COMMON_METHODS,
    SignedRequest,
    combine_fields,
    is_method,
    split_target,
    target_uri,
)
from keywright.signatures.structured_fields import (
    StructuredFieldError,
    serialise_items,
    serialise_params,
)
from keywright.signatures.structured_fields_parser import parse_inner_list
from keywright.signatures.values import clean_value, derived_value, field_value, malformed, missing_field

_BAD_URL = "The request's URL is not an absolute http or https URL in plain ASCII."


def _add_parts(request: SignedRequest, values: dict[str, str]) -> Refused | None:
    target = split_target(request.url)
    if target is None:
        return malformed(_BAD_URL)
    values["@authority"] = target.authority
    values["@path"] = target.path
    values["@query"] = f"?{target.query or ''}"
    values["@scheme"] = target.scheme
    values["@request-target"] = target.authority if request.method == "CONNECT" else target.request_target
    return None


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
    if plan.template is None:
        return _line_by_line(plan, request, fields, params, profile)
    values = {"@signature-params": params}
    if plan.covers_method:
        values["@method"] = method = request.method
        if method not in COMMON_METHODS and not is_method(method):
            return malformed("The request's method is not a token.")
    if plan.covers_uri:
        uri = target_uri(request.url)
        if uri is None:
            return malformed(_BAD_URL)
        values["@target-uri"] = uri
    if plan.needs_parts:
        refused = _add_parts(request, values)
        if refused is not None:
            return refused
    for name in plan.field_names:
        value = fields.get(name)
        if value is None:
            return missing_field(name)
        # Printable ASCII without outer space needs no cleaning; the long way judges tabs and all the rest.
        if (
            len(value) > profile.max_header_bytes
            or not (value.isascii() and value.isprintable())
            or value.strip() != value
        ):
            cleaned = clean_value(name, request, profile.max_header_bytes)
            if isinstance(cleaned, Refused):
                return cleaned
            value = cleaned
        values[name] = value
    base = plan.template % plan.gather(values)
    return base if len(base) <= profile.max_base_bytes else _too_long(profile)


def _line_by_line(
    plan: Plan, request: SignedRequest, fields: dict[str, str], params: str, profile: Profile
) -> str | Refused:
    lines: list[str] = []
    size = len(params)
    for component in plan.components:
        value = (
            derived_value(component, request)
            if component.name.startswith("@")
            else field_value(component, request, fields, profile.max_header_bytes)
        )
        if isinstance(value, Refused):
            return value
        size += len(value)
        if size > profile.max_base_bytes:
            return _too_long(profile)
        lines.append(f"{component.identifier}: {value}\n")
    lines.append(f'"@signature-params": {params}')
    base = "".join(lines)
    return base if len(base) <= profile.max_base_bytes else _too_long(profile)


def _too_long(profile: Profile) -> Refused:
    return malformed(f"The signature covers more than {profile.max_base_bytes} bytes.")


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
