"""A second factor: an authenticator app, asked for at the next sign-in, and a recovery code when it is lost."""

from __future__ import annotations

import re
import time

import pyotp
from playwright.sync_api import Page, expect
from steps import menu

from support.browser import Visits, check, sign_in
from support.server import PASSWORD, Server


def test_an_app_is_set_up_and_lost(server: Server, visits: Visits):
    account = server.account(name="Acme Payments Ltd")
    owner = server.person(account, "owner")
    page, other, third = visits.new(), visits.new(), visits.new()
    sign_in(page, owner.email)
    app, codes = sets_up_an_app(page)
    signs_in_with_it(other, owner.email, account, app)
    signs_in_without_it(third, owner.email, codes[3])
    changes_the_password(third)
    other.reload()
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()  # signed out everywhere else


def sets_up_an_app(page: Page) -> tuple[pyotp.TOTP, list[str]]:
    menu(page, "Sign-in and security")
    expect(page.get_by_text("Password only")).to_be_visible()
    check(page, "security")
    page.get_by_role("link", name="Set up an app").click()
    check(page, "security-app-begin")
    page.get_by_role("button", name="Show the picture").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    check(page, "security-app")
    page.get_by_text("Type it instead").click()
    app = pyotp.TOTP((page.locator("#app-secret").text_content() or "").replace(" ", ""))
    page.get_by_label("Type the code").fill("000000" if app.now() != "000000" else "000001")
    page.get_by_role("button", name="Turn it on").click()
    expect(page.locator("#code-fault")).to_be_visible()
    page.get_by_label("Type the code").fill(app.now())
    page.get_by_role("button", name="Turn it on").click()
    codes = (page.locator("#codes").text_content() or "").split()
    assert len(codes) == 10
    for _ in range(3):
        page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Done")).to_be_disabled()
    check(page, "recovery-codes")
    page.get_by_label("I have stored them").check()
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_text("10 of 10 are left.")).to_be_visible()
    check(page, "security-second-factor")
    page.go_back()
    assert codes[0] not in page.content()
    return app, codes


def signs_in_with_it(page: Page, email: str, account: str, app: pyotp.TOTP) -> None:
    sign_in(page, email)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    check(page, "second-factor")
    answer = page.goto(f"/accounts/{account}")
    assert answer is not None
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()  # half a sign-in is none
    page.goto("/sign-in/second-factor")
    page.get_by_label("Code").fill("12")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#code-fault")).to_be_visible()
    check(page, "second-factor-wrong")
    # The code that set the app up counts as used: the next one is taken half a minute early.
    page.get_by_label("Code").fill(app.at(time.time() + 30))
    page.get_by_role("button", name="Go on").click()
    expect(page).to_have_url(re.compile("/accounts/"))


def signs_in_without_it(page: Page, email: str, recovery_code: str) -> None:
    sign_in(page, email)
    page.get_by_label("Code").fill(recovery_code)
    page.get_by_role("button", name="Go on").click()
    menu(page, "Sign-in and security")
    expect(page.get_by_text("9 of 10 are left.")).to_be_visible()
    page.get_by_role("link", name="Remove the app").click()
    check(page, "security-app-remove")
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("Password only")).to_be_visible()


def changes_the_password(page: Page) -> None:
    page.get_by_role("link", name="Change password").click()
    page.get_by_label("Password now").fill("not the password")
    page.get_by_label("New password").fill("short")
    page.get_by_role("button", name="Change password").click()
    expect(page.locator("#password-fault")).to_be_visible()
    check(page, "security-password-fault")
    page.get_by_label("Password now").fill(PASSWORD)
    page.get_by_label("New password").fill("another horse entirely")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("status").filter(has_text="Your password is changed.")).to_be_visible()
