"""Files of keys, outside of the database: written whole or not at all, for their owner only, by one at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


def write_private_file(file: Path, text: str, *, replace: bool) -> None:
    """Write a file that only its owner may read; when this returns, it outlasts a power cut.

    Whoever writes as root beside a server that is not root leaves the file to whom it belonged, or to whom the folder
    belongs: the server would else be locked out of its keys.

    Args:
        file: where; its folder is made if need be.
        text: all of it.
        replace: whether to take the place of a file that is there.

    Raises:
        FileExistsError: it is there, and was not to be replaced.
        OSError: it cannot be written; what was there is as it was.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written beside and then moved or linked into place: a crash leaves the old file or the new one, never half.
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f"{file.name}.")  # for the owner only
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            _leave_to_owner(file, descriptor)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if replace:
            beside.replace(file)
        else:
            os.link(beside, file)
        _sync_folder(file.parent)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Let nobody else change the folder's key files meanwhile: one that was read before would be written back.

    Args:
        folder: made if need be.

    Raises:
        OSError: it cannot be opened or made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _leave_to_owner(file: Path, descriptor: int) -> None:
    try:
        owner = file.stat()
    except FileNotFoundError:
        if os.geteuid() != 0:
            return
        owner = file.parent.stat()
    if owner.st_uid != os.geteuid():
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _sync_folder(folder: Path) -> None:
    """Make the file's name last as well, and the end of the file whose place it took."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
