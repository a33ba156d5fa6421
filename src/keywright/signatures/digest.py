"""The digest of a request's content (RFC 9530)."""

from __future__ import annotations

import binascii
import hashlib
import re

from keywright.errors import RefusalCode, Refused
from keywright.signatures.structured_fields import Item, StructuredFieldError, serialise_bytes
from keywright.signatures.structured_fields_parser import parse_dictionary

_SHA_256_START = "sha-256=:"
_SHA_256_LENGTH = len(_SHA_256_START) + 44 + 1
# One digest that we trust, its base64 in the one canonical spelling: what the general reader takes, too.
_ORDINARY_FORM = re.compile(
    r"sha-256=:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=:|sha-512=:[A-Za-z0-9+/]{85}[AQgw]==:", re.ASCII
)


def _hash(algorithm: str, body: bytes) -> bytes | None:
    if algorithm == "sha-256":
        return hashlib.sha256(body).digest()
    if algorithm == "sha-512":
        return hashlib.sha512(body).digest()
    return None


def _mismatch(detail: str) -> Refused:
    return Refused(RefusalCode.DIGEST_MISMATCH, detail)


def content_digest(body: bytes, algorithm: str = "sha-256") -> str:
    """Make a `Content-Digest` value.

    Args:
        body: the content as it is sent.
        algorithm: `sha-256` or `sha-512`.

    Returns:
        The field's value.

    Raises:
        ValueError: another algorithm.

    Source: RFC 9530 section 2.
    """
    digest = _hash(algorithm, body)
    if digest is None:
        raise ValueError("a content digest is made with sha-256 or sha-512")
    return f"{algorithm}={serialise_bytes(digest)}"


def check_content_digest(value: str, body: bytes) -> Refused | None:
    """Compare a `Content-Digest` field with the content.

    At least one digest must be of an algorithm that we trust, and every such one must match; others are
    passed over.

    Args:
        value: the field's combined value.
        body: the content as it was received.

    Returns:
        None if the content is what was digested, else the refusal.

    Source: RFC 9530 sections 2 and 5.
    """
    # The ordinary field is one sha-256 digest: comparing texts spares reading it.
    if len(value) == _SHA_256_LENGTH:
        digest = binascii.b2a_base64(hashlib.sha256(body).digest(), newline=False)
        if value == f"{_SHA_256_START}{digest.decode()}:":
            return None
    return _check_each(value, body)


def check_digest_form(value: str) -> Refused | None:
    """Check a `Content-Digest` field whose content is not seen here: whoever sees it must find a digest to trust.

    Args:
        value: the field's combined value.

    Returns:
        None if it holds a sha-256 or sha-512 digest, else the refusal.

    Source: RFC 9530 sections 2 and 5.
    """
    if _ORDINARY_FORM.fullmatch(value):
        return None
    return _check_each(value, None)


def _check_each(value: str, body: bytes | None) -> Refused | None:
    try:
        members = parse_dictionary(value.strip(" \t"), repeats_refused=True)
    except StructuredFieldError as error:
        return _mismatch(f"Content-Digest cannot be read: {error}.")
    known = False
    for algorithm, member in members.items():
        digest = _hash(algorithm, body or b"")
        if digest is None:
            continue
        known = True
        if not isinstance(member, Item) or not isinstance(member.value, bytes) or len(member.value) != len(digest):
            return _mismatch(f"Content-Digest gives {algorithm} as something else than {len(digest)} bytes.")
        if body is not None and member.value != digest:
            return _mismatch(f"The {algorithm} digest of the body that arrived is not the one in Content-Digest.")
    if not known:
        return _mismatch("Content-Digest has no digest that we trust; send sha-256 or sha-512.")
    return None
