"""The signature base of a request, for people and tools that look for what went wrong."""

from __future__ import annotations

from keywright.errors import Refused
from keywright.signatures.base import base_for_params, build_base
from keywright.signatures.found import FoundSignature
from keywright.signatures.profile import Profile
from keywright.signatures.request import SignedRequest

NOT_SHOWN = "(not shown)"
# Their values come from the client; any other header may be a gateway's own, and a secret between it and the API.
_SHOWN = ('"@', '"content-digest"', '"content-type"')


def shown_base(base: str) -> str:
    """Make a signature base fit to be told to whoever sent the request.

    Args:
        base: as the verifier built it.

    Returns:
        The same, without the values of headers that a hop before the verifier may have added.
    """
    return "\n".join(
        line if line.startswith(_SHOWN) else f"{line.partition(': ')[0]}: {NOT_SHOWN}" for line in base.split("\n")
    )


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
