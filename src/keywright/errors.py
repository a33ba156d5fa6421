"""What can go wrong, and what each fault is called outside.

Two kinds, never mixed:

    Refusal (a value)                      a request could be judged and is not let through
    KeywrightError (an exception)          we were asked for something that cannot be done
    ├── Unauthenticated                    nobody we know
    ├── InvalidClient                      no such Client ID with such a secret
    ├── ProofRequired                      known, but must prove again who they are
    ├── Forbidden                          known, but without the role
    ├── NotFound                           absent, or not yours: alike on purpose
    ├── InvalidRequest                     faults in the input, all of them at once
    ├── ApiAccessNotEnabled                the account's door is still closed
    ├── CredentialLimitReached             ten active keys are the most
    ├── LastManager                        every account keeps one
    ├── Conflict                           it collides with what is there
    ├── TooManyRequests                    later
    ├── PayloadTooLarge                    smaller
    └── Unavailable                        we cannot answer truthfully now; try again

Codes are public and stay; HTTP status is each edge's own table, never known here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class RefusalCode(StrEnum):
    """Why a request was refused: the codes of the data plane, in the order in which they are checked."""

    AUTHORIZATION_MISSING = "authorization_missing"
    SIGNATURE_MISSING = "signature_missing"
    SIGNATURE_MALFORMED = "signature_malformed"
    SIGNATURE_AMBIGUOUS = "signature_ambiguous"
    PARAMETER_MISSING = "parameter_missing"
    CREDENTIAL_UNKNOWN = "credential_unknown"
    COVERAGE_INSUFFICIENT = "coverage_insufficient"
    ALGORITHM_MISMATCH = "algorithm_mismatch"
    SIGNATURE_TOO_OLD = "signature_too_old"
    SIGNATURE_IN_FUTURE = "signature_in_future"
    SIGNATURE_EXPIRED = "signature_expired"
    SIGNATURE_INVALID = "signature_invalid"
    DIGEST_MISMATCH = "digest_mismatch"
    API_ACCESS_DISABLED = "api_access_disabled"
    NONCE_UNPROVABLE = "nonce_unprovable"
    NONCE_REPLAYED = "nonce_replayed"
    TOKEN_INVALID = "token_invalid"
    TOKEN_EXPIRED = "token_expired"


REFUSAL_TITLES: dict[RefusalCode, str] = {
    RefusalCode.AUTHORIZATION_MISSING: "The request carries no credentials",
    RefusalCode.SIGNATURE_MISSING: "The request is not signed",
    RefusalCode.SIGNATURE_MALFORMED: "The signature headers cannot be read",
    RefusalCode.SIGNATURE_AMBIGUOUS: "More than one signature could be meant",
    RefusalCode.PARAMETER_MISSING: "The signature lacks a parameter",
    RefusalCode.CREDENTIAL_UNKNOWN: "No active API key has this Client ID",
    RefusalCode.COVERAGE_INSUFFICIENT: "The signature does not cover enough of the request",
    RefusalCode.ALGORITHM_MISMATCH: "The signature names another algorithm than the API key's",
    RefusalCode.SIGNATURE_TOO_OLD: "The signature is too old",
    RefusalCode.SIGNATURE_IN_FUTURE: "The signature was created in the future",
    RefusalCode.SIGNATURE_EXPIRED: "The signature has expired",
    RefusalCode.SIGNATURE_INVALID: "The signature does not match the request",
    RefusalCode.DIGEST_MISMATCH: "The body does not match its Content-Digest",
    RefusalCode.API_ACCESS_DISABLED: "API access is switched off for this account",
    RefusalCode.NONCE_UNPROVABLE: "It cannot be proved that this signature was not used before",
    RefusalCode.NONCE_REPLAYED: "This signature's nonce was used before",
    RefusalCode.TOKEN_INVALID: "The bearer token is not valid",
    RefusalCode.TOKEN_EXPIRED: "The bearer token has expired",
}


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that was judged and is not let through.

    Args:
        code: the public reason.
        detail: one sentence for the person who signs: what is wrong here and what to change.
            Never holds a secret or anything that helps to forge.
        signature_base: what the signature was checked against, for the person who signs to compare; None where that
            does not help. Values of headers that a hop may have added are left out.
    """

    code: RefusalCode
    detail: str
    signature_base: str | None = field(default=None, compare=False)

    @property
    def title(self) -> str:
        """The code in words, the same for every request refused with it."""
        return REFUSAL_TITLES[self.code]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the input: which field, and what to do about it."""

    field: str
    message: str


class KeywrightError(Exception):
    """We were asked for something that cannot be done.

    Args:
        message: public: says what is wrong and what to do next.
        private: for our logs only.
    """

    code = "internal_error"

    def __init__(self, message: str, *, private: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.private = private


class Unauthenticated(KeywrightError):
    """The caller is nobody we know."""

    code = "unauthenticated"


class InvalidClient(KeywrightError):
    """Client ID and Client Secret are not those of an active key; which of the two it is, is not told."""

    code = "invalid_client"


class ProofRequired(KeywrightError):
    """The caller is known, and proved it too long ago for what they want to do (RFC 9470)."""

    code = "insufficient_user_authentication"


class Forbidden(KeywrightError):
    """The caller is known, and lacks the role."""

    code = "forbidden"


class NotFound(KeywrightError):
    """It does not exist, or is not the caller's: one answer for both, so that nothing can be probed."""

    code = "not_found"


class InvalidRequest(KeywrightError):
    """The input has faults; all of them are listed.

    Args:
        faults: every fault that was found.
    """

    code = "invalid_request"

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(
            "; ".join(f"{fault.field}: {fault.message}" if fault.field else fault.message for fault in faults)
        )
        self.faults = faults


class ApiAccessNotEnabled(KeywrightError):
    """The account's API access is not enabled, so no key can be made."""

    code = "api_access_not_enabled"


class CredentialLimitReached(KeywrightError):
    """The account has as many active keys as it may."""

    code = "credential_limit_reached"


class LastManager(KeywrightError):
    """The change would leave the account without anyone to manage it."""

    code = "last_manager"


class Conflict(KeywrightError):
    """It collides with something that is already there."""

    code = "conflict"


class TooManyRequests(KeywrightError):
    """Too many attempts; come back later.

    Args:
        message: what to do.
        retry_after_seconds: when another attempt is worthwhile.
    """

    code = "too_many_requests"

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class PayloadTooLarge(KeywrightError):
    """The request is larger than we read."""

    code = "payload_too_large"


class Unavailable(KeywrightError):
    """We cannot answer truthfully now.

    Args:
        message: what to do.
        retry_after_seconds: when another attempt is worthwhile.
    """

    code = "unavailable"

    def __init__(self, message: str, *, retry_after_seconds: int = 1, private: str = "") -> None:
        super().__init__(message, private=private)
        self.retry_after_seconds = retry_after_seconds
