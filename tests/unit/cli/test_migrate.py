"""A long move tells how far it is, once a second at most; a program is told nothing but the result."""

from __future__ import annotations

import pytest

from keywright.cli import migrate
from keywright.cli.migrate import _Telling


def test_a_long_move_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    now = 0.0
    monkeypatch.setattr(migrate.time, "monotonic", lambda: now)
    telling = _Telling(is_silent=False)
    for now in (0.5, 1.0, 1.5, 1.9, 2.1):
        telling.rows("copied", "people", int(now * 10), 30)
    now = 4.0
    telling.events("acc_1", 7)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == ("copied people: 10 of 30\ncopied people: 21 of 30\nchecked 7 audit events, now in acc_1\n")


def test_a_program_is_told_nothing_meanwhile(capsys: pytest.CaptureFixture[str]):
    telling = _Telling(is_silent=True)
    telling._told_at = -1e9
    telling.rows("copied", "people", 1, 2)
    assert capsys.readouterr().err == ""
