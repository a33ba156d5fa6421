"""A passkey, kept by a virtual authenticator: added, signed in with, and given as proof before a key is deleted."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect
from steps import create_key, let_proof_grow_old, menu, stored

from support.browser import Visits, check, sign_in
from support.server import Server, signed


def with_authenticator(page: Page) -> None:
    """Give a browser a device that keeps passkeys and always recognises its owner."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )


def test_a_passkey_signs_in_and_proves(server: Server, visits: Visits):
    account = server.account(name="Acme Payments Ltd")
    owner = server.person(account, "owner")
    page = visits.new()
    with_authenticator(page)
    sign_in(page, owner.email)
    menu(page, "Sign-in and security")
    page.get_by_role("link", name="Add a passkey").click()
    check(page, "passkey-new")
    page.get_by_label("Name").fill("Work laptop")
    page.get_by_role("button", name="Add passkey").click()
    expect(page.get_by_role("dialog", name="Store your recovery codes now")).to_be_visible()
    page.get_by_label("I have stored them").check()
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("listitem").filter(has_text="Work laptop").last).to_contain_text("not used yet")
    check(page, "security-passkey")

    menu(page, "Sign out")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(re.compile("/accounts/"))
    page.goto(f"/accounts/{account}/api-keys")
    key = create_key(page, label="Shop")
    stored(page)

    let_proof_grow_old(server, owner.user_id)
    page.get_by_role("link", name="Delete the key Shop").click()
    page.get_by_label("Type the last 4 characters").fill(key.client_id[-4:])
    check(page, "proof-by-passkey")
    page.get_by_role("button", name="Use a passkey instead").click()
    expect(page.get_by_text("Confirmed. Go on.")).to_be_visible()
    expect(page.get_by_label("Your password")).to_have_count(0)
    check(page, "proof-by-passkey-done")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("status").filter(has_text="Shop is deleted.")).to_be_visible()
    assert server.verify(signed(key)).code == "credential_unknown"

    menu(page, "Sign-in and security")
    expect(page.get_by_role("listitem").filter(has_text="Work laptop").last).to_contain_text("last used")
    # The password alone no longer opens the account.
    other = visits.new()
    sign_in(other, owner.email)
    expect(other.get_by_role("heading", name="One more step")).to_be_visible()
    check(other, "second-factor-passkey")
