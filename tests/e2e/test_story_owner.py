"""A corporate Owner, from the invitation to a deleted key, with the relationship manager who opens the door."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect
from steps import (
    create_key,
    delete_key,
    link_in_mail,
    menu,
    relationship_manager,
    rows,
    secret_shown,
    set_password,
    stored,
)

from support.browser import Visits, check, sign_in
from support.mail import mail_to
from support.server import Server, signed, wait_until

OWNER, ADMIN, OPERATOR = "olga.owner@acme.example", "adam.admin@acme.example", "rita@platform.example"


def test_from_the_invitation_to_a_deleted_key(server: Server, visits: Visits):
    operator = visits.new()
    relationship_manager(server, operator, OPERATOR)
    sign_in(operator, OPERATOR)

    account = server.account(name="Acme Payments Ltd", enabled=False)
    body = {"email": OWNER, "name": "Olga Owner", "role": "owner"}
    assert server.call("POST", f"/v1/accounts/{account}/users", body, caller=server.operator).status == 201
    page = visits.new(permissions=["clipboard-read", "clipboard-write"])
    accepts_the_invitation(server, page)
    asks_for_access(page)
    approves(operator)
    assert "API access" in mail_to(server, OWNER)[-1]["Subject"]

    key, client_secret = creates_a_key(page, account)
    assert server.verify(signed(key)).code == "accepted"
    request = signed(key)
    assert server.verify(request).code == "accepted"
    wait_until(lambda: was_used(page), what="the list shows that the key was used")
    check(page, "keys-one")

    deletes_it(page, key.client_id)
    assert server.verify(request).code == "credential_unknown", "the very same request"
    assert server.verify(signed(key)).code == "credential_unknown"
    wait_until(lambda: len([mail for mail in mail_to(server, OWNER) if key.client_id in mail.get_content()]) == 2)
    assert not any(client_secret in mail.get_content() for mail in mail_to(server, OWNER))

    sees_what_was_done(page, key.client_id)
    adds_an_admin(server, visits, page)


def accepts_the_invitation(server: Server, page: Page) -> None:
    link = link_in_mail(server, OWNER, "/invitations/")
    page.goto(link)
    expect(page.get_by_role("heading", name="Welcome")).to_be_visible()
    check(page, "invitation")
    page.get_by_label("Password", exact=True).fill("short")
    page.get_by_role("button", name="Set password").click()
    expect(page.locator("#password-fault")).to_be_visible()
    check(page, "invitation-fault")
    set_password(page, link)
    check(page, "sign-in")
    page.goto(link)
    expect(page.get_by_role("heading", name="This link does not work any more")).to_be_visible()
    check(page, "invitation-used")
    page.goto("/sign-in")
    page.get_by_label("Email").fill(OWNER)
    page.get_by_label("Password", exact=True).fill("not the password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Email")).to_have_value(OWNER)
    check(page, "sign-in-wrong")
    sign_in(page, OWNER)
    expect(page.get_by_role("heading", name="Account", exact=True)).to_be_visible()


def asks_for_access(page: Page) -> None:
    page.locator("details.menu > summary").click()
    check(page, "account-menu")
    sheet = page.locator("details.menu .sheet")
    expect(sheet.get_by_role("link", name="API keys")).to_have_count(0)  # straight in the menu for partners only
    sheet.get_by_role("link", name="Account", exact=True).click()
    expect(page.get_by_role("navigation", name="Account").get_by_role("link")).to_have_text(
        [re.compile(each) for each in ("Account", "API keys", "Users", "Activity")]
    )
    page.get_by_role("navigation", name="Account").get_by_role("link", name="API keys").click()
    expect(page.get_by_role("heading", name="API access is not enabled yet")).to_be_visible()
    expect(page.get_by_role("link", name="Create API key")).to_have_count(0)
    check(page, "access-off")
    page.get_by_label("What should your relationship manager know?").fill("We go live in March.")
    page.get_by_role("button", name="Request API access").click()
    expect(page.get_by_role("heading", name="API access is requested")).to_be_visible()
    check(page, "access-requested")


def approves(operator: Page) -> None:
    operator.goto("/")
    operator.get_by_role("link", name="Access requests").click()
    request = operator.get_by_role("listitem").filter(has_text="Acme Payments Ltd")
    expect(request).to_contain_text("We go live in March.")
    expect(request).to_contain_text(OWNER)
    check(operator, "operator-requests")
    request.get_by_role("button", name="Approve").click()
    expect(operator.get_by_role("status").filter(has_text="API access is enabled")).to_be_visible()


def creates_a_key(page: Page, account: str) -> tuple[object, str]:
    page.reload()
    key = create_key(page, label="Shop, production")
    secret = secret_shown(page)
    expect(page.get_by_role("button", name="Done")).to_be_disabled()
    copied = "async () => await navigator.clipboard.readText()"
    for what, value in (("Client ID", key.client_id), ("Client Secret", secret), ("Account ID", account)):
        button = page.get_by_role("button", name=f"Copy {what}")
        button.click()
        expect(button.locator("+ [role=status]")).to_have_text("Copied")
        assert page.evaluate(copied) == value
    for title, part in (
        ("Environment (.env)", f"KEYWRIGHT_CLIENT_SECRET={secret}"),
        ("JSON", f'"clientSecret": "{secret}"'),
        ("HashiCorp Vault", "vault kv put "),
        ("AWS Secrets Manager", "aws secretsmanager create-secret "),
    ):
        page.get_by_text(title, exact=True).click()
        button = page.get_by_role("button", name=f"Copy {title}")
        button.click()
        expect(button.locator("+ [role=status]")).to_have_text("Copied")
        text = page.evaluate(copied)
        assert part in text
        assert secret in text
    check(page, "secret-forms")
    stored(page)
    row = rows(page).filter(has_text=key.client_id)
    expect(row).to_contain_text("Shop, production")
    expect(row).to_contain_text(OWNER)
    expect(row).to_contain_text("Never")
    return key, secret


def was_used(page: Page) -> bool:
    page.reload()
    return rows(page).filter(has_text="Never").count() == 0


def deletes_it(page: Page, client_id: str) -> None:
    page.get_by_role("link", name="Delete the key Shop, production").click()
    button = page.get_by_role("button", name="Delete for good")
    expect(button).to_be_disabled()
    page.get_by_label("Type the last 4 characters").fill("none")
    expect(button).to_be_disabled()
    check(page, "key-delete")
    page.get_by_role("link", name="Keep it").click()
    expect(rows(page)).to_have_count(1)
    delete_key(page, client_id, name="Shop, production")
    receipt = page.get_by_role("status").filter(has_text="Shop, production is deleted.")
    expect(receipt).to_contain_text("It stopped working everywhere")
    expect(page.get_by_role("heading", name="No API keys yet")).to_be_visible()
    check(page, "key-deleted")


def sees_what_was_done(page: Page, client_id: str) -> None:
    page.get_by_role("navigation", name="Account").get_by_role("link", name="Activity").click()
    expect(page.get_by_text(re.compile(r"All \d+ events are there, in order and unchanged"))).to_be_visible()
    events = page.locator("ol.events li")
    told = [text.split("\n")[0].strip() for text in events.all_inner_texts()]
    assert client_id in told[0]
    assert OWNER in told[0]
    assert client_id in told[1]
    assert any(OPERATOR in each for each in told), told
    check(page, "activity")
    page.get_by_label("About").select_option("keys")
    page.get_by_role("button", name="Filter").click()
    expect(events).to_have_count(2)
    check(page, "activity-filtered")


def adds_an_admin(server: Server, visits: Visits, page: Page) -> None:
    page.get_by_role("navigation", name="Account").get_by_role("link", name="Users").click()
    check(page, "users-one")
    page.get_by_role("link", name="Invite a user").click()
    dialog = page.get_by_role("dialog", name="Invite a user")
    check(page, "user-new")
    dialog.get_by_label("Email").fill(ADMIN)
    dialog.get_by_label("Name").fill("Adam Admin")
    dialog.get_by_label("Admin").check()
    dialog.get_by_role("button", name="Send the invitation").click()
    expect(page.get_by_role("status").filter(has_text=f"An invitation to {ADMIN} is on its way")).to_be_visible()
    expect(rows(page).filter(has_text=ADMIN)).to_contain_text("Invited")
    check(page, "users")
    admin = visits.new()
    set_password(admin, link_in_mail(server, ADMIN, "/invitations/"))
    sign_in(admin, ADMIN)
    side = admin.get_by_role("navigation", name="Account")
    expect(side.get_by_role("link", name="API keys")).to_be_visible()
    expect(side.get_by_role("link", name="Users")).to_have_count(0)
    page.reload()
    expect(rows(page).filter(has_text=ADMIN)).to_contain_text("Active")
    menu(page, "Sign out")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
