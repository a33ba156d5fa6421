"""Keys to verify with on one of many nodes: cached under a lease, else read from the database.

What makes both true is `freshness/` (docs/decisions/0009): while the lease lasts, no deletion has returned that this
process has not applied, and what is read from the server that keeps the lease is not of a primary that was replaced.
Without a lease nothing is accepted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from keywright.credentials import VerificationKey, find_verification_key
from keywright.errors import Unavailable
from keywright.freshness import Lease
from keywright.freshness.keeper import Keeper
from keywright.keyring import Sealer
from keywright.storage import Database, no_answer

# Whoever waits for a verdict has a request waiting behind it; longer than this, it is told to come again.
_READ_SECONDS = 2.0
# A lease that is being got is there in less; whoever asks whether we are ready does not wait for long.
_CHECK_SECONDS = 1.0


class LeasedKeys:
    """The keys of a process on one of many nodes.

    Args:
        database: the truth.
        keyring: opens the secrets of hmac-sha256 keys.
        lease: the cache.
        keeper: keeps it true.
        clock: the keeper's.
    """

    def __init__(
        self,
        database: Database,
        keyring: Sealer,
        lease: Lease[VerificationKey],
        keeper: Keeper,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._lease = lease
        self._clock = clock
        self.keeper = keeper

    def __len__(self) -> int:
        """How many keys are cached."""
        return len(self._lease)

    def cached(self, client_id: str) -> VerificationKey | None:
        """Return a key without any waiting, if the lease lasts; see VerificationKeys."""
        return self._lease.cached(client_id, self._clock())

    async def find(self, client_id: str) -> VerificationKey | None:
        """Read a key from the database, and keep one that works; see VerificationKeys."""
        begun = self._lease.begin_fill()  # before the read, or a revocation in between would go unseen
        try:
            async with asyncio.timeout(_READ_SECONDS):
                async with self._database.read() as session:
                    key = await find_verification_key(session, client_id, self._keyring)
                is_true = await self.keeper.vouches_for(session.server)
        except TimeoutError as error:
            raise no_answer(error) from error
        if not is_true:
            await self._database.reconnect()
            raise Unavailable(
                "the verifier is changing over to another database server; try again in a moment",
                private="the key was read from another server than the one that keeps the lease",
            )
        if key is not None and key.api_access_enabled:
            self._lease.store(begun, client_id, key.account_id, key)
        return key

    async def check(self) -> None:
        """Make sure that there is a lease: without one nothing is accepted; see VerificationKeys."""
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await self.keeper.trusted()
        except TimeoutError as error:
            raise Unavailable(
                "the verifier has no lease from the database; its log says why",
                private="until its lease is kept it answers 503; does PostgreSQL have a connection left for it?",
            ) from error

    def start(self) -> None:
        """Begin to keep the lease."""
        self.keeper.start()

    def recheck(self) -> None:
        """The keeper looks often enough."""

    async def close(self) -> None:
        """Stop verifying from the cache, then take leave of the control nodes."""
        await self.keeper.stop()
