"""Every test of this folder runs on each database engine."""

from __future__ import annotations

import pytest

from support.server import ENGINES


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    return str(request.param)
