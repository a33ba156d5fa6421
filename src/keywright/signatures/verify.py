"""Is this signature genuine, fresh and wide enough? The checks, in the order in which they are made."""

from __future__ import annotations

from dataclasses import dataclass

from keywright.errors import RefusalCode, Refused
from keywright.signatures.algorithms import verify_bytes
from keywright.signatures.base import build_base
from keywright.signatures.digest import check_content_digest, check_digest_form
from keywright.signatures.explain import shown_base
from keywright.signatures.found import FoundSignature
from keywright.signatures.profile import Profile
from keywright.signatures.request import SignedRequest, usually_has_body
from keywright.signatures.values import malformed


@dataclass(slots=True)
class Verified:
    """A signature that holds. Whether its nonce was used before is for the caller to ask.

    Args:
        key_id: the Client ID.
        created: seconds since the epoch.
        nonce: the signer's.
        covered: names of what is signed, whole identifiers where they have parameters.
        body_verified: the body was seen and is the signed one, or is known to be empty.
    """

    key_id: str
    created: int
    nonce: str
    covered: tuple[str, ...]
    body_verified: bool


def verify_signature(  # noqa: PLR0917 - called once per request, where keywords cost time
    request: SignedRequest, found: FoundSignature, algorithm: str, key: bytes, profile: Profile, now: float
) -> Verified | Refused:
    """Verify a signature against the strict profile.

    Args:
        request: the request that `found` was found in.
        found: from `find_signature`.
        algorithm: the credential's, never the message's: `ed25519` or `hmac-sha256`.
        key: the Ed25519 public key or the MAC key, 32 bytes.
        profile: the strict profile.
        now: seconds since the epoch.

    Returns:
        What holds; or the first refusal of: `parameter_missing`, `signature_malformed`,
        `coverage_insufficient`, `algorithm_mismatch`, `signature_too_old`, `signature_in_future`,
        `signature_expired`, `signature_malformed`, `signature_invalid`, `digest_mismatch`.

    Raises:
        ValueError: algorithm or key are none: our fault, not the request's.

    Source: RFC 9421 sections 3.2 and 3.2.1; RFC 9530 section 2.
    """
    created, nonce = found.created, found.nonce
    if created is None or nonce is None:
        name = "created" if created is None else "nonce"
        return Refused(RefusalCode.PARAMETER_MISSING, f"The signature has no {name} parameter.")
    if not profile.nonce_min_characters <= len(nonce) <= profile.nonce_max_characters:
        return malformed(
            f"The nonce has {len(nonce)} characters; it needs {profile.nonce_min_characters} "
            f"to {profile.nonce_max_characters}."
        )
    plan, fields, body = found.plan, found.fields, request.body
    if not plan.covers_all:
        refused = _lacking(request, found)
        if refused is not None:
            return refused
    if found.alg is not None and found.alg != algorithm:
        return Refused(
            RefusalCode.ALGORITHM_MISMATCH,
            f"The signature says alg={found.alg[:32]!a}, but this API key is for {algorithm}. Leave alg out.",
        )
    age_seconds = now - created
    if not -profile.max_ahead_seconds <= age_seconds <= profile.max_age_seconds or found.expires is not None:
        refused = _untimely(created, found.expires, now, profile)
        if refused is not None:
            return refused
    base = build_base(plan, request, fields, found.params, profile)
    if isinstance(base, Refused):
        return base
    if not verify_bytes(algorithm, key, base.encode("ascii"), found.signature):
        return Refused(
            RefusalCode.SIGNATURE_INVALID,
            "The signature was made with another secret, or something that it covers was changed on the way.",
            shown_base(base),
        )
    if plan.covers_digest:
        sent = fields["content-digest"]
        refused = check_digest_form(sent) if body is None else check_content_digest(sent, body)
        if refused is not None:
            return refused
    return Verified(found.key_id, created, nonce, plan.covered, body is not None)


def _lacking(request: SignedRequest, found: FoundSignature) -> Refused | None:
    plan = found.plan
    if not plan.covers_method:
        return _insufficient("@method")
    if not plan.covers_uri:
        if not plan.covers_authority_and_path:
            return _insufficient("@target-uri (or @authority, @path and, with a query, @query)")
        if not plan.covers_query and "?" in request.url:
            return _insufficient("@query (or @target-uri), since the URL has a query")
    if not plan.covers_digest and _may_have_body(request, found.fields):
        reason = "has a body" if request.body is not None else "may have a body, which is not seen here"
        return _insufficient(f"content-digest, the whole field, since the request {reason}")
    return None


def _insufficient(what: str) -> Refused:
    return Refused(RefusalCode.COVERAGE_INSUFFICIENT, f"The signature must cover {what}.")


def _may_have_body(request: SignedRequest, fields: dict[str, str]) -> bool:
    """Whether there is a body, or we cannot rule one out (RFC 9112 section 6.3)."""
    if request.body is not None:
        return request.body != b""
    length = fields.get("content-length")
    if "transfer-encoding" in fields or "content-digest" in fields:
        return True
    # HTTP/2 and gateways' subrequests carry no length, so its absence proves nothing.
    return usually_has_body(request.method) if length is None else length.strip(" \t") != "0"


def _untimely(created: int, expires: int | None, now: float, profile: Profile) -> Refused | None:
    if now - created > profile.max_age_seconds:
        return Refused(
            RefusalCode.SIGNATURE_TOO_OLD,
            f"The signature was made {int(now - created)} s ago; at most {profile.max_age_seconds} s are "
            "allowed. Sign each request anew, and check the signer's clock.",
        )
    if created - now > profile.max_ahead_seconds:
        return Refused(
            RefusalCode.SIGNATURE_IN_FUTURE,
            f"The signature was made {int(created - now)} s ahead of our clock; at most "
            f"{profile.max_ahead_seconds} s are allowed. Check the signer's clock.",
        )
    if expires is not None:
        if expires < created:
            return malformed("The signature expires before it was created.")
        if now > expires:
            return Refused(RefusalCode.SIGNATURE_EXPIRED, f"The signature expired {int(now - expires)} s ago.")
    return None
