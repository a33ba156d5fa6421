"""Keys to verify with, read from the database each time: true on any node, at the price of a question."""

from __future__ import annotations

from keywright.credentials import VerificationKey, find_verification_key
from keywright.keyring import Sealer
from keywright.storage import Database


class UncachedKeys:
    """The keys of a process that keeps none.

    Args:
        database: the truth.
        keyring: opens the secrets of hmac-sha256 keys.
    """

    def __init__(self, database: Database, keyring: Sealer) -> None:
        self._database = database
        self._keyring = keyring

    def __len__(self) -> int:
        """None are cached."""
        return 0

    def cached(self, client_id: str) -> VerificationKey | None:
        """Nothing can be told without asking."""
        return None

    async def find(self, client_id: str) -> VerificationKey | None:
        """Read a key from the database; see VerificationKeys."""
        async with self._database.read() as session:
            return await find_verification_key(session, client_id, self._keyring)

    def recheck(self) -> None:
        """Nothing is kept that could be wrong."""

    def close(self) -> None:
        """Nothing is held."""
