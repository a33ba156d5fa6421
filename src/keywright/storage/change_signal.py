"""Has anything been committed to this SQLite database, by any process, since I last looked?

In WAL mode SQLite keeps a header of 48 bytes in shared memory (the `-shm` file), and every reader compares it with
its own copy to learn of commits. We compare the same bytes, without the locks and system calls around it.

    signal = change_signal.read()      # first,
    rows = ...                         # then the database; never the other way round
    ...
    if change_signal.read() == signal: ...   # nothing was committed since: `rows` are still the truth

A difference may mean nothing (a checkpoint, a half-written header); equality is certain. Why, and what must not be
done to the `-shm` file, is in docs/decisions/0004-freshness-embedded.md.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import sqlite3
import struct
import weakref
from contextlib import closing, suppress
from pathlib import Path

from keywright.errors import Unavailable

_HEADER_BYTES = 48
_PAGE_BYTES = 4096
# iVersion at 0 and isInit at 12, in native byte order.
_HEADER_START = struct.Struct("=I8xB")
_WAL_INDEX_VERSION = 3007000
_BUSY_SECONDS = 20
_MAP_FAILED = ctypes.c_void_p(-1).value
_OFFSET = ctypes.c_int64  # off_t, on every system with 64-bit pointers


class ChangeSignal:
    """Watches one database.

    Holds a connection that has read: as long as it is open, no other process can delete or truncate the shared
    memory, nor leave WAL mode. It maps that memory through the descriptor that SQLite itself has open, because in
    POSIX closing *any* descriptor of a file drops all locks that the process has on it, SQLite's among them.

    Threads may share it. After `os.fork` it is closed in the child, as every SQLite connection should be.

    Args:
        database: the database file, in WAL mode.

    Raises:
        ValueError: the database is not in WAL mode, or its shared memory cannot be found.
        Unavailable: the database cannot be opened.

    Source: https://www.sqlite.org/walformat.html#the_wal_index_file_format
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._shared = Path(f"{database.resolve()}-shm")
        self._connection: sqlite3.Connection | None = _connect(database)
        try:
            self._address, self._view = self._map()
        except BaseException:
            self._connection.close()
            raise
        os.register_at_fork(after_in_child=functools.partial(_leave_to_parent, weakref.ref(self)))

    def read(self) -> bytes:
        """Reads the signal.

        Returns:
            48 bytes that differ after every commit; only equality of two of them means anything.

        Raises:
            Unavailable: it is closed, or was made before this process was forked.
        """
        try:
            return self._view.tobytes()
        except ValueError:
            raise Unavailable(
                "the database is not watched", private="the change signal is closed, or older than a fork"
            ) from None

    def in_place(self) -> bool:
        """Tells whether database and shared memory are still the files that others find; for a health check.

        They are, unless somebody replaced or deleted them by hand under the running server.
        """
        try:
            status = self._shared.stat()
            return (status.st_dev, status.st_ino) == self._identity and self._database.stat().st_ino == self._inode
        except OSError:
            return False

    def close(self) -> None:
        """Ends the watch."""
        self._view.release()
        if self._address:
            address, self._address = self._address, 0
            _munmap(address)
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _map(self) -> tuple[int, memoryview]:
        try:
            status, self._inode = self._shared.stat(), self._database.stat().st_ino
        except FileNotFoundError as error:
            raise ValueError(f"{self._shared} is missing: is {self._database} on a network disk?") from error
        self._identity = (status.st_dev, status.st_ino)
        address = _mmap(_descriptor_of(self._identity, self._shared))
        view = memoryview((ctypes.c_ubyte * _HEADER_BYTES).from_address(address)).cast("B")
        if _HEADER_START.unpack_from(view) != (_WAL_INDEX_VERSION, 1):
            view.release()
            _munmap(address)
            raise ValueError(f"{self._shared} has a format that we do not know")
        return address, view

    def _leave_to_parent(self) -> None:
        # The child has none of the locks that keep this memory in place, so it must not trust it. The connection
        # is left alone: closing it here would be using it.
        self._view.release()


def _leave_to_parent(reference: weakref.ReferenceType[ChangeSignal]) -> None:
    # A reference, since what is registered for forks stays registered, and would keep every signal alive.
    signal = reference()
    if signal is not None:
        signal._leave_to_parent()  # noqa: SLF001 - its own hook


def _connect(database: Path) -> sqlite3.Connection:
    """Opens a connection that has read, and so keeps the shared memory in place."""
    try:
        connection = sqlite3.connect(
            f"{database.resolve().as_uri()}?mode=rw",
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            # A read takes the shared lock on the database file, which WAL mode keeps until the connection ends.
            with closing(connection.execute("SELECT count(*) FROM sqlite_master")) as cursor:
                cursor.fetchone()
            with closing(connection.execute("PRAGMA journal_mode")) as cursor:
                mode = cursor.fetchone()[0]
        except sqlite3.Error:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise Unavailable(
            "the database did not answer; try again in a moment", private=f"{database}: {error}"
        ) from error
    if mode != "wal":
        connection.close()
        raise ValueError(f"{database} is in journal mode {mode!r}; run PRAGMA journal_mode=WAL on it first")
    return connection


def _descriptor_of(identity: tuple[int, int], path: Path) -> int:
    """Finds the descriptor that SQLite itself has open. Opening one of our own could never be undone."""
    for entry in Path("/dev/fd").iterdir():
        with suppress(OSError):  # the listing's own descriptor is gone by now
            status = os.fstat(int(entry.name))
            if (status.st_dev, status.st_ino) == identity:
                return int(entry.name)
    raise ValueError(f"{path} is not mapped by SQLite; locking_mode=EXCLUSIVE keeps it in private memory")


def _mmap(descriptor: int) -> int:
    """Maps the file's first page. Python's own mmap would duplicate the descriptor, and close it some day."""
    function = ctypes.CDLL(None, use_errno=True).mmap
    function.restype = ctypes.c_void_p
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, _OFFSET]
    address = function(None, _PAGE_BYTES, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
    if address in {None, _MAP_FAILED}:
        raise Unavailable("the database cannot be watched", private=os.strerror(ctypes.get_errno()))
    return int(address)


def _munmap(address: int) -> None:
    function = ctypes.CDLL(None).munmap
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    function(address, _PAGE_BYTES)
