"""A key's "Test a request" box: it names what is wrong, and neither sends, keeps nor uses up anything."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

import keywright
from support.reading import Page
from support.server import API_URL, Caller, Server, signed
from support.visit import Visit

BODY = b'{\n  "amount": "10.00"\n}\n'
URL = "https://api.example.com/v1/payments"


@pytest.fixture
def account(server: Server) -> str:
    return server.account()


@pytest.fixture
def owner(server: Server, account: str) -> Caller:
    return server.person(account, "owner")


@pytest.fixture
def visit(server: Server, owner: Caller) -> Iterator[Visit]:
    with Visit(server, owner) as found:
        yield found


def box(account: str, key: keywright.Credential) -> str:
    return f"/accounts/{account}/api-keys/{key.client_id}/test"


def sent(key: keywright.Credential, body: bytes = BODY, *, ago: int = 0) -> str:
    """A request as a client's log shows it."""
    headers = signed(
        key, url=URL, headers={"Content-Type": "application/json"}, body=body, clock=lambda: time.time() - ago
    )
    lines = ["POST /v1/payments HTTP/1.1", "Host: api.example.com", *(f"{name}: {headers[name]}" for name in headers)]
    return "\r\n".join([*lines, "", body.decode()])


def filled(visit: Visit, account: str, key: keywright.Credential, **typed: str) -> Page:
    """Fill in the box and send it."""
    return visit.submit(visit.get(box(account, key)).form(box(account, key)), **typed)


def test_it_is_found_from_the_keys_table(server: Server, visit: Visit, account: str, owner: Caller):
    key = server.key(account, caller=owner, label="Shop")
    link = visit.get(f"/accounts/{account}/api-keys").one(aria_label="Test a request of the key Shop")
    page = visit.get(link["href"])
    assert visit.status == 200
    assert key.client_id in visit.path
    assert page.headings[0] == "Test a request"
    assert "Nothing is sent, kept or used up" in page.main
    assert f'keyid="{key.client_id}"' in page.form(visit.path).field("request").get("placeholder")


@pytest.mark.parametrize("algorithm", ["ed25519", "hmac-sha256"])
def test_a_good_request_is_good_and_can_still_be_sent(
    server: Server, visit: Visit, account: str, owner: Caller, algorithm: str
):
    key = server.key(account, caller=owner, algorithm=algorithm)
    for _ in range(2):
        page = filled(visit, account, key, request=sent(key))
        assert visit.status == 200
        assert "Nothing is wrong with this request" in page.main
        assert "holds with this key" in page.main
        assert "taken with the line ends that fit" not in page.main
    request = signed(key)
    text = "\n".join(["POST / HTTP/1.1", *(f"{name}: {request[name]}" for name in request), "", ""])
    page = filled(visit, account, key, request=text, url=API_URL)
    assert "Nothing is wrong with this request" in page.main
    assert server.verify(request).code == "accepted"


@pytest.mark.parametrize("body", [b'{"a": 1}', b'{"a": 1}\n', b'{\r\n"a": 1\r\n}', b'{\n"a": 1\n}\n'])
def test_line_ends_that_a_browser_changes_are_no_fault(
    server: Server, visit: Visit, account: str, owner: Caller, body: bytes
):
    """A text area ends each line in CRLF, whatever was pasted."""
    key = server.key(account, caller=owner)
    pasted = sent(key, body).replace("\r\n", "\n").replace("\n", "\r\n")
    page = filled(visit, account, key, request=pasted)
    assert "Nothing is wrong with this request" in page.main


def test_every_fault_is_named_with_what_to_change(server: Server, visit: Visit, account: str, owner: Caller):
    key = server.key(account, caller=owner)
    old = sent(key, ago=4000).replace("POST /v1", "PUT /v1").replace("10.00", "99.00")
    page = filled(visit, account, key, request=old)
    assert visit.status == 200
    assert "3 things are wrong" in page.main
    for code in ("signature_too_old", "signature_invalid", "digest_mismatch"):
        assert code in page.main
    assert "Sign just before sending" in page.main
    assert "does not hold with this key" in page.main


def test_another_keys_request_is_told_apart(server: Server, visit: Visit, account: str, owner: Caller):
    key, other = server.key(account, caller=owner), server.key(account, caller=owner)
    page = filled(visit, account, key, request=sent(other))
    assert "One thing is wrong" in page.main
    assert f"from {other.client_id}, and this key is {key.client_id}" in page.main


def test_a_refusal_is_compared(server: Server, visit: Visit, account: str, owner: Caller):
    """What the gateway saw and what was signed, side by side."""
    key = server.key(account, caller=owner)
    headers = signed(key, url=URL)
    refusal = server.verify(headers, url=URL.replace("https", "http"))
    assert refusal.code == "signature_invalid"
    text = "\n".join([f"POST {URL} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers), "", ""])
    page = filled(visit, account, key, request=text, refusal=refusal.text)
    assert "Where the two signature bases differ" in page.main
    assert "Only the scheme differs" in page.main


def test_a_refusal_alone_is_explained(server: Server, visit: Visit, account: str, owner: Caller):
    key = server.key(account, caller=owner)
    page = filled(visit, account, key, refusal='{"code": "nonce_replayed", "detail": "used before"}')
    assert visit.status == 200
    assert "Sign every attempt anew" in page.main


def test_access_that_is_off_is_told(server: Server, visit: Visit, account: str, owner: Caller):
    key = server.key(account, caller=owner)
    server.set_access(account, False)
    page = filled(visit, account, key, request=sent(key))
    assert "api_access_disabled" in page.main


def test_a_secret_in_the_text_is_hidden_and_told_of(server: Server, visit: Visit, account: str, owner: Caller):
    key = server.key(account, caller=owner)
    secret = "cs_live_" + "0" * 72
    page = filled(visit, account, key, request=sent(key) + secret)
    assert "That text held a Client Secret" in page.main
    assert secret not in visit.answer.text


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({}, "Paste the request"),
        ({"request": "hello"}, "is no request line"),
        ({"request": "GET /x HTTP/1.1"}, "has no Host header"),
        ({"request": "x" * 60_001}, "at most 60,000"),
        ({"refusal": "{}"}, "names no code"),
        ({"request": "GET /x HTTP/1.1", "url": "api.example.com"}, "with http:// or https://"),
    ],
)
def test_what_cannot_be_read_is_told_and_kept(
    server: Server, visit: Visit, account: str, typed: dict[str, str], told: str
):
    key = server.key(account)
    page = filled(visit, account, key, **typed)
    assert visit.status == 400
    assert told in " ".join(page.faults.values())
    form = page.form(box(account, key))
    assert {name: form.values[name].lstrip("\n") for name in typed} == typed


def test_only_for_those_who_see_the_keys(server: Server, account: str, owner: Caller):
    key = server.key(account, caller=owner)
    stranger = server.person(server.account(), "owner")
    agent = server.person(server.account("partner"), "onboarding_agent")
    for who in (stranger, agent):
        with Visit(server, who) as visit:
            visit.get(box(account, key))
            assert visit.status == 404
    other = server.key(server.account())
    with Visit(server, owner) as visit:
        page = visit.get(box(account, other))
        assert visit.path == f"/accounts/{account}/api-keys"
        assert "no active API key of this account" in page.text


def test_nothing_is_logged(server: Server, visit: Visit, account: str, owner: Caller):
    key = server.key(account, caller=owner)
    marked = sent(key).replace("10.00", "marked-body-text")
    filled(visit, account, key, request=marked, refusal="marked-refusal")
    filled(visit, account, key, request="marked-line")
    assert "marked-" not in server.log
