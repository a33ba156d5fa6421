"""Fixtures that more than one kind of test needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.server import ENGINES, Server, choose_engine, running


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "engines(*names): the database engines that a test runs on, one after the other")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of tests/http on each engine, others on SQLite, unless they are marked."""
    marked = metafunc.definition.get_closest_marker("engines")
    if marked is not None or "http" in metafunc.definition.path.parts:
        metafunc.parametrize("engine", marked.args if marked else ENGINES, indirect=True, scope="session")


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> str:
    """The database engine that servers are started on."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture(scope="session", autouse=True)
def chosen_engine(engine: str) -> Iterator[None]:
    choose_engine(engine)
    yield
    choose_engine("sqlite")


@pytest.fixture(scope="session")
def server(chosen_engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that leave it as they found it; two gateway workers, so that nothing is one's own."""
    with running(tmp_path_factory.mktemp("server") / "data", workers=2, KEYWRIGHT_ENVIRONMENT="sandbox") as found:
        yield found


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory of this test's own."""
    return tmp_path / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: their driver keeps an event loop of its own, beside which no other can run."""
    items.sort(key=lambda item: "e2e" in item.path.parts)
