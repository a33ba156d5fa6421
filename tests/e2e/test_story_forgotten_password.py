"""A forgotten password: a link by mail, once, and every session of before ends."""

from __future__ import annotations

from playwright.sync_api import expect
from steps import link_in_mail, set_password

from support.browser import Visits, check, sign_in
from support.mail import mail_to
from support.server import Server

ANOTHER = "another horse entirely"


def test_a_forgotten_password_is_set_anew_by_mail(server: Server, visits: Visits):
    account = server.account(name="Acme Payments Ltd")
    owner = server.person(account, "owner")
    elsewhere = visits.new(owner)
    elsewhere.goto(f"/accounts/{account}")
    page = visits.new()
    page.goto("/sign-in")
    page.get_by_role("link", name="Forgot your password?").click()
    check(page, "forgot-password")
    for email in ("nobody@acme.example", owner.email):
        page.goto("/forgot-password")
        page.get_by_label("Email").fill(email)
        page.get_by_role("button", name="Mail me a link").click()
        expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    check(page, "forgot-password-sent")
    link = link_in_mail(server, owner.email, "/reset-password/")
    assert not mail_to(server, "nobody@acme.example")
    page.goto(link)
    expect(page.get_by_role("heading", name="Choose a new password")).to_be_visible()
    check(page, "reset-password")
    set_password(page, link, ANOTHER)
    elsewhere.reload()
    expect(elsewhere.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(page, owner.email, ANOTHER)
    expect(page.get_by_role("heading", name="Account", exact=True)).to_be_visible()
    elsewhere.goto(link)
    expect(elsewhere.get_by_role("heading", name="This link does not work any more")).to_be_visible()
