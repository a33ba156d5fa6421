"""Keywright for those who sign requests: a credential, a signer, and auth objects for the usual HTTP clients."""

from keywright._version import __version__
from keywright.sdk import (
    Credential,
    RequestsAuth,
    RequestsTokenAuth,
    SignatureAuth,
    TokenAuth,
    TokenError,
    sign,
)

__all__ = [
    "Credential",
    "RequestsAuth",
    "RequestsTokenAuth",
    "SignatureAuth",
    "TokenAuth",
    "TokenError",
    "__version__",
    "sign",
]
