"""The secret is shown once: no way of the browser brings it back, and it is nowhere that a browser keeps things."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, Page, Playwright, expect
from recorder import Recorder, recording
from steps import create_key, rows, secret_shown, stored

from support.browser import Visits, check, launch, visiting
from support.server import Caller, Server, signed

_WHAT_IS_KEPT = """async () => JSON.stringify([
  { ...localStorage }, { ...sessionStorage }, document.cookie, history.state, window.name,
  await indexedDB.databases(), await caches.keys(), document.documentElement.outerHTML,
])"""


@pytest.fixture(scope="module")
def account(server: Server) -> str:
    return server.account(name="Acme Payments Ltd")


@pytest.fixture
def owner(server: Server, account: str) -> Caller:
    return server.person(account, "owner")


@pytest.fixture(scope="module")
def browser_that_keeps_pages(driver: Playwright) -> Iterator[Browser]:
    """As people's browsers: going back shows the page as it was left, if the page allows."""
    found = launch(driver, ignore_default_args=["--disable-back-forward-cache"])
    yield found
    found.close()


@pytest.fixture
def recorder(server: Server) -> Iterator[Recorder]:
    with recording(server.port) as found:
        yield found


@pytest.fixture
def recorded(browser_that_keeps_pages: Browser, recorder: Recorder) -> Iterator[Visits]:
    with visiting(browser_that_keeps_pages, recorder.base_url) as found:
        yield found


def go(page: Page, way: str) -> None:
    """Go back or forward, also to a page that the browser kept, whose coming back Playwright does not wait for."""
    page.evaluate(f"() => setTimeout(() => history.{way}(), 50)")
    state = ""
    while state != "complete":
        page.wait_for_timeout(300)
        with contextlib.suppress(Error):  # it is just then leaving
            state = page.evaluate("() => document.readyState")


def assert_nothing_left(page: Page, secret: str) -> None:
    assert secret[-40:] not in page.evaluate(_WHAT_IS_KEPT)
    assert not any(secret[-40:] in cookie["value"] for cookie in page.context.cookies())


def test_no_way_brings_the_secret_back(recorded: Visits, recorder: Recorder, owner: Caller, account: str):
    page = recorded.new(owner)
    here = f"{recorder.base_url}/accounts/{account}/api-keys"
    page.goto(here)
    with page.expect_response(lambda answer: answer.request.method == "POST") as caught:
        key = create_key(page, label="Shop")
    assert caught.value.headers["cache-control"] == "no-store"
    expect(page.locator("#account-id")).to_have_text(account)
    secret, once = secret_shown(page), len(recorder.answered)
    assert secret.encode() in recorder.answered, "the recorder sees what the browser sees"
    check(page, "secret")

    page.reload()
    expect(rows(page).filter(has_text=key.client_id)).to_have_count(1)
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert_nothing_left(page, secret)
    for way in ("back", "back", "forward", "forward"):
        go(page, way)
        assert_nothing_left(page, secret)
    page.goto(here)
    assert_nothing_left(page, secret)
    second = page.context.new_page()
    second.goto(here)
    expect(rows(second).filter(has_text=key.client_id)).to_have_count(1)
    assert_nothing_left(second, secret)
    assert secret.encode() not in recorder.answered[once:]
    assert secret.encode() not in recorder.asked


def test_going_back_after_storing_it_shows_the_list(recorded: Visits, recorder: Recorder, owner: Caller, account: str):
    page = recorded.new(owner)
    page.goto(f"/accounts/{account}/api-keys")
    create_key(page)
    secret, once = secret_shown(page), len(recorder.answered)
    for _ in range(3):
        # A dialog that Escape closes would take the secret along.
        page.keyboard.press("Escape")
    expect(page.locator("#client-secret")).to_be_visible()
    expect(page.get_by_role("button", name="Done")).to_be_disabled()
    stored(page)
    for way in ("back", "back", "forward"):
        go(page, way)
        assert_nothing_left(page, secret)
    assert secret.encode() not in recorder.answered[once:]


def test_leaving_for_another_page_empties_what_the_browser_may_keep(
    recorded: Visits, recorder: Recorder, owner: Caller, account: str
):
    page = recorded.new(owner)
    page.goto(f"/accounts/{account}")
    # This browser does keep pages: a file that may be kept comes back as it was left.
    with recorded.browser.new_page(base_url=recorder.base_url) as other:
        other.goto(page.locator("link[rel=icon]").get_attribute("href") or "")
        other.evaluate("() => { window.wasKept = true; }")
        other.goto("/sign-in")
        go(other, "back")
        assert other.evaluate("() => window.wasKept === true")

    page.goto(f"/accounts/{account}/api-keys")
    key = create_key(page)
    secret, once = secret_shown(page), len(recorder.answered)
    page.goto(f"/accounts/{account}")
    go(page, "back")
    expect(rows(page).filter(has_text=key.client_id)).to_have_count(1)
    assert_nothing_left(page, secret)
    assert secret.encode() not in recorder.answered[once:]


def test_sending_the_form_again_makes_no_second_key(
    recorded: Visits, recorder: Recorder, server: Server, owner: Caller, account: str
):
    page = recorded.new(owner, scripts=False)
    page.goto(f"/accounts/{account}/api-keys")
    key = create_key(page, label="Sent twice")
    secret, once = secret_shown(page), len(recorder.answered)
    assert server.verify(signed(key)).code == "accepted"
    page.reload()
    assert recorder.asked.count(b"POST /accounts/") == 2, "reloading sent the form again"
    expect(page.get_by_role("alert")).to_be_visible()
    expect(rows(page).filter(has_text="Sent twice")).to_have_count(1)
    check(page, "secret-sent-again")
    go(page, "back")
    go(page, "forward")
    assert secret not in page.content()
    page.goto(f"/accounts/{account}/api-keys")
    expect(rows(page).filter(has_text="Sent twice")).to_have_count(1)
    assert secret.encode() not in recorder.answered[once:]
