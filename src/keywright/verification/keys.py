"""Keys to verify with, cached, and never a stale one: each use first makes sure that the cache is still true.

How (docs/decisions/0004): the change signal differs after every commit, by whichever process. While it equals the value
that was read before the last look into the database, nothing was committed since, and the cache is the truth. When it
differs, the state of the keys is read anew: the same, the commits did not touch any key and the cache stays; another
one, older or newer, the cache is emptied. Only keys that work are cached.
"""

from __future__ import annotations

from typing import Protocol

from keywright.credentials import VerificationKey, find_verification_key
from keywright.errors import Unavailable
from keywright.keyring import Sealer
from keywright.revocation import key_state
from keywright.storage import Database
from keywright.storage.change_signal import ChangeSignal


class VerificationKeys(Protocol):
    """The keys of one verifying process, however it makes sure that they still work."""

    def __len__(self) -> int:
        """How many keys are cached."""

    def cached(self, client_id: str) -> VerificationKey | None:
        """Return a key without any waiting, or None if that cannot be done truthfully.

        Args:
            client_id: the key.

        Returns:
            A key that is valid at this moment, or None: ask `find`.
        """

    async def find(self, client_id: str) -> VerificationKey | None:
        """Return a key, from the database if need be.

        Args:
            client_id: the key.

        Returns:
            A key that was active when this was called or later, or None if there is none.

        Raises:
            Unavailable: that cannot be told truthfully now.
        """

    async def check(self) -> None:
        """Make sure that keys can be had truthfully now.

        Raises:
            Unavailable: they cannot.
        """

    def start(self) -> None:
        """Begin whatever keeps the cache true, on the running event loop."""

    def recheck(self) -> None:
        """Look once in a while whether the cache may still be trusted."""

    async def close(self) -> None:
        """Serve nothing from here on."""


class CachedKeys:
    """The keys of a process beside an embedded database.

    Args:
        database: the truth.
        signal: tells whether anything was committed.
        keyring: opens the secrets of hmac-sha256 keys.
        size: most keys to keep.
    """

    def __init__(self, database: Database, signal: ChangeSignal, keyring: Sealer, *, size: int) -> None:
        self._database = database
        self._change_signal = signal
        self._read_signal = signal.read
        self._keyring = keyring
        self._size = size
        self._entries: dict[str, VerificationKey] = {}
        # What the entries rest on: the signal as it was before the database was read, and the state read then.
        self._signal: bytes | None = None
        self._state: tuple[int, str] | None = None

    def __len__(self) -> int:
        """How many keys are cached."""
        return len(self._entries)

    def cached(self, client_id: str) -> VerificationKey | None:
        """Return a key without any waiting, or None if that cannot be done truthfully.

        Args:
            client_id: the key.

        Returns:
            A key that is valid at this moment, or None: ask `find`.
        """
        if self._read_signal() != self._signal:
            return None
        return self._entries.get(client_id)

    def recheck(self) -> None:
        """Stop trusting the cache if the database was replaced by hand under us; called once in a while.

        Commits to another file would give no signal here, and keys deleted there must not go on working here.
        """
        if not self._change_signal.in_place():
            self._signal = None

    async def check(self) -> None:
        """Make sure that the database is the one that was opened; see VerificationKeys."""
        if not self._change_signal.in_place():
            raise _replaced()

    def start(self) -> None:
        """Nothing has to run: each use looks for itself."""

    async def close(self) -> None:
        """Let go of the change signal; nothing is served afterwards."""
        self._signal = None
        self._change_signal.close()

    async def find(self, client_id: str) -> VerificationKey | None:
        """Return a key, from the database if need be.

        Args:
            client_id: the key.

        Returns:
            A key that was active when this was called or later, or None if there is none.

        Raises:
            Unavailable: the database or the keyring does not answer, or the database was replaced.
        """
        if not self._change_signal.in_place():
            raise _replaced()
        signal = self._read_signal()  # before the read below, or a commit in between would go unseen
        async with self._database.read() as session:
            state = await key_state(session)
            known = self._entries.get(client_id) if state == self._state else None
            key = known or await find_verification_key(session, client_id, self._keyring)
        if state != self._state:
            # Also when this state is the older one, because another task was quicker: our own signal comes with it, and
            # it no longer equals the one in force, so that nothing is served from here before a new look.
            self._entries.clear()
            self._state = state
        self._signal = signal
        if key is not None and key.api_access_enabled:
            if len(self._entries) >= self._size and client_id not in self._entries:
                del self._entries[next(iter(self._entries))]
            self._entries[client_id] = key
        return key


def _replaced() -> Unavailable:
    return Unavailable(
        "the database was moved or replaced under the running verifier; restart the server",
        private="the database file or its shared memory is not the one that was opened",
    )
