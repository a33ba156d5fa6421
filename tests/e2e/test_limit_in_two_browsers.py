"""Two people create the tenth key at once: one gets it, the other is told why not."""

from __future__ import annotations

from playwright.sync_api import expect
from steps import key_shown, rows, stored

from support.browser import Visits, check
from support.server import Server, signed


def test_two_browsers_at_the_limit(server: Server, visits: Visits):
    account = server.account(name="Acme Payments Ltd")
    for number in range(9):
        server.key(account, label=f"Integration {number + 1}")
    pages = [visits.new(server.person(account, role)) for role in ("owner", "admin")]
    for page in pages:
        page.goto(f"/accounts/{account}/api-keys/new")
        page.get_by_label("Label").fill("The tenth")
        expect(page.get_by_role("heading", name="9 of 10 keys", include_hidden=True)).to_be_attached()
    for page in pages:
        page.evaluate("() => document.querySelector('dialog form').requestSubmit()")
    for page in pages:
        expect(page.locator("#client-secret, .notice.bad").first).to_be_visible()
    winners = [page for page in pages if page.locator("#client-secret").count()]
    assert len(winners) == 1
    loser = next(page for page in pages if page is not winners[0])
    expect(loser.get_by_role("alert")).to_contain_text("10 active API keys")
    check(loser, "keys-limit-reached")
    key = key_shown(winners[0])
    assert server.verify(signed(key)).code == "accepted"
    stored(winners[0])
    for page in pages:
        expect(page.get_by_role("heading", name="10 of 10 keys")).to_be_visible()
        expect(rows(page)).to_have_count(10)
        expect(rows(page).filter(has_text="The tenth")).to_have_count(1)
        button = page.get_by_role("link", name="Create API key")
        expect(button).to_be_disabled()
        expect(button).to_have_accessible_description(
            "No more can be created: delete a key that is not used to make room."
        )
    loser.goto(f"/accounts/{account}/api-keys/new")
    expect(loser.get_by_role("alert")).to_contain_text("10 active API keys")
    expect(loser.get_by_role("dialog")).to_have_count(0)
