from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from nonce_world import World

from keywright.verification import nonce_beginning, nonce_table


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "nonces")
    yield world
    world.close()


@pytest.fixture
def small_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables so small that they grow all the time."""
    monkeypatch.setattr(nonce_table, "LEAST_SLOTS", 16)
    monkeypatch.setattr(nonce_beginning, "LEAST_SLOTS", 16)
