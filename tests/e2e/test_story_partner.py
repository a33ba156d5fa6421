"""A partner organisation: its Partner Admin reaches the keys straight from the account menu and manages users."""

from __future__ import annotations

from playwright.sync_api import expect
from steps import create_key, delete_key, link_in_mail, menu, rows, set_password, stored

from support.browser import Visits, check, sign_in
from support.server import Server, signed

AGENT = "oscar.agent@bridge.example"


def test_a_partner_admin_manages_keys_and_users(server: Server, visits: Visits):
    account = server.account("partner", name="Bridge Partners")
    admin = server.person(account, "partner_admin", "paula@bridge.example")
    page = visits.new()
    sign_in(page, admin.email)
    page.locator("details.menu > summary").click()
    check(page, "partner-menu")
    page.locator("details.menu .sheet").get_by_role("link", name="API keys").click()
    key = create_key(page, label="Onboarding")
    stored(page)
    assert server.verify(signed(key)).code == "accepted"

    page.get_by_role("navigation", name="Account").get_by_role("link", name="Users").click()
    page.get_by_role("link", name="Remove paula@bridge.example").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("You are the last Partner Admin.")
    expect(dialog.get_by_role("button")).to_have_count(0)
    check(page, "user-last-manager")
    dialog.get_by_role("link", name="Back to the users").click()
    page.get_by_role("link", name="Invite a user").click()
    dialog.get_by_label("Email").fill(AGENT)
    dialog.get_by_label("Name").fill("Oscar Agent")
    dialog.get_by_label("Onboarding Agent").check()
    dialog.get_by_role("button", name="Send the invitation").click()
    expect(rows(page).filter(has_text=AGENT)).to_contain_text("Onboarding Agent")

    sees_neither_keys_nor_users(server, visits, account)

    page.get_by_role("link", name=f"Change role of {AGENT}").click()
    check(page, "user-role")
    page.get_by_label("Partner Admin").check()
    page.get_by_role("button", name="Change the role").click()
    expect(rows(page).filter(has_text=AGENT)).to_contain_text("Partner Admin")
    page.get_by_role("link", name=f"Remove {AGENT}").click()
    check(page, "user-remove")
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_role("status").filter(has_text=f"{AGENT} is removed.")).to_be_visible()
    expect(rows(page)).to_have_count(1)

    menu(page, "API keys")
    delete_key(page, key.client_id, name="Onboarding")
    expect(page.get_by_role("status").filter(has_text="Onboarding is deleted.")).to_be_visible()
    assert server.verify(signed(key)).code == "credential_unknown"


def sees_neither_keys_nor_users(server: Server, visits: Visits, account: str) -> None:
    page = visits.new()
    set_password(page, link_in_mail(server, AGENT, "/invitations/"))
    sign_in(page, AGENT)
    page.locator("details.menu > summary").click()
    expect(page.get_by_role("link", name="API keys")).to_have_count(0)
    expect(page.get_by_role("link", name="Users")).to_have_count(0)
    check(page, "agent-account")
    for part in ("api-keys", "api-keys/new", "users", "activity"):
        answer = page.goto(f"/accounts/{account}/{part}")
        assert answer is not None
        assert answer.status == 404
        expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
