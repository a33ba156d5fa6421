"""JWTs with which clients say who they are: `private_key_jwt`.

An assertion lives no longer than a signature does, and is remembered in the same memory: whatever it says
of its own end, it is refused once it is older than `max_age_seconds`, and before that it works once.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from keywright.tokens.compact import CompactToken, read_compact

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_MAX_CHARACTERS = 4096
_MAX_JTI_CHARACTERS = 256
# Another kind of JWT that the same secret signs for another purpose must not serve as this one (RFC 8725 section 3.11).
_TYPES = (None, "JWT", "jwt", "client-authentication+jwt")

# Client ID, jti, when it was made, when the key was made, now, and whether the first of these times was reckoned from
# its end: whether this is its first use. Times in seconds.
IsFirstUse = Callable[[str, str, int, float, float, bool], Awaitable[bool]]


# Seconds since 1970 with or without a fraction (RFC 7519 section 2), up to some thousands of years.
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e11)]


class _Claims(msgspec.Struct):
    iss: str
    sub: str
    aud: str | list[str]
    exp: _Seconds
    jti: str
    iat: _Seconds | None = None
    nbf: _Seconds | None = None


@dataclass(frozen=True, slots=True)
class ReadAssertion:
    """An assertion taken apart; nothing of it is proved.

    Args:
        token: header and signature.
        client_id: who it says it is.
        subject: for whom it says it speaks.
        audience: to whom it speaks.
        expires_at: seconds since 1970 UTC.
        issued_at: seconds since 1970 UTC, if it tells.
        not_before: seconds since 1970 UTC, if it tells.
        jti: its own identifier.
    """

    token: CompactToken = field(repr=False)
    client_id: str
    subject: str
    audience: tuple[str, ...]
    expires_at: float
    issued_at: float | None
    not_before: float | None
    jti: str


@dataclass(frozen=True, slots=True)
class AssertionRules:
    """What an assertion must say.

    Args:
        audiences: the issuer and the addresses of the token endpoint; one of them must be named.
        max_age_seconds: how old it may be.
        max_ahead_seconds: how far the client's clock may be ahead.
    """

    audiences: frozenset[str]
    max_age_seconds: int
    max_ahead_seconds: int

    def created(self, assertion: ReadAssertion) -> int:
        """Tell when an assertion was made, seconds since 1970 UTC: as it says, or so that its end is its oldest age."""
        if assertion.issued_at is not None:
            return int(assertion.issued_at)
        return int(assertion.expires_at) - self.max_age_seconds


def read_assertion(text: str) -> ReadAssertion | None:
    """Take an assertion apart.

    Args:
        text: as sent.

    Returns:
        Its parts, or None if it is no assertion, or lacks what one needs.

    Source: RFC 7523 section 3.
    """
    token = read_compact(text, max_characters=_MAX_CHARACTERS)
    if token is None or token.header.get("typ") not in _TYPES:
        return None
    try:
        claims = msgspec.json.decode(token.payload, type=_Claims)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return ReadAssertion(
        token=token,
        client_id=claims.iss,
        subject=claims.sub,
        audience=(claims.aud,) if isinstance(claims.aud, str) else tuple(claims.aud),
        expires_at=claims.exp,
        issued_at=claims.iat,
        not_before=claims.nbf,
        jti=claims.jti,
    )


def assertion_fault(assertion: ReadAssertion, rules: AssertionRules, now: float) -> str | None:
    """Find what is wrong with an assertion whose signature holds.

    Args:
        assertion: the assertion.
        rules: what it must say.
        now: seconds since 1970 UTC.

    Returns:
        What to mend, or None.

    Source: RFC 7523 section 3.
    """
    if assertion.subject != assertion.client_id:
        return "the client assertion's iss and sub differ; both must be the Client ID"
    if not rules.audiences.intersection(assertion.audience):
        return "the client assertion's aud must be the issuer or the address of the token endpoint, as the metadata say"
    if not 1 <= len(assertion.jti) <= _MAX_JTI_CHARACTERS:
        return f"the client assertion's jti must have 1 to {_MAX_JTI_CHARACTERS} characters, others in each assertion"
    if now >= assertion.expires_at:
        return "the client assertion has expired; make a new one for each request, and check the clock"
    ahead = now + rules.max_ahead_seconds
    if assertion.not_before is not None and assertion.not_before > ahead:
        return "the client assertion's nbf is in the future; check the clock"
    created = rules.created(assertion)
    if created > ahead and assertion.issued_at is not None:
        return "the client assertion's iat is in the future; check the clock"
    if created > ahead:
        most = rules.max_age_seconds + rules.max_ahead_seconds
        return f"the client assertion's exp is too far ahead; at most {most} s are allowed, or say iat as well"
    if now - created > rules.max_age_seconds:
        return f"the client assertion is older than {rules.max_age_seconds} s; make a new one for each request"
    return None


def nonce_of(jti: str) -> str:
    """Name an assertion for the memory of nonces, as no nonce of a signed request can be named.

    Args:
        jti: the assertion's identifier, of any characters.

    Returns:
        A text of one length.
    """
    digest = hashlib.sha256(jti.encode("utf-8", "surrogatepass")).digest()
    return " jti " + base64.b64encode(digest).decode()  # a nonce holds no space
