"""Where the embedded nonce store stands, and how it notices that it stands there no more.

    <directory>/control      the lock and the control page
    <directory>/seal         a symbolic link that nothing but a new beginning makes
    <directory>/tables/<n>   the tables

Once begun, nothing is made or renamed in `<directory>` itself, so that its change time is part of the mark.
"""

from __future__ import annotations

import fcntl
import functools
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


class Damaged(Exception):
    """The files do not hold together, so what they remember proves nothing."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the store has to know of the machine.

    Args:
        boot_id: names the time since the machine was started; None where the system has no such name.
        uptime: seconds since some fixed instant of this boot, whatever is done to the wall clock.
    """

    boot_id: str | None
    uptime: Callable[[], float]

    @classmethod
    def this(cls) -> Machine:
        """The machine we run on.

        Source: random(4) for the boot id, clock_gettime(2) for CLOCK_BOOTTIME.
        """
        try:
            boot_id = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip() or None
        except (OSError, ValueError):
            boot_id = None
        clock_id = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        return cls(boot_id, functools.partial(time.clock_gettime, clock_id))


@dataclass(frozen=True, slots=True)
class Mark:
    """What a copy, a restored backup, and a directory moved away and back do not share with the original.

    Inode numbers alone do not tell, since file systems give them out again at once; change times do, since
    no tool can set them. The seal is a symbolic link because those cannot be overwritten, only made anew.
    """

    device: int
    control_inode: int
    directory_inode: int
    directory_changed_ns: int
    seal_inode: int
    seal_changed_ns: int


class NoncePlace:
    """The directory of one store.

    Args:
        directory: where it is; its parent must exist.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.control = directory / "control"
        self._seal = directory / "seal"
        self._tables = directory / "tables"

    def open_control(self) -> int:
        """Opens the control file, and makes what is missing of directory and file.

        Returns:
            Its descriptor.

        Raises:
            OSError: it cannot be opened or made.
        """
        self.directory.mkdir(mode=0o700, exist_ok=True)
        return os.open(self.control, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def is_control(self, descriptor: int) -> bool:
        """Tells whether an opened control file is the one that others find."""
        try:
            found = self.control.stat()
        except FileNotFoundError:
            return False
        ours = os.fstat(descriptor)
        return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)

    def mark(self) -> Mark:
        """Reads the mark of what stands here now.

        Raises:
            Damaged: something is missing.
        """
        try:
            control, directory, seal = self.control.stat(), self.directory.stat(), self._seal.lstat()
        except FileNotFoundError as fault:
            raise Damaged("control file or seal is gone") from fault
        return Mark(
            device=control.st_dev,
            control_inode=control.st_ino,
            directory_inode=directory.st_ino,
            directory_changed_ns=directory.st_ctime_ns,
            seal_inode=seal.st_ino,
            seal_changed_ns=seal.st_ctime_ns,
        )

    def stands(self, mark: Mark) -> bool:
        """Tells whether the marked files are still here, as far as a running process has to care.

        The directory's change time is left out: a file put there by hand must not end a memory in use.

        Raises:
            OSError: nobody can tell.
        """
        try:
            control, seal = self.control.stat(), self._seal.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return (control.st_dev, control.st_ino) == (mark.device, mark.control_inode) and (
            seal.st_ino,
            seal.st_ctime_ns,
        ) == (mark.seal_inode, mark.seal_changed_ns)

    def begin(self) -> Mark:
        """Makes the place ready for a new memory.

        Returns:
            Its mark.

        Raises:
            OSError: something cannot be made.
        """
        self._tables.mkdir(mode=0o700, exist_ok=True)
        self._seal.unlink(missing_ok=True)
        self._seal.symlink_to(self.control.name)
        return self.mark()

    def table(self, token: bytes, number: int) -> Path:
        """The file of one table of the memory that `token` names."""
        return self._tables / f"{_name(token)}-{number}"

    def sweep(self, wanted: set[Path], token: bytes | None = None) -> None:
        """Deletes tables that are not wanted: those dropped, and those that killed or failed processes left.

        What cannot be deleted now is left to the next change.

        Args:
            wanted: the tables to keep.
            token: the memory whose tables to look at; all, if None. A process whose files were replaced does not
                know it yet, and must not delete the tables of those who came after.
        """
        with suppress(OSError):
            for path in self._tables.glob("*" if token is None else f"{_name(token)}-*"):
                if path not in wanted:
                    with suppress(OSError):
                        path.unlink(missing_ok=True)

    def enter(self) -> tuple[int, bool]:
        """Takes a shared lock on the directory, to be kept for life, for systems without a boot id.

        Call it with the control file's lock held.

        Returns:
            The descriptor that keeps the lock, and whether nobody else had one. If somebody had, the machine
            was not restarted since he entered.

        Raises:
            OSError: the directory cannot be opened or locked.
        """
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                alone = True
            except BlockingIOError:
                alone = False
            # Does not wait: the exclusive lock is taken only under the control file's lock, which is ours now.
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor, alone


def _name(token: bytes) -> str:
    return token.hex()[:12]
