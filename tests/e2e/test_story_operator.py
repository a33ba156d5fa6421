"""A relationship manager: creates accounts, decides on API access, switches it off, and never sees a secret."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import Page, expect
from steps import link_in_mail, relationship_manager, rows, set_password

from support.browser import Visits, check, sign_in
from support.mail import mail_to
from support.server import Server, signed

OPERATOR, OWNER = "richard@platform.example", "nora.owner@riverbank.example"


def test_the_console_from_a_new_account_to_one_that_is_switched_off(server: Server, visits: Visits):
    page = visits.new()
    relationship_manager(server, page, OPERATOR)
    sign_in(page, OPERATOR)
    for name in ("Sandbank Traders", "Fogbank Payments and Collections International Holding GmbH"):
        server.account("partner", name=name, enabled=False)
    page.goto("/")
    expect(page.get_by_role("heading", name="Accounts", exact=True)).to_be_visible()

    account = creates_an_account(page)
    owner = visits.new()
    set_password(owner, link_in_mail(server, OWNER, "/invitations/"))
    sign_in(owner, OWNER)
    owner.goto(f"/accounts/{account}/api-keys")
    owner.get_by_label("What should your relationship manager know?").fill("We begin tomorrow.")
    owner.get_by_role("button", name="Request API access").click()
    expect(owner.get_by_role("heading", name="API access is requested")).to_be_visible()
    assert "API access" in mail_to(server, OPERATOR)[-1]["Subject"]

    declines(server, page)
    owner.reload()
    expect(owner.get_by_role("heading", name="API access was declined")).to_be_visible()
    check(owner, "access-declined")
    finds_accounts(page)

    page.goto(f"/operator/accounts/{account}")
    page.get_by_role("button", name="Enable API access").click()
    expect(page.get_by_role("status").filter(has_text="API access is enabled for Riverbank Trading")).to_be_visible()
    kept, deleted = (server.key(account, label=label) for label in ("Shop", "Payouts"))
    deletes_a_key(page, deleted.client_id)
    assert server.verify(signed(deleted)).code == "credential_unknown"
    switches_off(page)
    assert server.verify(signed(kept)).code == "api_access_disabled"
    owner.reload()
    expect(owner.get_by_role("heading", name="API access is switched off")).to_be_visible()
    expect(rows(owner)).to_have_count(1)
    check(owner, "access-switched-off")
    # The console is no account's: its person finds nothing at an account's own pages.
    answer = page.goto(f"/accounts/{account}/api-keys")
    assert answer is not None
    assert answer.status == 404
    answer = owner.goto("/operator/accounts")
    assert answer is not None
    assert answer.status == 404


def creates_an_account(page: Page) -> str:
    page.get_by_role("link", name="Create account").click()
    page.get_by_role("button", name="Create account").click()
    expect(page.locator("#name-fault")).to_be_visible()
    check(page, "operator-account-new-fault")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("Riverbank Trading")
    dialog.get_by_label("Email").fill(OWNER)
    dialog.get_by_label("Name of the user").fill("Nora Owner")
    dialog.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("dialog", name="Riverbank Trading is created.")).to_be_visible()
    check(page, "operator-invited")
    page.get_by_role("button", name="Go to the account").click()
    expect(page.get_by_role("heading", name="Riverbank Trading")).to_be_visible()
    check(page, "operator-account-new")
    return urlsplit(page.url).path.rpartition("/")[2]


def declines(server: Server, page: Page) -> None:
    page.get_by_role("navigation", name="Operator console").get_by_role("link", name="Access requests").click()
    page.get_by_role("link", name="Decline the request of Riverbank Trading").click()
    page.get_by_label("Reason").fill("The contract is not signed yet.")
    check(page, "operator-decline")
    page.get_by_role("button", name="Decline the request").click()
    expect(page.get_by_role("status").filter(has_text="is declined")).to_be_visible()
    check(page, "operator-declined")
    assert "The contract is not signed yet." in mail_to(server, OWNER)[-1].get_content()


def finds_accounts(page: Page) -> None:
    page.get_by_role("navigation", name="Operator console").get_by_role("link", name="Accounts").click()
    page.get_by_label("Name, Account ID").fill("bank")
    page.get_by_role("button", name="Search").click()
    expect(rows(page)).to_have_count(3)
    check(page, "operator-accounts")
    page.get_by_label("Name, Account ID").fill(OWNER)
    page.get_by_role("button", name="Search").click()
    expect(rows(page)).to_have_count(1)
    page.get_by_label("Name, Account ID").fill("nothing of the kind")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    check(page, "operator-nothing-found")


def deletes_a_key(page: Page, client_id: str) -> None:
    page.reload()
    expect(page.get_by_role("heading", name="2 of 10 API keys")).to_be_visible()
    assert "cs_live_" not in page.content()
    check(page, "operator-account")
    page.get_by_role("link", name="Delete the key Payouts").click()
    page.get_by_label("Type the last 4 characters").fill(client_id[-4:])
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("status").filter(has_text="is deleted")).to_be_visible()


def switches_off(page: Page) -> None:
    page.get_by_role("link", name="Switch off").click()
    expect(page.get_by_role("dialog")).to_contain_text("1 key stops working the moment you confirm")
    check(page, "operator-switch-off")
    page.get_by_label("Reason").fill("The invoice of May is open.")
    page.get_by_label("Type the account's name to confirm").fill("riverbank trading")
    page.get_by_role("button", name="Switch off now").click()
    expect(page.get_by_role("status").filter(has_text="API access of Riverbank Trading is off.")).to_be_visible()
    check(page, "operator-switched-off")
