"""Ten minutes after the last proof, what matters asks for the password: at its field, and only then."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect
from steps import change, create_key, delete_key, key_shown, let_proof_grow_old, relationship_manager, rows, stored

from support.browser import Visits, check, sign_in
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


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_relationship_manager_proves_it_before_deciding(server: Server, visits: Visits, *, scripts: bool):
    email = f"richard.{'with' if scripts else 'without'}@platform.example"
    account = server.account(name="Northwind Trading", enabled=False)
    owner = server.person(account, "owner")
    asked = server.call("POST", f"/v1/accounts/{account}/api-access/requests", {"message": "Please"}, caller=owner)
    assert asked.status == 202
    page = visits.new(scripts=scripts)
    relationship_manager(server, page, email)
    sign_in(page, email)
    page.goto("/operator/requests")
    with_old_proof(server, email)
    # The page is older than the proof: its button asks now.
    page.get_by_role("button", name="Approve the request of Northwind Trading").click()
    expect(page.locator("#password-fault")).to_contain_text("Give your password")
    page.get_by_role("link", name="Not now").click()
    page.get_by_role("link", name="Approve the request of Northwind Trading").click()
    expect(page.get_by_role("dialog")).to_contain_text("Please")
    check(page, f"operator-proof-{'scripts' if scripts else 'no-scripts'}")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Approve the request").click()
    expect(page.get_by_role("status").filter(has_text="API access is enabled for Northwind Trading")).to_be_visible()
    key = server.key(account)

    with_old_proof(server, email)
    page.goto(f"/operator/accounts/{account}/switch-off")
    page.get_by_label("Reason").fill("The invoice is open.")
    page.get_by_label("Type the account's name to confirm").fill("northwind trading")
    page.get_by_role("button", name="Switch off now").click()
    # Browsers send the form as it is, so that its fault is ours to tell; nothing that was typed is lost.
    expect(page.locator("#password-fault")).to_contain_text("Give your password")
    assert server.verify(signed(key)).code == "accepted"
    expect(page.get_by_label("Reason")).to_have_value("The invoice is open.")
    expect(page.get_by_label("Type the account's name to confirm")).to_have_value("northwind trading")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Switch off now").click()
    expect(page.get_by_role("status").filter(has_text="API access of Northwind Trading is off.")).to_be_visible()
    assert server.verify(signed(key)).code == "api_access_disabled"


def test_a_new_account_is_created_once_though_the_answer_is_reloaded(server: Server, visits: Visits):
    email = "rebecca@platform.example"
    page = visits.new(scripts=False)
    relationship_manager(server, page, email)
    sign_in(page, email)
    page.goto("/operator/accounts/new")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("Reloaded Ltd")
    dialog.get_by_label("Email").fill("rory@reloaded.example")
    dialog.get_by_label("Name of the user").fill("Rory")
    dialog.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("dialog", name="Reloaded Ltd is created.")).to_be_visible()
    page.reload()
    expect(page.get_by_role("status").filter(has_text="Reloaded Ltd was created already.")).to_be_visible()
    assert urlsplit(page.url).path.startswith("/operator/accounts/acc_")
    page.goto("/operator/accounts?q=reloaded")
    expect(rows(page)).to_have_count(1)


def with_old_proof(server: Server, email: str) -> None:
    change(
        server,
        "UPDATE sessions SET proved_at = proved_at - 660000 WHERE person_id = (SELECT id FROM people WHERE email = ?)",
        email,
    )
