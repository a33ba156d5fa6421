"""What the processes of one host remember together: taking it up, keeping it in bounds, beginning anew.

`attach`, `catch_up` and `grow` are called with the control file's lock held; the rest needs none.

Every change of state is all or nothing. What can fail (opening, mapping, making files) comes first and leaves its
results in local variables; then `_take` assigns them, the epoch last. So whatever fails, at whatever call, this
process has the old state whole, and if others see a new one, it sees that its epoch is not theirs.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from keywright.errors import Unavailable
from keywright.verification.nonce_beginning import begin_anew
from keywright.verification.nonce_place import Damaged, NoncePlace
from keywright.verification.nonce_table import (
    COUNT,
    EPOCH,
    MAX_CREATED,
    MOST_AHEAD,
    MOST_TABLES,
    REMEMBERED,
    ControlPage,
    Header,
    Layout,
    Listed,
    NonceTable,
    slots_for,
)

# How long a process may go on with files that were replaced; it looks four times as often (replay.py).
_UNSEEN_SECONDS = 1.0
# How far the clock may be set back before a generation's age is counted anew.
_SET_BACK_SECONDS = 60.0
# How long, beyond the life of a signature, a loss is reckoned by uptime as well as by the clock.
_RECKON_SECONDS = 300.0
# When a new generation finds no room on the disk, the old one goes on, and so much later we try again.
_AGAIN_SECONDS = 5.0


class NonceMemory:
    """The shared files, as one process sees them.

    Args:
        place: where they are.
        clock: tells the wall time, seconds since 1970 UTC.
        uptime: seconds since some fixed instant of this boot.
        boot_id: names this boot; None if the system has no name for it.
        max_age_seconds: how old an accepted signature may be.
        max_ahead_seconds: how far in the future it may be dated.
        capacity: the most nonces remembered.
    """

    # Set by `_take`, and true until the epoch changes. The public ones are read for every request.
    words: memoryview[int]  # the control page's counters
    epoch: int
    hasher: Any  # a BLAKE2b that has taken the key; typeshed has no public name for it
    tables: list[NonceTable]  # nonces are inserted into the last
    room: int  # with so many nonces the last table is full
    lasts_from: float  # outside of these two, the generation is to be looked at
    lasts_until: float
    horizon: float  # whatever was created after it is provable
    header: Header
    _layout: Layout
    _control: ControlPage

    def __init__(
        self,
        place: NoncePlace,
        *,
        clock: Callable[[], float],
        uptime: Callable[[], float],
        boot_id: str | None,
        max_age_seconds: int,
        max_ahead_seconds: int,
        capacity: int,
    ) -> None:
        self.place = place
        self.capacity = capacity
        self.lock = -1
        self.tables = []
        self._clock = clock
        self._uptime = uptime
        self._boot_id = boot_id
        self._max_age_seconds = max_age_seconds
        self._max_ahead_seconds = max_ahead_seconds
        self._presence = -1
        self._mapped = False

    def open_control(self) -> None:
        """Opens the control file, whose lock is then to be taken.

        Raises:
            OSError: it cannot be opened or made.
        """
        self.detach()
        self.lock = self.place.open_control()

    def attach(self) -> None:
        """Takes up what the files remember, or begins anew if that proves nothing.

        Raises:
            OSError: they cannot be read or made.
        """
        self._control = ControlPage(self.lock)
        self._mapped = True
        self.words = self._control.words
        if self._boot_id is None and self._enter():
            # At once: if we fail before a new beginning, those who come after us are not alone.
            self.words[EPOCH] = 0
        try:
            self._adopt()
            self._examine()
        except (Damaged, ValueError):
            self._begin_anew()
        self.words[MOST_AHEAD] = max(self.words[MOST_AHEAD], self._max_ahead_seconds)

    def detach(self) -> None:
        """Lets go of the files, until `open_control`. A lock that we hold ends with the last descriptor of it."""
        self._close_tables()
        if self._mapped:
            self._mapped = False
            self._control.close()
        descriptor, self.lock = self.lock, -1
        _close(descriptor)

    def close(self) -> None:
        """Lets go of everything: of the proof, too, that the machine was not restarted."""
        self.detach()
        descriptor, self._presence = self._presence, -1
        _close(descriptor)

    def unprovable(self, created: int, credential_created_at: float) -> bool:
        """Tells whether a signature that is not remembered could have been used before.

        Args:
            created: the signature's, seconds since 1970.
            credential_created_at: its key's, seconds since 1970.
        """
        if created <= self._layout.forgotten_through:
            return True
        lost = self.header.lost_at
        uptime = self._uptime()
        if uptime < self._reckon_until(self.header):
            # A clock that was behind at the beginning, and was then put right, makes the loss look earlier
            # than it was. Uptime is read first: being stopped in between errs towards later.
            lost = max(lost, self._clock() - (uptime - self.header.lost_uptime))
        else:
            self.horizon = self.recorded_horizon()
        return created <= lost + self.header.lost_ahead + _UNSEEN_SECONDS and credential_created_at <= lost

    def recorded_horizon(self) -> float:
        """The largest `created`, seconds since 1970, that the files say to be unprovable."""
        lost_through = self.header.lost_at + self.header.lost_ahead + _UNSEEN_SECONDS
        return max(lost_through, self._layout.forgotten_through)

    def catch_up(self, now: float) -> None:
        """Takes up what other processes changed, and begins a new generation when the current one is old.

        Args:
            now: seconds since 1970.

        Raises:
            Damaged: the files do not hold together any more.
            OSError: they cannot be read.
        """
        if self.words[EPOCH] != self.epoch:
            self._adopt()
        if now < self.lasts_from:
            # The clock was set back. Counted by the old time, the generation would last for as long again.
            self._change(replace(self._layout, started_at=now), self.tables)
        elif now >= self.lasts_until:
            self._turn(now)

    def grow(self) -> None:
        """Adds a table of four times the size to the current generation.

        Raises:
            Unavailable: there are as many nonces as there may be.
            Damaged: the files do not hold together any more.
            OSError: the disk is full.
        """
        if _entries(self.tables) >= self.capacity:
            raise Unavailable(
                "more signed requests came than can be remembered; try again later",
                retry_after_seconds=max(1, math.ceil(self.lasts_until - self._clock())),
                private=f"{self.capacity} nonces are remembered; raise the capacity",
            )
        layout = self._layout
        added = self._create(Listed(layout.next_number, layout.generation, 4 * self.tables[-1].listed.slots))
        self._change(layout, self.tables, added)

    def _turn(self, now: float) -> None:
        """Begins a new generation, sized after the one that ends, and drops what no window reaches."""
        layout = self._layout
        held = _entries([table for table in self.tables if table.listed.generation == layout.generation])
        # Dropping only this costs no honest signer a refusal. Signatures of a time when the clock was wrongly
        # ahead stay remembered, instead of making everything up to them unprovable.
        kept = [table for table in self.tables if table.words[MAX_CREATED] + self._max_age_seconds >= now]
        begun = replace(layout, started_at=now, generation=layout.generation + 1)
        try:
            added = self._create(Listed(layout.next_number, begun.generation, slots_for(held)))
        except OSError:
            # A generation that lasts longer forgets nothing; and if its table is full, `grow` says so.
            self.lasts_until = now + _AGAIN_SECONDS
            return
        self._change(begun, kept, added)

    def _change(self, layout: Layout, kept: list[NonceTable], added: NonceTable | None = None) -> None:
        """Puts `layout` in force with the kept tables and the added one; what else there was is forgotten."""
        tables = [*kept] if added is None else [*kept[1 - MOST_TABLES :], added]
        try:
            dropped = [table for table in self.tables if table not in tables]
            layout = replace(
                layout,
                forgotten_through=max([layout.forgotten_through, *(table.words[MAX_CREATED] for table in dropped)]),
                next_number=layout.next_number + 1,
                dropped=layout.dropped + _entries(dropped),
                tables=tuple(table.listed for table in tables),
            )
            epoch = self.epoch + 1
            self._control.write_layout(layout, epoch)
            self.words[EPOCH] = epoch
            self._take(epoch, self.header, layout, tables)
        except BaseException:
            if added is not None:
                added.close()
            raise
        self.place.sweep({self._path(table.listed) for table in tables}, self.header.token)

    def _adopt(self) -> None:
        """Takes up the layout in force."""
        epoch = self.words[EPOCH]
        if epoch <= 0:
            raise Damaged("a new beginning was not finished")
        header, layout = self._control.header(), self._control.layout(epoch)
        known = {table.listed: table for table in self.tables} if self.tables and header == self.header else {}
        opened: list[NonceTable] = []
        try:
            for listed in layout.tables:
                if listed not in known:
                    known[listed] = NonceTable(self.place.table(header.token, listed.number), listed, header.token)
                    opened.append(known[listed])
            self._take(epoch, header, layout, [known[listed] for listed in layout.tables])
        except BaseException:
            for table in opened:
                table.close()
            raise

    def _take(self, epoch: int, header: Header, layout: Layout, tables: list[NonceTable]) -> None:
        """Goes over to another state, and closes the tables that it lacks."""
        # The key stands before the message, which BLAKE2 allows (it cannot be extended), and not in its place for
        # keys, which would take a block of its own: one compression instead of two.
        hasher = hashlib.blake2b(header.key, digest_size=16)
        room = min(tables[-1].limit, self.capacity - _entries(tables[:-1]))
        reckoned = self._uptime() < self._reckon_until(header)
        left = [table for table in self.tables if table not in tables]
        # From here on nothing can fail. The tables come before the header, which says whose they are.
        self.tables, self.hasher, self.room = tables, hasher, room
        self.header, self._layout = header, layout
        self.lasts_from = layout.started_at - _SET_BACK_SECONDS
        # A second more than a signature lives, so that what is dropped is out of every honest window.
        self.lasts_until = layout.started_at + self._max_age_seconds + self._max_ahead_seconds + 1
        self.horizon = math.inf if reckoned else self.recorded_horizon()
        self.epoch = epoch
        for table in left:
            table.close()

    def _reckon_until(self, header: Header) -> float:
        life_seconds = self._max_age_seconds + header.lost_ahead + _UNSEEN_SECONDS
        return header.lost_uptime + life_seconds + _RECKON_SECONDS

    def _enter(self) -> bool:
        """Enters the place; tells whether nobody else is there, we ourselves before `detach` included."""
        entered, alone = self.place.enter()
        left, self._presence = self._presence, entered
        _close(left)
        return alone

    def _examine(self) -> None:
        """Raises Damaged if the memory is not of this boot, not in its place, or not whole."""
        if self.header.boot_id != (self._boot_id or ""):
            raise Damaged("the machine was restarted")
        if self.header.mark != self.place.mark():
            raise Damaged("the files were copied, restored or moved")
        # A nonce is counted first in its table and last here: if tables hold less, one of them is an old one.
        if not 0 <= self.words[REMEMBERED] <= self._layout.dropped + _entries(self.tables):
            raise Damaged("a table is older than the control page")

    def _begin_anew(self) -> None:
        """Begins a memory that knows only that it knows nothing of the time before."""
        self._close_tables()
        begun = begin_anew(
            self._control,
            self.place,
            boot_id=self._boot_id or "",
            clock=self._clock,
            uptime=self._uptime,
            max_ahead_seconds=self._max_ahead_seconds,
        )
        try:
            self._take(begun.epoch, begun.header, begun.layout, [begun.table])
        except BaseException:
            begun.table.close()
            raise
        self.place.sweep({self._path(begun.table.listed)})

    def _create(self, listed: Listed) -> NonceTable:
        return NonceTable.create(self._path(listed), listed, self.header.token)

    def _path(self, listed: Listed) -> Path:
        return self.place.table(self.header.token, listed.number)

    def _close_tables(self) -> None:
        tables, self.tables = self.tables, []
        for table in tables:
            table.close()


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        with suppress(OSError):  # even then it is closed
            os.close(descriptor)


def _entries(tables: list[NonceTable]) -> int:
    return sum(table.words[COUNT] for table in tables)
