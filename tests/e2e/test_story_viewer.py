"""A Viewer sees the account and nothing of its keys; someone of two accounts switches between them."""

from __future__ import annotations

import re

from playwright.sync_api import expect
from steps import menu

from support.browser import Visits, check, sign_in
from support.server import Server


def test_a_viewer_does_not_see_the_keys_at_all(server: Server, visits: Visits):
    account = server.account(name="Acme Payments Ltd")
    server.key(account, label="Shop")
    viewer = server.person(account, "viewer")
    page = visits.new()
    page.goto(f"/accounts/{account}/api-keys")
    expect(page).to_have_url(re.compile("/sign-in"))
    sign_in(page, viewer.email)
    expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
    page.get_by_role("link", name="To the start page").click()
    expect(page.get_by_text("API keys are managed by an Owner or Admin of this account.")).to_be_visible()
    page.locator("details.menu > summary").click()
    for name in ("API keys", "Users", "Activity"):
        expect(page.get_by_role("link", name=name)).to_have_count(0)
    check(page, "viewer-account")
    nowhere = page.request.get("/accounts/acc_nowhere/api-keys", headers={"Accept": "text/html"}).text()
    for part in ("api-keys", "api-keys/new", "users", "activity", "activity.csv"):
        answer = page.goto(f"/accounts/{account}/{part}")
        assert answer is not None
        assert answer.status == 404
        assert answer.text() == nowhere, "the same as where there is no account"


def test_someone_of_several_accounts_switches_in_the_menu(server: Server, visits: Visits):
    email = "sam.several@group.example"
    first = server.account(name="Group Treasury of the Northern Region and its Subsidiaries Ltd")
    second = server.account("partner", name="Group Partners")
    server.person(first, "viewer", email)
    server.person(second, "partner_admin", email)
    page = visits.new()
    sign_in(page, email)
    expect(page.get_by_role("heading", name="Your accounts")).to_be_visible()
    check(page, "accounts")
    page.get_by_role("main").get_by_role("link", name="Group Treasury").click()
    expect(page.get_by_role("navigation", name="Account").get_by_role("link", name="API keys")).to_have_count(0)
    page.locator("details.menu > summary").click()
    check(page, "accounts-switch")
    page.locator("details.menu > summary").click()
    menu(page, "Group Partners")
    expect(page).to_have_url(re.compile(second))
    expect(page.locator("details.menu > summary")).to_contain_text("Group Partners")
    menu(page, "API keys")
    expect(page.get_by_role("heading", name="API keys", exact=True)).to_be_visible()
