"""Telling a client how to sign: the `Accept-Signature` header of a 401."""

from __future__ import annotations

from keywright.signatures.structured_fields import serialise_string


def accept_signature(*, body_expected: bool = True, tag: str | None = None, label: str = "sig1") -> str:
    """Describe the signature that the strict profile asks for.

    Only what the RFC lets a server ask for can be said here: `keyid` and `nonce` are the client's to choose,
    and naming them would ask for one particular value. The problem document beside it says the rest.

    Args:
        body_expected: the next request has a body, so `content-digest` must be covered.
        tag: the `tag` to sign with, if one is asked for.
        label: the signature's key in both headers.

    Returns:
        The header's value.

    Raises:
        ValueError: the tag is not printable ASCII.

    Source: RFC 9421 section 5.1.
    """
    components = '"@method" "@target-uri"' + (' "content-digest"' if body_expected else "")
    return f"{label}=({components});created" + ("" if tag is None else f";tag={serialise_string(tag)}")
