"""A request signed by us, and ways to alter it."""

from __future__ import annotations

from keywright.errors import Refused
from keywright.signatures import (
    ED25519,
    HMAC_SHA256,
    Profile,
    SignedRequest,
    Verified,
    find_signature,
    public_key_of,
    sign_request,
    verify_signature,
)

SEED = bytes(range(32))
KEY_ID = "ck_01234567890123456789abcdef"
OTHER_ID = "ck_zzzzzzzzzzzzzzzzzzzzzzzzzz"
NONCE = "0123456789abcdef"
NOW = 1_763_912_345
PROFILE = Profile()
URL = "https://api.example.com/v1/payments?limit=10"
BODY = b'{"amount": 5}'
HEADERS = (("Host", "api.example.com"), ("Content-Type", "application/json"), ("Content-Length", "13"))
VERIFY_KEYS = {ED25519: public_key_of(SEED), HMAC_SHA256: SEED}


def request(method="POST", url=URL, headers=HEADERS, body=BODY) -> SignedRequest:
    return SignedRequest(method, url, list(headers), body)


def signed(sent: SignedRequest | None = None, algorithm: str = ED25519, **options) -> SignedRequest:
    sent = sent or request()
    options = {"key_id": KEY_ID, "algorithm": algorithm, "key": SEED, "created": NOW, "nonce": NONCE} | options
    added = sign_request(sent, **options)
    return SignedRequest(sent.method, sent.url, [*sent.headers, *added.items()], sent.body)


def with_header(sent: SignedRequest, name: str, value: str | None) -> SignedRequest:
    """The request with that header's lines replaced by one, or removed."""
    headers = [line for line in sent.headers if line[0].lower() != name.lower()]
    if value is not None:
        headers.append((name, value))
    return SignedRequest(sent.method, sent.url, headers, sent.body)


def header(sent: SignedRequest, name: str) -> str:
    return next(value for have, value in sent.headers if have.lower() == name.lower())


def edited(sent: SignedRequest, name: str, old: str, new: str) -> SignedRequest:
    value = header(sent, name)
    assert old in value
    return with_header(sent, name, value.replace(old, new))


def is_ours(key_id: str) -> bool:
    return key_id.startswith("ck_")


def check(
    sent: SignedRequest, algorithm: str = ED25519, now: float = NOW, profile: Profile = PROFILE
) -> Verified | Refused:
    found = find_signature(sent, profile, is_ours)
    if isinstance(found, Refused):
        return found
    return verify_signature(sent, found, algorithm, VERIFY_KEYS[algorithm], profile, now)
