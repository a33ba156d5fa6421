"""A key's "Test a request" box, from the table to what to change, with a pasted request."""

from __future__ import annotations

from playwright.sync_api import expect
from steps import rows

from support.browser import NARROW, Visits, check
from support.server import Server, signed

URL = "https://api.example.com/v1/payments"
BODY = '{\n  "amount": "10.00"\n}\n'


def pasted(headers: dict[str, str], body: str = "") -> str:
    lines = ["POST /v1/payments HTTP/1.1", "Host: api.example.com", *(f"{name}: {headers[name]}" for name in headers)]
    return "\n".join([*lines, "", body])


def test_a_developer_finds_out_what_is_wrong(server: Server, visits: Visits):
    account = server.account(name="Acme Payments Ltd")
    owner = server.person(account, "owner")
    key = server.key(account, caller=owner, label="Shop, production")
    page = visits.new(owner)
    page.goto(f"/accounts/{account}/api-keys")
    rows(page).get_by_role("link", name="Test a request of the key Shop, production").click()
    expect(page.get_by_role("heading", name="Test a request")).to_be_visible()
    check(page, "request-check-empty")

    headers = signed(key, url=URL, headers={"Content-Type": "application/json"}, body=BODY.encode())
    page.get_by_label("Request").fill(pasted(headers, BODY))
    page.get_by_role("button", name="Test it").click()
    expect(page.get_by_role("status").filter(has_text="Nothing is wrong with this request")).to_be_visible()
    check(page, "request-check-good")

    page.get_by_label("Request").fill(pasted(headers, BODY.replace("10.00", "99.00")).replace("POST", "PUT"))
    page.get_by_role("button", name="Test it").click()
    expect(page.get_by_role("alert")).to_contain_text("2 things are wrong")
    check(page, "request-check-faults")

    page.get_by_label("Request").fill("hello")
    page.get_by_role("button", name="Test it").click()
    expect(page.locator("#request-fault")).to_contain_text("is no request line")
    expect(page.get_by_label("Request")).to_have_value("hello")


def test_what_the_server_saw_is_shown_beside_what_was_signed(server: Server, visits: Visits):
    account = server.account(name="Acme Payments Ltd")
    owner = server.person(account, "owner")
    key = server.key(account, caller=owner)
    headers = signed(key, url=URL)
    refused = server.verify(headers, url=URL.replace("https", "http"))
    page = visits.new(owner, viewport=NARROW, has_touch=True, is_mobile=True)
    page.goto(f"/accounts/{account}/api-keys/{key.client_id}/test")
    page.get_by_label("Request").fill(pasted(headers))
    page.get_by_text("It was refused, or went through a gateway").tap()
    page.get_by_label("What the server answered").fill(refused.text)
    page.get_by_role("button", name="Test it").tap()
    expect(page.get_by_role("heading", name="Where the two signature bases differ")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Only the scheme differs")
    check(page, "request-check-differences")
