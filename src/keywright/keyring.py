"""Seals HMAC keys for the database, under keys that live outside of it.

A sealed secret is: one byte with the length of the key's name, the name, a 12-byte nonce, and the AES-256-GCM
ciphertext with its tag. What a secret is bound to, such as a Client ID, is associated data: elsewhere it does not open.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keywright.errors import Conflict, Unavailable
from keywright.formats import RandomBytes
from keywright.private_file import alone_in, write_private_file

_NONCE_BYTES = 12
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Keyring:
    """The sealing keys by name, and the one that seals now.

    Args:
        current: name of the key that seals.
        keys: every key by its name, 32 bytes each; older ones still open what they sealed.
    """

    current: str
    keys: dict[str, bytes] = field(repr=False)

    def seal(self, secret: bytes, bound_to: str, random_bytes: RandomBytes) -> bytes:
        """Seal a secret.

        Args:
            secret: the bytes to hide.
            bound_to: what they belong to, such as a Client ID.
            random_bytes: makes the nonce.

        Returns:
            What may be stored.
        """
        nonce = random_bytes(_NONCE_BYTES)
        name = self.current.encode()
        sealed = AESGCM(self.keys[self.current]).encrypt(nonce, secret, bound_to.encode())
        return bytes([len(name)]) + name + nonce + sealed

    def open(self, sealed: bytes, bound_to: str) -> bytes:
        """Open a sealed secret.

        Args:
            sealed: as stored.
            bound_to: what it belongs to.

        Returns:
            The secret bytes.

        Raises:
            Unavailable: the sealing key is not in the keyring, or the seal does not hold.
        """
        name, rest = self._split(sealed)
        key = self.keys.get(name)
        if key is None:
            raise Unavailable(
                "this key cannot be verified now; the operator of this Keywright has been told why",
                private=f"sealing key {name!r} of {bound_to} is not in the keyring; restore the keyring file",
            )
        try:
            return AESGCM(key).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], bound_to.encode())
        except InvalidTag as error:
            raise Unavailable(
                "this key cannot be verified now; the operator of this Keywright has been told why",
                private=f"the sealed secret of {bound_to} does not open: database and keyring do not belong together",
            ) from error

    def fingerprints(self) -> tuple[str, ...]:
        """Return a hash for each key and its name, that of the current one at the end; none tells of its key."""
        names = [*(name for name in self.keys if name != self.current), self.current]
        return tuple(
            hashlib.sha256(b"keyring\0%s\0%s" % (name.encode(), self.keys[name])).hexdigest() for name in names
        )

    def sealed_by(self, sealed: bytes) -> str:
        """Return the name of the key that sealed this."""
        return self._split(sealed)[0]

    @staticmethod
    def _split(sealed: bytes) -> tuple[str, bytes]:
        end = 1 + sealed[0]
        return sealed[1:end].decode(), sealed[end:]


class Sealer(Protocol):
    """Seals and opens secrets."""

    def seal(self, secret: bytes, bound_to: str, random_bytes: RandomBytes) -> bytes:
        """Seal a secret; see `Keyring.seal`."""

    def open(self, sealed: bytes, bound_to: str) -> bytes:
        """Open a sealed secret; see `Keyring.open`."""


class KeyringFile:
    """The keyring of a running process, read anew when its file was changed: a new sealing key needs no restart.

    Args:
        file: the keyring.
        random_bytes: makes the first key of a new keyring.
    """

    def __init__(self, file: Path, random_bytes: RandomBytes) -> None:
        self._file = file
        self._keyring = load_or_create_keyring(file, random_bytes)

    def seal(self, secret: bytes, bound_to: str, random_bytes: RandomBytes) -> bytes:
        """Seal a secret under the file's current key; see `Keyring.seal`."""
        self._keyring = _read(self._file)
        return self._keyring.seal(secret, bound_to, random_bytes)

    def open(self, sealed: bytes, bound_to: str) -> bytes:
        """Open a sealed secret; see `Keyring.open`."""
        if self._keyring.sealed_by(sealed) not in self._keyring.keys:
            self._keyring = _read(self._file)
        return self._keyring.open(sealed, bound_to)


class NoKeyring:
    """Stands where a keyring should be that cannot be had.

    Args:
        error: why.
    """

    def __init__(self, error: Unavailable) -> None:
        self._error = error

    def seal(self, secret: bytes, bound_to: str, random_bytes: RandomBytes) -> bytes:
        """Seal nothing.

        Raises:
            Unavailable: always.
        """
        raise self._error

    def open(self, sealed: bytes, bound_to: str) -> bytes:
        """Open nothing.

        Raises:
            Unavailable: always.
        """
        raise self._error


def load_or_create_keyring(file: Path, random_bytes: RandomBytes) -> Keyring:
    """Read the keyring, or make one with a first key.

    Args:
        file: where it is.
        random_bytes: makes the first key.

    Returns:
        The keyring.

    Raises:
        Unavailable: it cannot be read, is damaged, or others may read it.
    """
    if not file.exists():
        keyring = Keyring("k1", {"k1": random_bytes(_KEY_BYTES)})
        try:
            _write(file, keyring, replace=False)
        except FileExistsError:
            pass  # another process was first: its keyring is the one
        else:
            return keyring
    return _read(file)


def create_keyring(file: Path, random_bytes: RandomBytes) -> Keyring:
    """Make a new keyring, to be handed to all nodes of a deployment.

    Args:
        file: where; it must not be there.
        random_bytes: makes the first key.

    Returns:
        The keyring.

    Raises:
        Conflict: the file is there; it is left as it is.
        Unavailable: it cannot be written.
    """
    keyring = Keyring("k1", {"k1": random_bytes(_KEY_BYTES)})
    try:
        _write(file, keyring, replace=False)
    except FileExistsError as error:
        raise Conflict(f"{file} is there already, and stays as it is; choose another name") from error
    return keyring


def add_sealing_key(file: Path, random_bytes: RandomBytes) -> Keyring:
    """Add a key to the keyring and let it seal from now on; older keys stay, for what they sealed.

    Args:
        file: the keyring.
        random_bytes: makes the key.

    Returns:
        The new keyring.

    Raises:
        Unavailable: the keyring cannot be read or written.
    """
    try:
        # Of two that add a key at once, the second one's would take the place of the first one's, and what was sealed
        # in between could never be opened again.
        with alone_in(file.parent):
            old = load_or_create_keyring(file, random_bytes)
            name = f"k{1 + max(int(known.removeprefix('k')) for known in old.keys)}"
            keyring = Keyring(name, {**old.keys, name: random_bytes(_KEY_BYTES)})
            _write(file, keyring, replace=True)
    except OSError as error:
        raise _unwritable(file, error) from error
    return keyring


def _read(file: Path) -> Keyring:
    try:
        if file.stat().st_mode & 0o077:
            raise Unavailable(f"others can read the keyring {file}; allow its owner only: chmod 600 {file}")
        document = json.loads(file.read_text("utf-8"))
        keys = {str(name): base64.b64decode(key, validate=True) for name, key in document["keys"].items()}
        keyring = Keyring(str(document["current"]), keys)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unavailable(
            f"the keyring {file} cannot be read ({type(error).__name__}); restore it from its backup:"
            " without it, hmac-sha256 keys cannot be verified"
        ) from error
    if keyring.current not in keys or any(len(key) != _KEY_BYTES for key in keys.values()):
        raise Unavailable(f"the keyring {file} is damaged; restore it from its backup")
    return keyring


def _write(file: Path, keyring: Keyring, *, replace: bool) -> None:
    document = {
        "current": keyring.current,
        "keys": {name: base64.b64encode(key).decode() for name, key in keyring.keys.items()},
    }
    try:
        write_private_file(file, json.dumps(document, indent=1), replace=replace)
    except FileExistsError:
        raise
    except OSError as error:
        raise _unwritable(file, error) from error


def _unwritable(file: Path, error: OSError) -> Unavailable:
    return Unavailable(f"the keyring {file} cannot be written ({error.strerror}); mend the folder's rights")
