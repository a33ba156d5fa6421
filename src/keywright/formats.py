"""The shapes of Client ID and Client Secret, and of our other identifiers.

A Client ID is `ck_` and 26 characters of lower-case Crockford base32: 24 of them random (120 bits), the last two a
10-bit checksum (the low bits of the CRC-32 of all that precedes), so that a made-up ID is refused without a look into
the database.

A Client Secret is `cs_live_` or `cs_sandbox_`, 64 hex digits (32 bytes), and 8 hex digits of CRC-32 over all that
precedes, so that a secret scanner knows a real leak from an accident.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

CLIENT_ID_PREFIX = "ck_"
SECRET_BYTES = 32
# Published so that secret scanners can find leaks; docs/keys.md repeats it.
CLIENT_SECRET_PATTERN = r"cs_(?:live|sandbox)_[0-9a-f]{72}"

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford: without i, l, o, u
_CLIENT_ID = re.compile(r"ck_[0-9a-hjkmnp-tv-z]{26}\Z")
_CLIENT_SECRET = re.compile(CLIENT_SECRET_PATTERN + r"\Z")

RandomBytes = Callable[[int], bytes]


def _crockford(number: int, length: int) -> str:
    return "".join(_ALPHABET[(number >> (5 * index)) & 31] for index in reversed(range(length)))


def new_client_id(random_bytes: RandomBytes) -> str:
    """Make a Client ID.

    Args:
        random_bytes: gives that many unpredictable bytes.

    Returns:
        The ID, checksum included.
    """
    body = CLIENT_ID_PREFIX + _crockford(int.from_bytes(random_bytes(15), "big"), 24)
    return body + _client_id_checksum(body)


def _client_id_checksum(body: str) -> str:
    return _crockford(zlib.crc32(body.encode("ascii")) & 1023, 2)


def is_client_id(text: str) -> bool:
    """Tell whether a text could be a Client ID: its form and checksum are right.

    Args:
        text: anything.

    Returns:
        Whether it is worth looking up.
    """
    return _CLIENT_ID.match(text) is not None and text[-2:] == _client_id_checksum(text[:-2])


def new_identifier(prefix: str, random_bytes: RandomBytes) -> str:
    """Make an identifier for anything but a key, such as an account.

    Args:
        prefix: tells the kind, without the underscore: `acc`, `usr`.
        random_bytes: gives that many unpredictable bytes.

    Returns:
        The prefix, an underscore and 100 random bits.
    """
    return f"{prefix}_{_crockford(int.from_bytes(random_bytes(13), 'big'), 20)}"


def format_client_secret(secret: bytes, environment: str) -> str:
    """Write 32 secret bytes as a Client Secret.

    Args:
        secret: 32 bytes: an Ed25519 seed or an HMAC key.
        environment: `live` or `sandbox`.

    Returns:
        The Client Secret, checksum included.

    Raises:
        ValueError: the bytes are not 32.
    """
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a Client Secret holds {SECRET_BYTES} bytes, not {len(secret)}")
    body = f"cs_{environment}_{secret.hex()}"
    return body + f"{zlib.crc32(body.encode('ascii')):08x}"


def parse_client_secret(text: str) -> bytes:
    """Read the 32 secret bytes out of a Client Secret.

    Args:
        text: the Client Secret as it was shown.

    Returns:
        The 32 bytes.

    Raises:
        ValueError: the form or the checksum is wrong; the message says which and never holds the text.
    """
    if not _CLIENT_SECRET.match(text):
        raise ValueError(
            "this is not a Client Secret: it is cs_live_ or cs_sandbox_ and 72 hex digits, without spaces or line ends"
        )
    body, checksum = text[:-8], text[-8:]
    if f"{zlib.crc32(body.encode('ascii')):08x}" != checksum:
        raise ValueError("this Client Secret is damaged: its checksum does not fit, so a character was lost or changed")
    return bytes.fromhex(body.rpartition("_")[2])
