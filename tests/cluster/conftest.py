"""What tests of several processes share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.nodes import Deployment


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """Nodes on one PostgreSQL database; each test makes and starts its own."""
    made = Deployment(tmp_path)
    try:
        yield made
    finally:
        made.close()
