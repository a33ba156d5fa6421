"""The signature base of a request, for people and tools that look for what went wrong."""

from __future__ import annotations

from keywright.errors import Refused
from keywright.signatures.base import base_for_params, build_base
from keywright.signatures.found import FoundSignature
from keywright.signatures.profile import Profile
from keywright.signatures.request import SignedRequest


def signature_base(
    request: SignedRequest, signature: FoundSignature | str, profile: Profile | None = None
) -> str | Refused:
    """Build the text that a signature is made over.

    Args:
        request: the values' source.
        signature: one that was found in the request; or the value of `@signature-params`, such as
            `("@method" "@path");created=1618884473`.
        profile: bounds of what is read; the default profile's if left out.

    Returns:
        The signature base, pure ASCII, lines ended by LF but for the last; or why it cannot be built.

    Source: RFC 9421 section 2.5.
    """
    bounds = profile or Profile()
    if isinstance(signature, str):
        return base_for_params(request, signature, bounds)
    return build_base(signature.plan, request, signature.fields, signature.params, bounds)
