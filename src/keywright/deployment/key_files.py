"""Files of keys on many nodes: each node has a copy, and a node with a wrong one is told at its start.

The first node registers the key that its file uses now; whoever adds a key registers that. A node belongs if its file
holds the key that was registered last: then it holds all that the deployment uses. Older keys may be gone from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from keywright.deployment import store
from keywright.errors import Unavailable
from keywright.storage import ReadSession, WriteSession

_TELL_EVERY_SECONDS = 60
_log = structlog.get_logger("keywright.deployment")


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file of keys as it lies on this node.

    Args:
        name: what the database calls it: `keyring` or `token-keys`.
        path: where it is.
        setting: the environment variable that names another one.
        fingerprints: hashes of its keys, that of the key which was added last at the end; empty if it is not there.
    """

    name: str
    path: Path
    setting: str
    fingerprints: tuple[str, ...]


async def refuse_foreign(session: ReadSession, file: KeyFile) -> None:
    """Make sure that a node's file is the deployment's, and not an older copy of it.

    Args:
        session: where to read.
        file: the node's.

    Raises:
        Unavailable: it lacks the key that was registered last, with what to do.
    """
    known = await store.registered(session, file.name)
    if known and known[-1] not in file.fingerprints:
        raise Unavailable(_remedy(file, known))


async def register(session: WriteSession, file: KeyFile) -> None:
    """Register the key that was added last to a file that belongs.

    Args:
        session: a transaction that is alone: of two first nodes one registers, the other is told.
        file: the node's.

    Raises:
        Unavailable: the file is another deployment's, or older.
    """
    await refuse_foreign(session, file)
    if file.fingerprints[-1] not in await store.registered(session, file.name):
        await store.add(session, file.name, file.fingerprints[-1])


async def replace(session: WriteSession, file: KeyFile) -> None:
    """Make a file the deployment's, and every copy of the one before foreign.

    Args:
        session: a transaction that is alone.
        file: the node's.
    """
    await store.remove_all(session, file.name)
    await store.add(session, file.name, file.fingerprints[-1])


class KeyFileCheck:
    """Looks, in a running node, whether its copies are still those of the deployment.

    Args:
        read_files: reads the files as they are now.
    """

    def __init__(self, read_files: Callable[[], Sequence[KeyFile]]) -> None:
        self._read_files = read_files
        self._told_at: dict[str, float] = {}
        self.outdated = 0

    async def look(self, session: ReadSession) -> None:
        """Tell the log of an older copy, which still works; refuse one whose keys the deployment has given up.

        Args:
            session: where to read.

        Raises:
            Unavailable: none of the file's keys is registered any more: what it lets in may be stolen.
        """
        outdated = 0
        for file in self._read_files():
            known = await store.registered(session, file.name)
            if not known or known[-1] in file.fingerprints:
                continue
            outdated += 1
            now = time.monotonic()
            if now - self._told_at.get(file.name, -_TELL_EVERY_SECONDS) >= _TELL_EVERY_SECONDS:
                self._told_at[file.name] = now
                _log.error("key_file_outdated", file=str(file.path), reason=_remedy(file, known))
            if not set(known) & set(file.fingerprints):
                self.outdated = outdated
                raise Unavailable(
                    f"this node's {file.path.name} is not the deployment's; its log says what to do",
                    private=_remedy(file, known),
                )
        self.outdated = outdated


def _remedy(file: KeyFile, known: Sequence[str]) -> str:
    what = "keyring" if file.name == "keyring" else "file of token keys"
    if not file.fingerprints:
        fault = f"this node has no {what} at {file.path}, and its deployment has one"
    elif set(known) & set(file.fingerprints):
        fault = f"the {what} {file.path} is an older copy: a key was added since on another node"
    else:
        fault = f"the {what} {file.path} is not that of this deployment"
    return (
        f"{fault}; copy it from the node that was started first, or on which a key was added last, or name such a copy"
        f" with {file.setting}"
    )
