"""People for the tests of identity."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from people_world import PeopleWorld

from keywright.storage.migrate import migrate


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[PeopleWorld]:
    migrate(f"sqlite:///{tmp_path}/people.db")
    found = PeopleWorld(tmp_path / "people.db")
    await found.begin()
    yield found
    await found.database.close()
