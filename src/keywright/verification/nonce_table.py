"""The formats of the embedded nonce store: the control page and the tables, both shared memory.

All of it is used with the store's lock held. What survives a SIGKILL at any instruction does so by the order
of writes alone: a table is complete before a layout names it, a layout is complete before the epoch names it,
and the epoch is one aligned eight-byte store.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
import sys
import zlib
from dataclasses import astuple, dataclass
from pathlib import Path

from keywright.verification.nonce_place import Damaged, Mark

PAGE_BYTES = 4096
SLOT_BYTES = 16
EMPTY = bytes(SLOT_BYTES)
LEAST_SLOTS = 4096
MOST_TABLES = 24
NEVER = -(1 << 62)  # earlier than any `created`

# Words of the control page, eight bytes each. Whoever finds another epoch than his own reads the layout
# again; zero says that a new beginning was not finished.
EPOCH, REMEMBERED, MOST_AHEAD = range(3)
# Words behind a table's slots; the first four mark it.
COUNT, MAX_CREATED = 4, 5
_TAIL_BYTES = 64
_TABLE_MAGIC = 0x314C424154574B  # "KWTABL1"

_CHECKSUM = struct.Struct("=I")
_HEADER = struct.Struct("=8s16s16s64s6Qddq")
_HEADER_AT = 256
_HEADER_MAGIC = b"KWNONCE1"  # its last byte is the version of the format
_LAYOUT = struct.Struct("=qdqqqq")
_LISTED = struct.Struct("=qqq")
_LAYOUTS_AT = (1024, 2048)


@dataclass(frozen=True, slots=True)
class Header:
    """What is fixed from one beginning to the next.

    Args:
        token: names this memory; every table carries it.
        key: for the fingerprints, so that nobody can aim at a collision.
        boot_id: the boot in which the memory began.
        mark: the place in which it began.
        lost_at: when it began, seconds since 1970 by the wall clock.
        lost_uptime: the same instant by the machine's uptime, in seconds.
        lost_ahead: how far ahead a signature used before that instant may have been dated, in seconds.
    """

    token: bytes
    key: bytes
    boot_id: str
    mark: Mark
    lost_at: float
    lost_uptime: float
    lost_ahead: int


@dataclass(frozen=True, slots=True)
class Listed:
    """One table of a layout: its number, its generation, and its size in slots."""

    number: int
    generation: int
    slots: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Which tables are in force.

    Args:
        forgotten_through: the largest `created` of any nonce that was dropped; up to it nothing is provable.
        started_at: when the current generation began, seconds since 1970.
        next_number: the next table's number.
        dropped: how many nonces went with dropped tables.
        generation: the current generation.
        tables: oldest first; nonces are inserted into the last.
    """

    forgotten_through: int
    started_at: float
    next_number: int
    dropped: int
    generation: int
    tables: tuple[Listed, ...]


class ControlPage:
    """The control file, mapped: counters, header, and two layouts, of which the epoch's last bit chooses one.

    Args:
        descriptor: the open control file.

    Raises:
        OSError: it cannot be extended to PAGE_BYTES, or not be mapped.
    """

    def __init__(self, descriptor: int) -> None:
        if os.fstat(descriptor).st_size < PAGE_BYTES:
            _allot(descriptor, PAGE_BYTES)
        self._map = mmap.mmap(descriptor, PAGE_BYTES)
        self._view = memoryview(self._map)
        # Native eight-byte words make each assignment one machine store, which no signal can halve.
        self.words = self._view[:_HEADER_AT].cast("q")

    def header(self) -> Header:
        """Reads the header.

        Raises:
            Damaged: it is not one.
        """
        raw = self._checked(_HEADER_AT, _HEADER.size)
        magic, token, key, boot_id, *mark, lost_at, lost_uptime, lost_ahead = _HEADER.unpack(raw)
        if magic != _HEADER_MAGIC:
            raise Damaged("the format is another")
        boot = boot_id.rstrip(b"\0").decode("ascii", "replace")
        return Header(token, key, boot, Mark(*mark), lost_at, lost_uptime, lost_ahead)

    def write_header(self, header: Header) -> None:
        """Writes the header; only while the epoch is zero."""
        packed = _HEADER.pack(
            _HEADER_MAGIC,
            header.token,
            header.key,
            header.boot_id.encode("ascii"),
            *astuple(header.mark),
            header.lost_at,
            header.lost_uptime,
            header.lost_ahead,
        )
        self._write_checked(_HEADER_AT, packed)

    def layout(self, epoch: int) -> Layout:
        """Reads one of the two layouts.

        Args:
            epoch: chooses it, by being even or odd.

        Raises:
            Damaged: there is none.
        """
        at = _LAYOUTS_AT[epoch & 1]
        count = _LAYOUT.unpack_from(self._map, at)[-1]
        if not 1 <= count <= MOST_TABLES:
            raise Damaged("the layout lists an impossible number of tables")
        raw = self._checked(at, _LAYOUT.size + count * _LISTED.size)
        forgotten, started_at, next_number, dropped, generation, _ = _LAYOUT.unpack_from(raw)
        listed = tuple(Listed(*values) for values in _LISTED.iter_unpack(raw[_LAYOUT.size :]))
        return Layout(forgotten, started_at, next_number, dropped, generation, listed)

    def write_layout(self, layout: Layout, epoch: int) -> None:
        """Writes the layout that setting this epoch then puts in force; the one in force stays untouched."""
        packed = _LAYOUT.pack(
            layout.forgotten_through,
            layout.started_at,
            layout.next_number,
            layout.dropped,
            layout.generation,
            len(layout.tables),
        )
        packed += b"".join(_LISTED.pack(table.number, table.generation, table.slots) for table in layout.tables)
        self._write_checked(_LAYOUTS_AT[epoch & 1], packed)

    def close(self) -> None:
        """Gives the mapping back."""
        self.words.release()
        self._view.release()
        self._map.close()

    def _checked(self, at: int, size: int) -> bytes:
        raw = self._map[at : at + size]
        if _CHECKSUM.unpack_from(self._map, at + size)[0] != zlib.crc32(raw):
            raise Damaged("a checksum of the control page does not hold")
        return raw

    def _write_checked(self, at: int, packed: bytes) -> None:
        packed += _CHECKSUM.pack(zlib.crc32(packed))
        self._map[at : at + len(packed)] = packed


class NonceTable:
    """One table of fingerprints, mapped. Open addressing; a slot of zeros is empty, and nothing is removed.

    Args:
        path: its file.
        listed: what the layout says of it.
        token: the memory it must belong to.

    Raises:
        Damaged: the file is missing, or another than the one listed.
        OSError: it cannot be opened.
    """

    __slots__ = ("_view", "limit", "listed", "map", "mask", "words")

    def __init__(self, path: Path, listed: Listed, token: bytes) -> None:
        size = _file_bytes(listed.slots)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as fault:
            if fault.errno in {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP}:
                raise Damaged(f"table {listed.number} is missing") from fault
            raise
        try:
            if os.fstat(descriptor).st_size != size:
                raise Damaged(f"table {listed.number} has another size")
            self.map = mmap.mmap(descriptor, size)
        except ValueError as fault:
            raise Damaged(f"table {listed.number} was shortened") from fault
        finally:
            os.close(descriptor)
        self.listed = listed
        self._view = memoryview(self.map)
        self.words = self._view[listed.slots * SLOT_BYTES :].cast("q")
        # The byte offset of a fingerprint's first slot is fingerprint & mask.
        self.mask = (listed.slots - 1) * SLOT_BYTES
        # Beyond 60 % load, chains of collisions grow long.
        self.limit = listed.slots * 6 // 10
        marks = tuple(self.words[:COUNT])
        if marks != _marks(listed, token) or not 0 <= self.words[COUNT] <= self.limit:
            self.close()
            raise Damaged(f"table {listed.number} is another")

    @classmethod
    def create(cls, path: Path, listed: Listed, token: bytes) -> NonceTable:
        """Makes an empty table, its space allotted: a full disk shows now and not as a SIGBUS later.

        Args:
            path: its file; what a killed process left there is replaced.
            listed: its number, generation and size.
            token: the memory it belongs to.

        Returns:
            The table, in no layout yet.

        Raises:
            Damaged: the directory is gone.
            OSError: no space, or no right.
        """
        path.unlink(missing_ok=True)
        size = _file_bytes(listed.slots)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileNotFoundError as fault:
            raise Damaged("the directory of tables is gone") from fault
        try:
            try:
                _allot(descriptor, size)
                os.pwrite(descriptor, struct.pack("=6q", *_marks(listed, token), 0, NEVER), size - _TAIL_BYTES)
            finally:
                os.close(descriptor)
            return cls(path, listed, token)
        except OSError:
            path.unlink(missing_ok=True)
            raise

    def close(self) -> None:
        """Gives the mapping back."""
        self.words.release()
        self._view.release()
        self.map.close()


def slots_for(count: int) -> int:
    """The size, in slots, of a table that `count` nonces fill by a quarter to a half."""
    return max(LEAST_SLOTS, 1 << (2 * count).bit_length())


def _file_bytes(slots: int) -> int:
    return slots * SLOT_BYTES + _TAIL_BYTES


def _marks(listed: Listed, token: bytes) -> tuple[int, int, int, int]:
    return _TABLE_MAGIC, int.from_bytes(token[:7], "little"), listed.number, listed.slots


def _allot(descriptor: int, size: int) -> None:
    if sys.platform == "linux":
        os.posix_fallocate(descriptor, 0, size)
    else:  # elsewhere only what was written is sure to be there
        for at in range(0, size, 1 << 20):
            os.pwrite(descriptor, bytes(min(1 << 20, size - at)), at)
