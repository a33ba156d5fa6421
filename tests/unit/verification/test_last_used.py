"""Uses are gathered: a first one is written at once, and a key that is used all the time once in a while."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

import pytest

from keywright.errors import Unavailable
from keywright.verification import last_used
from keywright.verification.last_used import AGAIN_SECONDS, LastUsed


class Writes:
    """A database that takes what is written, or cannot be had."""

    def __init__(self) -> None:
        self.is_away = False
        self.written: list[dict[str, int]] = []

    @asynccontextmanager
    async def write(self, *, alone: bool) -> Any:
        assert not alone
        if self.is_away:
            raise Unavailable("away")
        yield self

    async def commit(self) -> None:
        pass


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> Writes:
    found = Writes()

    async def note(_session: Any, used_at_ms: dict[str, int]) -> None:
        found.written.append(used_at_ms)

    monkeypatch.setattr(last_used, "note_last_used", note)
    return found


async def test_a_first_use_is_written_at_once_and_more_of_them_later(writes: Writes):
    uses = LastUsed(writes)
    uses.note("ck_a", 100.0)
    await uses.flush(everything=False)
    uses.note("ck_a", 101.0)
    uses.note("ck_b", 101.0)
    await uses.flush(everything=False)
    await uses.flush(everything=False)
    assert writes.written == [{"ck_a": 100_000}, {"ck_b": 101_000}]
    uses.note("ck_c", 100.0 + AGAIN_SECONDS)
    await uses.flush(everything=False)
    assert writes.written[2:] == [{"ck_a": 101_000, "ck_c": 110_000}]


async def test_what_is_left_is_written_at_the_end(writes: Writes):
    uses = LastUsed(writes)
    for at in (100.0, 101.0):
        uses.note("ck_a", at)
        await uses.flush(everything=False)
    await uses.stop()
    assert writes.written == [{"ck_a": 100_000}, {"ck_a": 101_000}]


async def test_what_could_not_be_written_is_kept(writes: Writes):
    uses = LastUsed(writes)
    uses.note("ck_a", 100.0)
    writes.is_away = True
    await uses.flush(everything=False)
    uses.note("ck_a", 100.5)
    writes.is_away = False
    await uses.flush(everything=False)
    assert writes.written == [{"ck_a": 100_500}]
