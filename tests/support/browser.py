"""A real Chromium for the tests of the pages, people in front of it, and what is looked at on every page."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Playwright, Response, expect

from support.server import PASSWORD, Caller, Server

_TESTS = Path(__file__).parents[1]
SCREENSHOTS = _TESTS / "e2e" / "screenshots"
_AXE = _TESTS / "peers" / "node_modules" / "axe-core" / "axe.min.js"
_DEBIAN_CHROMIUM = Path("/usr/bin/chromium")
# Nothing leaves this machine, and nothing asks the graphics card that it does not have.
_ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE = {"width": 1200, "height": 800}
NARROW = {"width": 320, "height": 640}
_LOOKS = [("light", WIDE), ("light", NARROW), ("dark", WIDE), ("dark", NARROW)]
_SLOW_MACHINE_MS = 15_000
_ASK_AXE = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  const told = (each) => `${each.impact} ${each.id}: ${each.help}`;
  const where = (node) => `    ${node.html} ${node.failureSummary}`;
  return violations.filter((each) => ["serious", "critical"].includes(each.impact))
    .map((each) => [told(each), ...each.nodes.map(where)].join("\\n"));
}"""

expect.set_options(timeout=_SLOW_MACHINE_MS)


def launch(playwright: Playwright, **options: Any) -> Browser:
    """Start Debian's Chromium, or Playwright's own where there is no Debian.

    Args:
        playwright: the driver.
        **options: of `BrowserType.launch` besides.
    """
    arguments = [*_ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    found = _DEBIAN_CHROMIUM if _DEBIAN_CHROMIUM.exists() else Path(playwright.chromium.executable_path)
    assert found.exists(), (
        "these tests drive Chromium, and none is here. On Debian, as root: apt-get install chromium fonts-liberation."
        " Elsewhere: .venv/bin/playwright install chromium"
    )
    return playwright.chromium.launch(executable_path=found, args=arguments, timeout=60_000, **options)


def free_port() -> int:
    """A port that nobody listens on now; for a server that must know its address before it starts."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Visits:
    """Browsers of people, each with cookies of its own, and what went wrong in their consoles."""

    browser: Browser
    base_url: str
    contexts: list[BrowserContext] = field(default_factory=list)
    said: list[tuple[str, str]] = field(default_factory=list)  # address and text of each error
    refused: set[str] = field(default_factory=set)  # pages that answered with an error, as the test wants it

    def new(self, caller: Caller | None = None, *, viewport: Any = None, scripts: bool = True, **options: Any) -> Page:
        """Open a browser for someone: who signs in through the page, or who is signed in already.

        Args:
            caller: has a session; None for a guest.
            viewport: `WIDE` unless told.
            scripts: whether JavaScript is on.
            **options: of `Browser.new_context` besides.
        """
        context = self.browser.new_context(
            base_url=self.base_url,
            viewport=viewport or WIDE,
            reduced_motion="reduce",
            java_script_enabled=scripts,
            locale="en-GB",
            **options,
        )
        context.set_default_timeout(_SLOW_MACHINE_MS)
        context.on("console", self._listen)
        context.on("weberror", lambda error: self.said.append((error.page.url if error.page else "", str(error.error))))
        context.on("response", self._see)
        self.contexts.append(context)
        if caller is not None:
            name, value = caller.headers["Cookie"].split("=", 1)
            context.add_cookies([{"name": name, "value": value, "url": self.base_url, "httpOnly": True}])
        return context.new_page()

    def close(self) -> None:
        """Close them all; whatever a console called an error, a violation of the policy among them, fails the test."""
        for context in self.contexts:
            context.close()
        told = [f"{url}: {text}" for url, text in self.said if not self._is_refusal(url, text)]
        assert not told, "\n".join(told)

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.said.append((message.location["url"], message.text))

    def _see(self, response: Response) -> None:
        if response.status >= 400 and response.request.resource_type == "document":
            self.refused.add(response.url)

    def _is_refusal(self, url: str, text: str) -> bool:
        return url in self.refused and text.startswith("Failed to load resource: the server responded with a status")


@contextlib.contextmanager
def visiting(browser: Browser, base_url: str) -> Iterator[Visits]:
    """Let people visit, and judge at the end what their consoles said."""
    visits = Visits(browser, base_url)
    try:
        yield visits
    except BaseException:
        for context in visits.contexts:
            with contextlib.suppress(Error):
                context.close()
        raise
    visits.close()


def check(page: Page, name: str) -> None:
    """Look at a page in light and dark, wide and narrow: screenshots, nothing serious by axe, no scrolling sideways.

    Args:
        page: as it is now; it is left as it was.
        name: of the screenshots.
    """
    SCREENSHOTS.mkdir(exist_ok=True)
    before, findings = page.viewport_size, []
    is_modal = page.locator("dialog[open]").count() > 0
    # With JavaScript off axe would wait for ever; such pages are the same markup, so their layout is looked at alone.
    is_scripted = page.locator("html.scripted").count() > 0
    if is_scripted:
        page.evaluate(_AXE.read_text())
    for scheme, size in _LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(size)
        file = SCREENSHOTS / f"{name}-{scheme}-{size['width']}.png"
        # What lies below a modal dialog would show without its veil where the window ends.
        page.screenshot(path=file, full_page=not is_modal)
        # Each scheme and each width once; all four would find little more, and take a second each.
        if is_scripted and (scheme == "dark") == (size is NARROW):
            findings += [f"{scheme}, {size['width']} px: {found}" for found in page.evaluate(_ASK_AXE)]
        findings += [f"{size['width']} px: {found} can be scrolled sideways" for found in _wider_than_shown(page)]
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(before or WIDE)
    assert not findings, f"{page.url}\n" + "\n".join(findings)


def _wider_than_shown(page: Page) -> list[str]:
    found: list[str] = page.evaluate(
        "() => [document.documentElement, ...document.querySelectorAll('dialog[open]')]"
        ".filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.localName)"
    )
    return found


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    """Sign in through the page, and wait until one is somewhere else."""
    if urlsplit(page.url).path != "/sign-in":
        page.goto("/sign-in")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).not_to_have_url(re.compile(r"/sign-in(\?|$)"))


def local(server: Server, url: str) -> str:
    """The path of an address that a mail names, which must lead to this server."""
    base = server.environment["KEYWRIGHT_PUBLIC_URL"]
    assert url.startswith(f"{base}/"), url
    return url.removeprefix(base)
