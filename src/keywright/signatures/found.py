"""The signature that was picked out of a request, not yet verified."""

from __future__ import annotations

from dataclasses import dataclass, field

from keywright.signatures.components import Plan


@dataclass(slots=True)
class FoundSignature:
    """A signature as it was sent; nothing in it can be trusted yet.

    Args:
        label: its key in both headers.
        key_id: `keyid`: the Client ID, as claimed.
        created: seconds since the epoch; None if absent.
        nonce: None if absent.
        expires: seconds since the epoch; None if absent.
        alg: None if absent.
        tag: None if absent.
        params: component list and parameters in strict form: the value of `@signature-params`.
        signature: the signature's bytes, of any length.
        plan: what it covers.
        fields: the request's header fields, combined, by lower-case name: scanned once, used again on
            verifying.
    """

    label: str
    key_id: str
    created: int | None
    nonce: str | None
    expires: int | None
    alg: str | None
    tag: str | None
    params: str
    signature: bytes
    plan: Plan
    fields: dict[str, str] = field(repr=False, compare=False)

    @property
    def components(self) -> tuple[str, ...]:
        """The covered components: names, or whole identifiers where they have parameters."""
        return self.plan.covered
