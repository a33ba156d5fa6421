"""The browser and the server that all stories share. The driver ends before other folders' tests run event loops."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from support.browser import Visits, free_port, launch, visiting
from support.server import Server, running


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that is reached by a name, as passkeys want it."""
    port = free_port()
    folder = tmp_path_factory.mktemp("e2e")
    with running(folder / "data", port=port, KEYWRIGHT_PUBLIC_URL=f"http://localhost:{port}") as found:
        yield found


@pytest.fixture(scope="package")
def driver() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser(driver: Playwright) -> Iterator[Browser]:
    found = launch(driver)
    yield found
    found.close()


@pytest.fixture
def visits(browser: Browser, server: Server) -> Iterator[Visits]:
    """The people of one test."""
    with visiting(browser, server.environment["KEYWRIGHT_PUBLIC_URL"]) as found:
        yield found
