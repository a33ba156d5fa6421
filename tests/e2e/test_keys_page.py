"""The API keys page as one sees it: empty, full, with long names and old keys, on a phone; and error pages."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from steps import change, create_key, delete_key, rows, stored

from support.browser import NARROW, Visits, check
from support.server import Server, signed

LONG_EMAIL = f"integration-of-the-payments-team-for-the-north@{'very-long-' * 5}subsidiary.example.com"
LONG_LABEL = "Reconciliation_of_incoming_payments_" + "production-eu-central-1-" * 2 + "blue"


@pytest.fixture(scope="module")
def account(server: Server) -> str:
    return server.account(name="Acme Payments Ltd")


def test_an_account_without_keys_is_led_to_its_first(server: Server, visits: Visits, account: str):
    page = visits.new(server.person(account, "owner"))
    page.goto(f"/accounts/{account}/api-keys")
    expect(page.get_by_role("heading", name="No API keys yet")).to_be_visible()
    check(page, "keys-empty")
    page.get_by_role("link", name="Create your first API key").click()
    expect(page.get_by_role("dialog", name="Create an API key")).to_be_visible()
    page.get_by_text("Advanced").click()
    check(page, "key-new-advanced")


def test_wrong_input_is_told_at_its_field_and_what_was_typed_stays(server: Server, visits: Visits, account: str):
    page = visits.new(server.person(account, "admin"))
    page.goto(f"/accounts/{account}/api-keys/new")
    page.get_by_label("Email").fill("nobody at nowhere")
    page.get_by_label("Label").fill("Shop")
    page.get_by_role("button", name="Create API key").click()
    told = page.locator("#email-fault")
    expect(told).to_be_visible()
    expect(page.get_by_label("Email")).to_have_attribute("aria-describedby", "email-hint email-fault")
    expect(page.get_by_label("Email")).to_have_value("nobody at nowhere")
    expect(page.get_by_label("Label")).to_have_value("Shop")
    check(page, "key-new-fault")
    page.keyboard.press("Escape")
    expect(page).to_have_url(f"{visits.base_url}/accounts/{account}/api-keys")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_ten_rows_with_long_names_and_keys_that_nobody_uses(server: Server, visits: Visits):
    account = server.account(name="Acme Payments Ltd")
    owner = server.person(account, "owner", LONG_EMAIL)
    for label in ("Shop, production", "Shop, test", None, "Payouts", LONG_LABEL, "Refunds", "Ledger", "Old importer"):
        server.key(account, caller=owner, **({} if label is None else {"label": label}))
    server.key(account, caller=owner, email=LONG_EMAIL, label=LONG_LABEL)
    used = server.key(account, caller=owner, algorithm="hmac-sha256", label="Terminal")
    old = 91 * 86_400_000
    change(server, "UPDATE credentials SET created_at = created_at - ? WHERE label = 'Old importer'", old)
    change(server, "UPDATE credentials SET last_used_at = created_at - ? WHERE client_id = ?", old, used.client_id)
    page = visits.new(owner)
    page.goto(f"/accounts/{account}/api-keys")
    expect(rows(page)).to_have_count(10)
    expect(page.get_by_role("heading", name="10 of 10 keys")).to_be_visible()
    expect(rows(page).filter(has_text="Unused for 90 days")).to_have_count(2)
    button = page.get_by_role("link", name="Create API key")
    expect(button).to_be_disabled()
    expect(button).to_have_accessible_description("No more can be created: delete a key that is not used to make room.")
    check(page, "keys-full")
    row = rows(page).filter(has_text=LONG_LABEL).first
    row.get_by_role("link", name="Delete the key").click()
    expect(page.get_by_role("dialog")).to_contain_text(LONG_LABEL)
    check(page, "key-delete-long")


def test_a_key_is_created_used_and_deleted_on_a_phone(server: Server, visits: Visits, account: str):
    page = visits.new(server.person(account, "owner"), viewport=NARROW, has_touch=True, is_mobile=True)
    page.goto(f"/accounts/{account}")
    page.get_by_role("navigation", name="Account").get_by_role("link", name="API keys").tap()
    key = create_key(page, label="Phone", algorithm="HMAC-SHA256")
    stored(page)
    assert server.verify(signed(key)).code == "accepted"
    expect(rows(page).filter(has_text="Phone")).to_contain_text(key.client_id)
    delete_key(page, key.client_id, name="Phone")
    expect(page.get_by_role("status").filter(has_text="Phone is deleted.")).to_be_visible()
    expect(rows(page).filter(has_text="Phone")).to_have_count(0)
    assert server.verify(signed(key)).code == "credential_unknown"


def test_addresses_that_lead_nowhere_and_forms_of_elsewhere_are_pages_too(server: Server, visits: Visits, account: str):
    page = visits.new(server.person(account, "owner"))
    answer = page.goto("/accounts/acct_nowhere/api-keys")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
    check(page, "error-404")
    page.goto(f"/accounts/{account}/api-keys/new")
    page.locator("input[name=csrf]").last.evaluate("(field) => { field.value = 'of another page'; }")
    page.get_by_role("button", name="Create API key").click()
    expect(page.get_by_role("heading", name="This was not done")).to_be_visible()
    check(page, "error-403")
    page.get_by_role("link", name="To the start page").click()
    expect(page.get_by_role("heading", name="Account")).to_be_visible()
