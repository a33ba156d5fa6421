"""How a memory of nonces begins anew, and what it takes over from one that proves nothing any more.

Called with the control file's lock held.
"""

from __future__ import annotations

import errno
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from keywright.verification.nonce_place import Damaged, NoncePlace
from keywright.verification.nonce_table import (
    EPOCH,
    LEAST_SLOTS,
    MAX_CREATED,
    MOST_AHEAD,
    NEVER,
    REMEMBERED,
    ControlPage,
    Header,
    Layout,
    Listed,
    NonceTable,
)

_MOST_AHEAD_SECONDS = 86_400
# With these a file is not damaged, but we have no hands free to open it.
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


@dataclass(frozen=True, slots=True)
class Beginning:
    """A memory that has begun, in force on the control page."""

    epoch: int
    header: Header
    layout: Layout
    table: NonceTable


def begin_anew(
    control: ControlPage,
    place: NoncePlace,
    *,
    boot_id: str,
    clock: Callable[[], float],
    uptime: Callable[[], float],
    max_ahead_seconds: int,
) -> Beginning:
    """Begins a memory that knows only that it knows nothing of the time before.

    Args:
        control: the control page, whatever stands on it.
        place: where the files are.
        boot_id: names this boot; empty if the system has no name for it.
        clock: tells the wall time, seconds since 1970 UTC.
        uptime: seconds since some fixed instant of this boot.
        max_ahead_seconds: how far in the future a signature may be dated.

    Returns:
        The memory, with one empty table.

    Raises:
        OSError: its files cannot be made.
    """
    forgotten_through, ahead = _salvage(control, place)
    # From here on no process uses what was: it finds another epoch.
    control.words[EPOCH] = 0
    lost_at = clock()
    header = Header(
        token=secrets.token_bytes(16),
        key=secrets.token_bytes(16),
        boot_id=boot_id,
        mark=place.begin(),
        lost_at=lost_at,
        lost_uptime=uptime(),
        lost_ahead=max(ahead, max_ahead_seconds),
    )
    first = Listed(1, 1, LEAST_SLOTS)
    table = NonceTable.create(place.table(header.token, first.number), first, header.token)
    try:
        epoch = 1 + secrets.randbits(60)
        layout = Layout(forgotten_through, lost_at, 2, 0, 1, (first,))
        # The layout before the header: killed in between, what was salvaged can be salvaged again.
        control.write_layout(layout, epoch)
        control.write_header(header)
        control.words[REMEMBERED] = 0
        control.words[MOST_AHEAD] = max_ahead_seconds
        control.words[EPOCH] = epoch
    except BaseException:
        table.close()
        raise
    return Beginning(epoch, header, layout, table)


def _salvage(control: ControlPage, place: NoncePlace) -> tuple[int, int]:
    """What can still be read: the largest `created` ever recorded, and how far ahead was ever allowed."""
    forgotten_through, ahead = NEVER, 0
    with suppress(Damaged):
        header = control.header()
        ahead = max(header.lost_ahead, min(control.words[MOST_AHEAD], _MOST_AHEAD_SECONDS))
        for half in (0, 1):
            with suppress(Damaged):
                layout = control.layout(half)
                forgotten_through = max(forgotten_through, layout.forgotten_through)
                for listed in layout.tables:
                    forgotten_through = max(forgotten_through, _newest(place, header, listed))
    return forgotten_through, ahead


def _newest(place: NoncePlace, header: Header, listed: Listed) -> int:
    """The largest `created` in a table that is perhaps in force no more, if it can be read."""
    try:
        table = NonceTable(place.table(header.token, listed.number), listed, header.token)
    except (Damaged, ValueError):
        return NEVER
    except OSError as error:
        if error.errno in _EXHAUSTED:
            raise
        return NEVER
    newest = table.words[MAX_CREATED]
    table.close()
    return newest
