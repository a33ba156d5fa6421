"""The strict profile: what a signature must say and cover, and how much of a request is read at all."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """Bounds of what is accepted. The defaults are the product's promise; change them knowingly.

    Sizes are checked before anything is parsed. Characters are bytes here, since all of it must be ASCII.

    Args:
        max_age_seconds: how old a signature may be.
        max_ahead_seconds: how far a signer's clock may run ahead of ours.
        nonce_min_characters: a shorter nonce can be guessed or collide.
        nonce_max_characters: a longer one only fills the nonce store.
        max_header_count: header lines of a request.
        max_header_bytes: any one field that is read: the signature fields and those that are covered.
        max_url_bytes: the absolute URL.
        max_base_bytes: the signature base, so all that is covered together.
        max_signatures: signatures in one request.
        max_components: components that one signature covers.
    """

    max_age_seconds: int = 300
    max_ahead_seconds: int = 30
    nonce_min_characters: int = 16
    nonce_max_characters: int = 64
    max_header_count: int = 128
    max_header_bytes: int = 16_384
    max_url_bytes: int = 8_192
    max_base_bytes: int = 65_536
    max_signatures: int = 8
    max_components: int = 32
