"""The file with the keys that sign access tokens: outside of the database, for its owner only, like the keyring."""

from __future__ import annotations

import base64
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import structlog

from keywright.errors import Unavailable
from keywright.formats import RandomBytes
from keywright.tokens.signing_keys import SigningKey, SigningKeys

_SEED_BYTES = 32
_log = structlog.get_logger("keywright.tokens")


class SigningKeyFile:
    """The signing keys of a running process, read anew when their file was changed: a new key needs no restart.

    Args:
        file: where they are.
        random_bytes: makes the first key where there is no file.
        now: seconds since 1970 UTC.

    Raises:
        Unavailable: the file cannot be read or made.
    """

    def __init__(self, file: Path, random_bytes: RandomBytes, now: float) -> None:
        self._file = file
        self._keys = load_or_create_signing_keys(file, random_bytes, now)
        self._seen = _identity(file)

    def keys(self) -> SigningKeys:
        """Return the keys as the file has them now.

        While it cannot be read, the keys that were known go on: tokens of theirs are as good as before.
        """
        identity = _identity(self._file)
        if identity != self._seen:
            try:
                self._keys = _read(self._file)
            except Unavailable as error:
                _log.error("token_keys_unreadable", reason=error.message)
            # Also after a fault, or it would be logged for every token; a mended file is another one.
            self._seen = identity
        return self._keys


def load_or_create_signing_keys(file: Path, random_bytes: RandomBytes, now: float) -> SigningKeys:
    """Read the keys, or make a file with a first one, which signs at once.

    Args:
        file: where they are.
        random_bytes: makes the first key.
        now: seconds since 1970 UTC.

    Returns:
        The keys.

    Raises:
        Unavailable: they cannot be read or written, or others may read them.
    """
    if not file.exists():
        keys = SigningKeys((SigningKey(random_bytes(_SEED_BYTES), int(now)),))
        try:
            _write(file, keys, replace=False)
        except FileExistsError:
            pass  # another process was first: its keys are the ones
        else:
            return keys
    return _read(file)


def add_signing_key(file: Path, random_bytes: RandomBytes, now: float, *, lead_seconds: int) -> SigningKeys:
    """Publish a new key, which signs after a while; drop those whose last token has expired.

    Args:
        file: where the keys are.
        random_bytes: makes the key.
        now: seconds since 1970 UTC.
        lead_seconds: how long it is published before it signs.

    Returns:
        All keys.

    Raises:
        Unavailable: the file cannot be read or written.
    """
    old = load_or_create_signing_keys(file, random_bytes, now).published(now)
    # One that waits for its turn would sign after this one: it signs no longer than until this one begins.
    signs_from = max(int(now) + lead_seconds, old[-1].signs_from)
    keys = SigningKeys((*old, SigningKey(random_bytes(_SEED_BYTES), signs_from)))
    _write(file, keys, replace=True)
    return keys


def replace_signing_keys(file: Path, random_bytes: RandomBytes, now: float) -> SigningKeys:
    """Begin anew with one key: every token ends. For the day on which a key was stolen.

    Args:
        file: where the keys are.
        random_bytes: makes the key.
        now: seconds since 1970 UTC.

    Returns:
        The new key alone.

    Raises:
        Unavailable: the file cannot be written.
    """
    keys = SigningKeys((SigningKey(random_bytes(_SEED_BYTES), int(now)),))
    _write(file, keys, replace=True)
    return keys


def _identity(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _read(file: Path) -> SigningKeys:
    try:
        if file.stat().st_mode & 0o077:
            raise Unavailable(f"others can read the token keys {file}; allow their owner only: chmod 600 {file}")
        document = json.loads(file.read_text("utf-8"))
        keys = tuple(_key(each) for each in document["keys"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unavailable(
            f"the token keys {file} cannot be read ({type(error).__name__}); restore the file, or remove it and"
            " restart: every access token then ends, and clients fetch new ones"
        ) from error
    if not keys or list(keys) != sorted(keys, key=lambda key: key.signs_from):
        raise Unavailable(f"the token keys {file} are damaged; restore the file from its backup")
    return SigningKeys(keys)


def _key(document: dict[str, Any]) -> SigningKey:
    return SigningKey(base64.b64decode(document["seed"], validate=True), int(document["signsFrom"]))


def _write(file: Path, keys: SigningKeys, *, replace: bool) -> None:
    document = {
        "keys": [
            {"kid": key.key_id, "seed": base64.b64encode(key.seed).decode(), "signsFrom": key.signs_from}
            for key in keys.keys
        ]
    }
    # Written beside and then moved or linked into place: a crash leaves the old file or the new one, never half.
    beside: Path | None = None
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f"{file.name}.")  # for the owner only
        beside = Path(name)
        with os.fdopen(descriptor, "w") as stream:
            json.dump(document, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        if replace:
            beside.replace(file)
        else:
            os.link(beside, file)
    except FileExistsError:
        raise
    except OSError as error:
        raise Unavailable(
            f"the token keys {file} cannot be written ({error.strerror}); mend the folder's rights"
        ) from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)
