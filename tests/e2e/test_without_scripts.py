"""With JavaScript off the key page works, but for its copy buttons, which are not there."""

from __future__ import annotations

import re

from playwright.sync_api import expect
from steps import create_key, delete_key, rows, stored

from support.browser import Visits, check, sign_in
from support.server import Server, signed


def test_keys_are_created_and_deleted_without_javascript(server: Server, visits: Visits):
    account = server.account(name="Acme Payments Ltd")
    owner = server.person(account, "owner")
    page = visits.new(scripts=False)
    sign_in(page, owner.email)
    page.get_by_role("link", name="API keys").first.click()
    key = create_key(page, label="Shop")
    expect(page.get_by_role("button", name=re.compile("^Copy"))).to_have_count(0)
    check(page, "no-script-secret")
    page.get_by_text("JSON", exact=True).click()
    expect(page.get_by_text('"clientSecret"').first).to_be_visible()
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#client-secret")).to_be_visible()  # not before one has said that it is stored
    stored(page)
    assert server.verify(signed(key)).code == "accepted"
    check(page, "no-script-keys")
    page.get_by_role("link", name="Delete the key Shop").click()
    page.get_by_label("Type the last 4 characters").fill("none")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.locator("#typed-fault")).to_be_visible()
    check(page, "no-script-delete-fault")
    assert server.verify(signed(key)).code == "accepted"
    page.get_by_role("link", name="Keep it").click()
    delete_key(page, key.client_id, name="Shop")
    expect(page.get_by_role("status").filter(has_text="Shop is deleted.")).to_be_visible()
    expect(rows(page)).to_have_count(0)
    assert server.verify(signed(key)).code == "credential_unknown"


def test_api_access_is_requested_without_javascript(server: Server, visits: Visits):
    account = server.account(name="Northwind Trading", enabled=False)
    page = visits.new(server.person(account, "admin"), scripts=False)
    page.goto(f"/accounts/{account}/api-keys")
    expect(page.get_by_role("link", name="Create API key")).to_have_count(0)
    page.get_by_label("What should your relationship manager know?").fill("We go live in March.")
    page.get_by_role("button", name="Request API access").click()
    expect(page.get_by_role("heading", name="API access is requested")).to_be_visible()
    page.locator("details.menu > summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
