"""Passwords: argon2id, computed aside so that the server goes on answering."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_CHARACTERS = 12
MAX_CHARACTERS = 256


class Passwords:
    """Makes and checks password hashes.

    Args:
        memory_mib: what a hash takes, in MiB. All else is as in RFC 9106's low-memory profile, which has 64 MiB.
    """

    def __init__(self, memory_mib: int) -> None:
        self._hasher = PasswordHasher(memory_cost=memory_mib * 1024)
        # Each hash takes that memory and a core: a few at a time, or sign-ins could starve the machine.
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
        # Checked when there is no such person, so that the answer takes as long as for a wrong password.
        self._nobody = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """Hash a new password.

        Args:
            password: the password.

        Returns:
            The hash with its parameters, in the PHC string form.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.hash, password)

    async def matches(self, known_hash: str | None, password: str) -> bool:
        """Check a password.

        Args:
            known_hash: the person's hash; None if there is no such person or they have none yet.
            password: what was given.

        Returns:
            Whether it is theirs. It takes the same time for an unknown person.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._matches, known_hash, password)

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, known_hash: str | None, password: str) -> bool:
        try:
            self._hasher.verify(known_hash or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return known_hash is not None
