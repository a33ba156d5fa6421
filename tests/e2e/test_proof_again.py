"""Ten minutes after the last proof, creating and deleting a key ask for the password: at its field, and only then."""

from __future__ import annotations

from playwright.sync_api import expect
from steps import create_key, delete_key, key_shown, let_proof_grow_old, rows, stored

from support.browser import Visits, check
from support.server import PASSWORD, Server, signed


def test_an_old_proof_is_renewed_where_it_is_needed(server: Server, visits: Visits):
    account = server.account(name="Acme Payments Ltd")
    owner = server.person(account, "owner")
    page = visits.new(owner)
    page.goto(f"/accounts/{account}/api-keys/new")
    expect(page.get_by_label("Your password")).to_have_count(0)
    let_proof_grow_old(server, owner.user_id)
    # The page is older than the proof: what was typed is kept, and the password asked for.
    page.get_by_label("Label").fill("Shop")
    page.get_by_role("button", name="Create API key").click()
    expect(page.locator("#password-fault")).to_contain_text("Give your password")
    expect(page.get_by_label("Label")).to_have_value("Shop")
    check(page, "proof-asked")
    page.get_by_label("Your password").fill("not the password")
    page.get_by_role("button", name="Create API key").click()
    expect(page.locator("#password-fault")).to_contain_text("This is not your password")
    expect(page.get_by_label("Your password")).to_have_value("")
    expect(page.get_by_label("Label")).to_have_value("Shop")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Create API key").click()
    key = key_shown(page)
    stored(page)
    assert server.verify(signed(key)).code == "accepted"

    # Proved a moment ago: not asked for again.
    stored_too = create_key(page, label="Test")
    stored(page)
    let_proof_grow_old(server, owner.user_id)
    delete_key(page, key.client_id, name="Shop", password="not the password")
    expect(page.locator("#password-fault")).to_contain_text("This is not your password")
    check(page, "proof-wrong")
    assert server.verify(signed(key)).code == "accepted"
    page.get_by_label("Type the last 4 characters").fill(key.client_id[-4:])
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("status").filter(has_text="Shop is deleted.")).to_be_visible()
    expect(rows(page)).to_have_count(1)
    assert server.verify(signed(key)).code == "credential_unknown"
    assert server.verify(signed(stored_too)).code == "accepted"
