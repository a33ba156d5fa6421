"""An asynchronous verifier for threads that wait: it runs on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import threading

from keywright.errors import Refused
from keywright.integrations.caller import Caller
from keywright.integrations.verifiers import VERDICT_TYPES, AsyncVerifier
from keywright.signatures import SignedRequest

_CLOSING_SECONDS = 5


class Background:
    """Runs one verifier for all threads and event loops of a process.

    The thread starts with the first request, so that a server may fork its workers before, and ends with the process.

    Args:
        verifier: what runs there.
    """

    def __init__(self, verifier: AsyncVerifier) -> None:
        self._verifier = verifier
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._leave_to_parent)
        atexit.register(self.close)

    def verify(self, request: SignedRequest) -> Caller | Refused:
        """Judge a request from a thread that waits; see Verifier."""
        return self._submit(request).result()

    async def verify_async(self, request: SignedRequest) -> Caller | Refused:
        """Judge a request from any event loop; see `AsyncVerifier.judge`."""
        return await asyncio.wrap_future(self._submit(request))

    def close(self) -> None:
        """Close the verifier and end the thread."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            try:
                asyncio.run_coroutine_threadsafe(self._verifier.close(), loop).result(_CLOSING_SECONDS)
            finally:
                loop.call_soon_threadsafe(loop.stop)

    def _submit(self, request: SignedRequest) -> concurrent.futures.Future[Caller | Refused]:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_run, args=(self._loop,), name="keywright-verifier", daemon=True).start()
            return asyncio.run_coroutine_threadsafe(_judge(self._verifier, request), self._loop)

    def _leave_to_parent(self) -> None:
        # Only the forking thread lives on in a child, so there is no loop here; and another may have held the lock.
        self._lock = threading.Lock()
        self._loop = None


async def _judge(verifier: AsyncVerifier, request: SignedRequest) -> Caller | Refused:
    verdict = verifier.judge(request)
    return verdict if isinstance(verdict, VERDICT_TYPES) else await verdict


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()
