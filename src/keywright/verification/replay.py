"""Has this signature been used before? The memory that all worker processes of one host share.

Every question is answered under one file lock, in shared memory that outlives a killed process. What is
remembered is bounded by generations: when the current one has lasted as long as a signature can live, a new
one begins, and what is too old to be accepted is dropped. What is known is told in coordinates of the
signature's own `created`, so that no jump of the clock, changed setting or rotation opens a hole:

    created <= forgotten_through     a nonce with such a `created` was dropped: nobody can tell     UNPROVABLE
    created <= lost + lost_ahead     it could have been used before this memory began               UNPROVABLE
                                     (not for a key made after that: no use of it precedes it)

The reasons and figures are in docs/decisions/0003-nonce-store.md.
"""

from __future__ import annotations

import fcntl
import functools
import os
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keywright.errors import Unavailable
from keywright.verification.nonce_lock import LOCK_NOW, LockPatience
from keywright.verification.nonce_memory import NonceMemory
from keywright.verification.nonce_place import Damaged, Machine, NoncePlace
from keywright.verification.nonce_table import COUNT, EMPTY, EPOCH, MAX_CREATED, REMEMBERED, SLOT_BYTES
from keywright.verification.nonces import UNPROVABLE_METRIC, ReplayVerdict, Watch

# Looking a member up on its class costs more than comparing fingerprints.
_FRESH: Final = ReplayVerdict.FRESH
_REPLAYED: Final = ReplayVerdict.REPLAYED
_UNPROVABLE: Final = ReplayVerdict.UNPROVABLE

# How often a process looks whether its files still stand in their place, and up to which age of a key it
# looks each time. A memory that begins anew allows for four times the former (nonce_memory.py).
_LOOK_SECONDS = 0.25
_YOUNG_SECONDS = 2.0
_ATTEMPTS = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class NonceStatistics:
    """What the store holds, for /metrics.

    Args:
        entries: nonces remembered now, by all processes together.
        capacity: the most entries.
        file_bytes: the size of the tables on the disk, in bytes.
        remembered_total: nonces accepted since this memory began.
        lost_at: when this memory began, seconds since 1970.
        unprovable_through: signatures created up to then, seconds since 1970, are refused.
    """

    entries: int
    capacity: int
    file_bytes: int
    remembered_total: int
    lost_at: float
    unprovable_through: float


class EmbeddedNonceStore:
    """Remembers nonces in files that the worker processes of one host share; make one with `open`.

    Several threads may use it, and forked children.

    Args:
        memory: the shared files.
        uptime: seconds by a clock that only grows.
    """

    def __init__(self, memory: NonceMemory, uptime: Callable[[], float]) -> None:
        self._memory = memory
        self._uptime = uptime
        self._threads = threading.Lock()
        self._ready = False
        self._closed = False
        self._patience = LockPatience()
        self._look_at = 0.0
        # flock locks the open file, which a forked child shares: it would be let in beside its parent.
        os.register_at_fork(after_in_child=functools.partial(_leave_to_parent, weakref.ref(self)))

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        clock: Callable[[], float],
        max_age_seconds: int,
        max_ahead_seconds: int,
        capacity: int = 4_000_000,
        machine: Machine | None = None,
    ) -> EmbeddedNonceStore:
        """Opens the store of this host; begins anew if what it remembers proves nothing.

        Args:
            directory: the store's own; its parent must exist.
            clock: tells the wall time, seconds since 1970 UTC. A function, because what counts is the time
                after the lock was had.
            max_age_seconds: how old an accepted signature may be.
            max_ahead_seconds: how far in the future it may be dated.
            capacity: the most nonces remembered. They take 30 to 170 bytes of disk and page cache each, when
                they come.
            machine: the machine; this one, if None.

        Returns:
            The store.

        Raises:
            Unavailable: the files cannot be made or read, or the lock is not to be had.
        """
        machine = machine or Machine.this()
        memory = NonceMemory(
            NoncePlace(directory),
            clock=clock,
            uptime=machine.uptime,
            boot_id=machine.boot_id,
            max_age_seconds=max_age_seconds,
            max_ahead_seconds=max_ahead_seconds,
            capacity=capacity,
        )
        store = cls(memory, machine.uptime)
        try:
            with store._threads:
                store._attach()
        except BaseException:
            store.close()
            raise
        return store

    def remember(  # noqa: C901, PLR0912, PLR0915 - one flat way: a call of a function costs as much as what it would do
        self,
        client_id: str,
        nonce: str,
        created: int,
        credential_created_at: float,
        now: float,
        *,
        is_by_end: bool = False,
    ) -> ReplayVerdict:
        """Judges a signature that holds, and remembers it if it is fresh.

        A nonce is used up for its Client ID whatever `created` says.

        Args:
            client_id: who signed.
            nonce: the signature's `nonce`.
            created: the signature's `created`, seconds since 1970, found to be within the window.
            credential_created_at: when the key was made, seconds since 1970, not rounded up.
            now: the time by which the window was judged, seconds since 1970.
            is_by_end: makes no difference here: all processes of one host have one `max_age_seconds`.

        Returns:
            FRESH: it was not used before, and is now. REPLAYED: it was used before. UNPROVABLE: it could have
            been used at a time of which the store knows nothing.

        Raises:
            Unavailable: the store is full or closed, the disk is full, or another process keeps the lock.

        Source: RFC 9421 section 7.2.2 (signature replay).
        """
        text = f"{client_id}\0{nonce}".encode()
        memory = self._memory
        fault = ""
        with self._threads:
            try:
                for _ in _ATTEMPTS:
                    if not self._ready:
                        self._attach()
                    try:
                        try:
                            fcntl.flock(memory.lock, LOCK_NOW)
                        except BlockingIOError:
                            self._wait_for_lock()
                        if memory.words[EPOCH] != memory.epoch or not memory.lasts_from <= now < memory.lasts_until:
                            memory.catch_up(now)
                        hasher = memory.hasher.copy()
                        hasher.update(text)
                        fingerprint = hasher.digest()
                        start = int.from_bytes(fingerprint, "little")
                        for table in memory.tables:
                            slots = table.map
                            at = start & table.mask
                            while (entry := slots[at : at + SLOT_BYTES]) != EMPTY:
                                if entry == fingerprint:
                                    return _REPLAYED
                                at = (at + SLOT_BYTES) & table.mask
                        if created <= memory.horizon and memory.unprovable(created, credential_created_at):
                            return _UNPROVABLE
                        # `table`, `slots` and `at` are the last table, which takes what is new, and its free slot.
                        counters = table.words
                        if (count := counters[COUNT]) >= memory.room:
                            memory.grow()
                            table = memory.tables[-1]
                            slots, counters, count = table.map, table.words, 0
                            at = start & table.mask
                        # In this order: killed in between, the table claims more than it holds: harmless.
                        if created > counters[MAX_CREATED]:  # noqa: PLR1730 - max() takes twice as long
                            counters[MAX_CREATED] = created
                        counters[COUNT] = count + 1
                        slots[at : at + SLOT_BYTES] = fingerprint
                        memory.words[REMEMBERED] += 1
                    except Damaged as damage:
                        # Someone changed the files under us: look again from the beginning.
                        self._ready, fault = False, str(damage)
                        continue
                    finally:
                        fcntl.flock(memory.lock, fcntl.LOCK_UN)
                    # After the insertion, so that being stopped cannot part the look from what it vouches for.
                    uptime = self._uptime()
                    if uptime < self._look_at and now - credential_created_at > _YOUNG_SECONDS:
                        return _FRESH
                    if memory.place.stands(memory.header.mark):
                        self._look_at = uptime + _LOOK_SECONDS
                        return _FRESH
                    self._ready, fault = False, "the files were replaced"
            except Unavailable:
                # The lock is not to be had, or there are too many entries; or `_attach` has let go already.
                raise
            except OSError as error:
                self._let_go()
                raise _unwritable(error) from error
            except BaseException:
                self._let_go()
                raise
        raise _unsteady(fault)

    def check(self) -> None:
        """Makes sure that questions can be answered now; for a readiness check.

        Raises:
            Unavailable: the files cannot be had, or another process keeps the lock.
        """
        with self._threads:
            if not self._ready:
                self._attach()
            try:
                self._wait_for_lock()
                fcntl.flock(self._memory.lock, fcntl.LOCK_UN)
            except OSError as error:
                self._let_go()
                raise _unwritable(error) from error

    def statistics(self) -> NonceStatistics:
        """Tells what the store holds.

        Raises:
            Unavailable: the lock is not to be had.
        """
        memory = self._memory
        with self._threads:
            if not self._ready:
                self._attach()
            # Without the file lock: each number is read whole, and nobody needs them to agree.
            return NonceStatistics(
                entries=sum(table.words[COUNT] for table in memory.tables),
                capacity=memory.capacity,
                file_bytes=sum(len(table.map) for table in memory.tables),
                remembered_total=memory.words[REMEMBERED],
                lost_at=memory.header.lost_at,
                unprovable_through=memory.recorded_horizon(),
            )

    def show(self, watch: Watch) -> None:
        """Hands over what is to be seen of the memory in /metrics."""
        watch("keywright_nonces", "Nonces that the host remembers.", lambda: self.statistics().entries)
        watch(*UNPROVABLE_METRIC, lambda: self.statistics().unprovable_through)
        watch("keywright_nonce_capacity", "Most nonces the host remembers.", lambda: self.statistics().capacity)
        watch("keywright_nonce_bytes", "Memory that they take, in bytes.", lambda: self.statistics().file_bytes)

    def close(self) -> None:
        """Lets go of the files; what they remember stays."""
        with self._threads:
            self._closed = True
            self._ready = False
            self._memory.close()

    def _attach(self) -> None:
        if self._closed:
            raise Unavailable("the memory of used nonces is closed")
        memory = self._memory
        try:
            for _ in _ATTEMPTS:
                uptime = self._uptime()
                memory.open_control()
                self._wait_for_lock()
                # Whoever had the lock before us may have put another file in its place.
                if memory.place.is_control(memory.lock):
                    memory.attach()
                    fcntl.flock(memory.lock, fcntl.LOCK_UN)
                    self._look_at = uptime + _LOOK_SECONDS
                    self._ready = True
                    return
        except OSError as error:
            raise _unwritable(error) from error
        except Damaged as damage:
            raise _unsteady(str(damage)) from damage
        finally:
            if not self._ready:
                self._let_go()
        raise _unsteady("the control file was replaced")

    def _let_go(self) -> None:
        """Forgets what this process holds of the files, and any lock: the next call attaches anew."""
        self._ready = False
        if self._memory.lock >= 0:
            # Closing is not enough: a child that is being forked just now has the same open file.
            with suppress(OSError):
                fcntl.flock(self._memory.lock, fcntl.LOCK_UN)
        self._memory.detach()

    def _wait_for_lock(self) -> None:
        self._patience.wait_for(self._memory.lock, self._memory.place.control)

    def _leave_to_parent(self) -> None:
        # A thread of the parent may have held it, and here nobody would ever let it go.
        self._threads = threading.Lock()
        self._ready = False
        self._memory.close()


def _leave_to_parent(reference: weakref.ReferenceType[EmbeddedNonceStore]) -> None:
    # A reference, since what is registered for forks stays registered, and would keep every store alive.
    store = reference()
    if store is not None:
        store._leave_to_parent()  # noqa: SLF001 - its own hook


def _unwritable(error: OSError) -> Unavailable:
    return Unavailable("the memory of used nonces cannot be written; try again later", private=repr(error))


def _unsteady(fault: str) -> Unavailable:
    return Unavailable("the memory of used nonces keeps changing; try again", private=fault)
