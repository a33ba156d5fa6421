"""The file with the keys that sign access tokens: outside of the database, for its owner only, like the keyring."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

from keywright.errors import Conflict, Unavailable
from keywright.formats import RandomBytes
from keywright.private_file import alone_in, write_private_file
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
        # Looked at before they are read: keys that are replaced in between are then read again.
        self._seen = self._told = _identity(file)
        self._keys = load_or_create_signing_keys(file, random_bytes, now)

    def keys(self) -> SigningKeys:
        """Return the keys as the file has them now.

        While it cannot be read, the keys that were known go on: tokens of theirs are as good as before. It is tried
        again each time, since a stolen key that was to go would otherwise stay for one moment without free descriptors.
        """
        identity = _identity(self._file)
        if identity != self._seen:
            try:
                keys = _read(self._file)
            except Unavailable as error:
                if identity != self._told:
                    _log.error("token_keys_unreadable", reason=error.message)
                self._told = identity
            else:
                self._seen = self._told = identity
                if keys != self._keys:
                    self._keys = keys
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
    if _identity(file) is None:
        keys = SigningKeys((SigningKey(random_bytes(_SEED_BYTES), int(now)),))
        try:
            _write(file, keys, replace=False)
        except FileExistsError:
            pass  # another process was first: its keys are the ones
        else:
            return keys
    return _read(file)


def create_signing_keys(file: Path, random_bytes: RandomBytes, now: float) -> SigningKeys:
    """Make a new file with one key, to be handed to all nodes of a deployment.

    Args:
        file: where; it must not be there.
        random_bytes: makes the key.
        now: seconds since 1970 UTC; the key signs from then on.

    Returns:
        The keys.

    Raises:
        Conflict: the file is there; it is left as it is.
        Unavailable: it cannot be written.
    """
    keys = SigningKeys((SigningKey(random_bytes(_SEED_BYTES), int(now)),))
    try:
        _write(file, keys, replace=False)
    except FileExistsError as error:
        raise Conflict(f"{file} is there already, and stays as it is; choose another name") from error
    return keys


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
    with _alone(file):
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
    with _alone(file):
        _write(file, keys, replace=True)
    return keys


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Let nobody else change the keys meanwhile: whoever read them before a stolen one went would write it back."""
    try:
        with alone_in(file.parent):
            yield
    except OSError as error:
        raise _unwritable(file, error) from error


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
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
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
    try:
        write_private_file(file, json.dumps(document, indent=1), replace=replace)
    except FileExistsError:
        raise
    except OSError as error:
        raise _unwritable(file, error) from error


def _unwritable(file: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"the token keys {file} cannot be written ({error.strerror}); run this as the user that the server runs as, or"
        " mend the folder's rights"
    )
