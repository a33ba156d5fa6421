"""HTTP Message Signatures (RFC 9421) and Content-Digest (RFC 9530) as pure functions.

Bytes and a time in, a value out: nothing here reads a clock, a file or the network. A request that does not
hold up yields a `Refused`; an exception means that the caller made a mistake.
"""

from keywright.signatures.accept import accept_signature
from keywright.signatures.algorithms import ALGORITHMS, ED25519, HMAC_SHA256, public_key_of, verify_bytes
from keywright.signatures.digest import check_content_digest, content_digest
from keywright.signatures.explain import NOT_SHOWN, signature_base
from keywright.signatures.find import find_signature
from keywright.signatures.found import FoundSignature
from keywright.signatures.profile import Profile
from keywright.signatures.request import SignedRequest, decode_fields, usually_has_body
from keywright.signatures.sign import sign_request
from keywright.signatures.verify import Verified, verify_signature

__all__ = [
    "ALGORITHMS",
    "ED25519",
    "HMAC_SHA256",
    "NOT_SHOWN",
    "FoundSignature",
    "Profile",
    "SignedRequest",
    "Verified",
    "accept_signature",
    "check_content_digest",
    "content_digest",
    "decode_fields",
    "find_signature",
    "public_key_of",
    "sign_request",
    "signature_base",
    "usually_has_body",
    "verify_bytes",
    "verify_signature",
]
