"""The API keys page over HTTP: what it shows, what it does, and what it refuses. The browser's side is in tests/e2e."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator

import pytest

import keywright
from support import data
from support.reading import EVERY_VERIFIER, Page
from support.server import PASSWORD, Caller, Server, signed
from support.visit import Visit

DAY_MS = 86_400_000


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


def keys_of(account: str) -> str:
    return f"/accounts/{account}/api-keys"


def create(visit: Visit, account: str, **typed: str) -> Page:
    page = visit.get(f"{keys_of(account)}/new")
    return visit.submit(page.form(keys_of(account)), **typed)


def secret_on(page: Page) -> keywright.Credential:
    return keywright.Credential(
        page.one(id="client-id").text, page.one(id="client-secret").text, algorithm=page_algorithm(page)
    )


def page_algorithm(page: Page) -> str:
    return "hmac-sha256" if "KEYWRIGHT_ALGORITHM=hmac-sha256" in page.main else "ed25519"


def forget_proof(server: Server, who: Caller, *, minutes: float = 11) -> None:
    """Let the person's last proof be older than it is."""
    statement = "UPDATE sessions SET proved_at = proved_at - ? WHERE person_id = ?"
    data.change(server.data_dir, statement, int(minutes * 60_000), who.user_id)


@pytest.mark.parametrize("algorithm", ["ed25519", "hmac-sha256"])
def test_a_key_is_created_used_and_deleted(server: Server, visit: Visit, account: str, owner: Caller, algorithm: str):
    created = create(visit, account, label="Shop, production", algorithm=algorithm)
    assert visit.status == 200
    assert visit.answer.headers["cache-control"] == "no-store"
    key = secret_on(created)
    assert created.one(id="account-id").text == account
    assert server.verify(signed(key)).code == "accepted"

    (row,) = visit.get(keys_of(account)).rows()
    assert key.client_id in row["Client ID"]
    assert row["Email and label"] == f"Shop, production {owner.email}"
    assert f"by {owner.email}" in row["Created"]

    asking = visit.get(f"{keys_of(account)}/{key.client_id}/delete")
    assert "Delete Shop, production?" in asking.headings
    deleted = visit.submit(asking.form(f"{keys_of(account)}/{key.client_id}/delete"), typed=key.client_id[-4:])
    (told,) = deleted.notices
    assert re.match(f"Shop, production is deleted. It stopped working everywhere: {EVERY_VERIFIER} confirmed", told)
    assert server.verify(signed(key)).code == "credential_unknown"
    assert "No API keys yet" in deleted.headings
    assert "0 of 10 keys" in deleted.headings


def test_each_form_to_paste_holds_the_key(visit: Visit, account: str):
    page = create(visit, account)
    client_id, client_secret = page.one(id="client-id").text, page.one(id="client-secret").text
    environment, as_json, vault, aws, curl = (each.children[0] for each in page.all("pre"))
    assert f"KEYWRIGHT_CLIENT_ID={client_id}\nKEYWRIGHT_CLIENT_SECRET={client_secret}" in environment
    document = {"clientId": client_id, "clientSecret": client_secret, "accountId": account}
    assert json.loads(as_json) == {**document, "algorithm": "ed25519"}
    for text in (vault, aws):
        command, _, rest = text.partition("<<'END'\n")
        assert client_secret not in command  # a process list would show it
        assert json.loads(rest.removesuffix("END")) == json.loads(as_json)
    done = subprocess.run(["sh", "-c", curl], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)["token_type"] == "Bearer"


def test_the_secret_is_in_one_answer_only(server: Server, visit: Visit, account: str):
    before = len(server.answers)
    form = visit.get(f"{keys_of(account)}/new").form(keys_of(account))
    created = visit.submit(form)
    client_id, client_secret = created.one(id="client-id").text, created.one(id="client-secret").text
    # Sent again, as by reloading without a script: no second key, and no secret.
    again = visit.submit(form)
    assert "created already" in again.notices[0]
    assert len(again.rows()) == 1
    for path in (keys_of(account), f"{keys_of(account)}/new", f"{keys_of(account)}/{client_id}/delete"):
        visit.get(path)
    holding = [answer for answer in server.answers[before:] if client_secret in answer]
    assert len(holding) == 1
    assert client_secret not in str(visit.client.cookies)


def test_a_form_sent_again_with_an_old_proof_still_makes_one_key(
    server: Server, visit: Visit, account: str, owner: Caller
):
    form = visit.get(f"{keys_of(account)}/new").form(keys_of(account))
    visit.submit(form)
    forget_proof(server, owner)
    again = visit.submit(form)
    assert set(again.faults) == {"password"}
    told = visit.submit(again.form(keys_of(account)), password=PASSWORD)
    assert "created already" in told.notices[0]
    assert len(told.rows()) == 1


def test_every_fault_is_told_at_its_field_and_nothing_is_lost(
    server: Server, visit: Visit, account: str, owner: Caller
):
    forget_proof(server, owner)
    page = create(visit, account, email="nobody", label="x" * 101, algorithm="rot13", password="")
    assert visit.status == 400
    assert set(page.faults) == {"email", "label", "algorithm", "password"}
    assert page.faults["email"] == "Must be an email address such as name@example.com."
    form = page.form(keys_of(account))
    assert (form.values["email"], form.values["label"]) == ("nobody", "x" * 101)
    assert visit.get(keys_of(account)).one(id="count").text == "0 of 10 keys"


def test_creating_and_deleting_ask_for_the_password_when_the_last_proof_is_old(
    server: Server, visit: Visit, account: str, owner: Caller
):
    assert "password" not in visit.get(f"{keys_of(account)}/new").form(keys_of(account)).values
    forget_proof(server, owner)
    wrong = create(visit, account, password="not my password")
    assert wrong.faults["password"].startswith("This is not your password")
    key = secret_on(create(visit, account, password=PASSWORD))
    # That was a proof: the next change needs none.
    assert "password" not in visit.get(f"{keys_of(account)}/new").form(keys_of(account)).values
    forget_proof(server, owner)
    form = visit.get(f"{keys_of(account)}/{key.client_id}/delete").form(f"{keys_of(account)}/{key.client_id}/delete")
    refused = visit.submit(form, typed="", password="")
    assert set(refused.faults) == {"typed", "password"}
    assert server.verify(signed(key)).code == "accepted"
    assert "is deleted" in visit.submit(form, typed=key.client_id[-4:].upper(), password=PASSWORD).notices[0]


def test_a_key_is_deleted_only_by_typing_its_end(server: Server, visit: Visit, account: str):
    key = secret_on(create(visit, account))
    form = visit.get(f"{keys_of(account)}/{key.client_id}/delete").form(f"{keys_of(account)}/{key.client_id}/delete")
    for typed in ("", "xxxx", key.client_id[:4], key.client_id):
        assert "typed" in visit.submit(form, typed=typed).faults
    assert server.verify(signed(key)).code == "accepted"


def test_a_key_that_is_gone_or_someone_elses_cannot_be_deleted(server: Server, visit: Visit, account: str):
    foreign = server.key(server.account())
    for client_id in (foreign.client_id, "ck_nonsense", "%3Cb%3E"):
        page = visit.get(f"{keys_of(account)}/{client_id}/delete")
        assert visit.path == keys_of(account)
        assert "no active API key" in page.notices[0]
    csrf = visit.get(keys_of(account)).csrf
    visit.post(f"{keys_of(account)}/{foreign.client_id}/delete", {"csrf": csrf, "typed": foreign.client_id[-4:]})
    assert visit.status == 404
    assert server.verify(signed(foreign)).code == "accepted"


def test_at_ten_keys_the_button_is_off_and_says_why(server: Server, visit: Visit, account: str):
    form = visit.get(f"{keys_of(account)}/new").form(keys_of(account))
    for _ in range(10):
        server.key(account)
    page = visit.get(keys_of(account))
    assert page.one(id="count").text == "10 of 10 keys"
    (off,) = [each for each in page.all("a") if each.get("aria-disabled") == "true"]
    assert page.one(id=off["aria-describedby"]).text.startswith("No more can be created")
    assert f"{keys_of(account)}/new" not in page.links
    # Someone who still had the form open is told what to do, and so is whoever knows the address.
    assert "10 active API keys" in visit.submit(form).notices[0]
    assert "10 active API keys" in visit.get(f"{keys_of(account)}/new").notices[0]


def test_access_is_asked_for_and_its_state_shown(server: Server):
    account = server.account(enabled=False)
    with Visit(server, server.person(account, "admin")) as visit:
        page = visit.get(keys_of(account))
        assert "API access is not enabled yet" in page.main
        assert f"{keys_of(account)}/new" not in page.links
        assert "not enabled" in visit.get(f"{keys_of(account)}/new").notices[0]
        too_long = visit.submit(page.form(f"{keys_of(account)}/access-request"), message="x" * 1001)
        assert set(too_long.faults) == {"message"}
        form = page.form(f"{keys_of(account)}/access-request")
        sent = visit.submit(form, message="We go live in May.\r\nPlease.")
        assert sent.notices[0].startswith("Sent.")
        assert "API access is requested" in sent.main
        assert "requested already" in visit.submit(form).notices[0]
        (asked,) = [
            each
            for each in server.call("GET", "/v1/api-access/requests?limit=200", caller=server.operator).json["requests"]
            if each["accountId"] == account
        ]
        assert asked["message"] == "We go live in May.\nPlease."

        path = f"/v1/accounts/{account}/api-access"
        server.call("PUT", path, {"enabled": False, "reason": "Not <yet>"}, caller=server.operator)
        declined = visit.get(keys_of(account))
        assert "was declined" in declined.main
        assert "Not <yet>" in declined.main
        server.set_access(account, True)
        key = secret_on(create(visit, account))
        server.set_access(account, False)
        off = visit.get(keys_of(account))
        assert "switched off" in off.main
        assert key.client_id in off.rows()[0]["Client ID"]
        assert server.verify(signed(key)).code == "api_access_disabled"


def test_unused_keys_stand_out(server: Server, visit: Visit, account: str):
    old, used, new = server.key(account, label="old"), server.key(account, label="used"), server.key(account)
    now = int(time.time() * 1000)
    for key, last_used in ((old, None), (used, now - DAY_MS)):
        statement = "UPDATE credentials SET created_at = ?, last_used_at = ? WHERE client_id = ?"
        data.change(server.data_dir, statement, now - 91 * DAY_MS, last_used, key.client_id)
    marked = [
        row["Client ID"] for row in visit.get(keys_of(account)).rows() if "Unused for 90 days" in row["Last used"]
    ]
    assert len(marked) == 1
    assert old.client_id in marked[0]
    assert new.client_id != used.client_id


def test_what_people_type_is_shown_as_text(visit: Visit, account: str):
    label = "<script>alert(1)</script>\"'{{7*7}}"
    create(visit, account, email="a+<b>'@example.com".replace("<b>", "b"), label=label)
    (row,) = visit.get(keys_of(account)).rows()
    assert row["Email and label"].startswith(label)


@pytest.mark.parametrize(
    ("kind", "role", "may"),
    [
        ("corporate", "owner", True),
        ("corporate", "admin", True),
        ("corporate", "executor", False),
        ("corporate", "preparer", False),
        ("corporate", "viewer", False),
        ("partner", "partner_admin", True),
        ("partner", "onboarding_agent", False),
    ],
)
def test_who_sees_the_entry(server: Server, kind: str, role: str, may: bool):
    account = server.account(kind)
    key = server.key(account)
    with Visit(server, server.person(account, role)) as visit:
        page = visit.get(f"/accounts/{account}")
        in_navigation = keys_of(account) in [
            each.get("href") for each in page.one("nav", aria_label="Account").all("a")
        ]
        in_menu = keys_of(account) in [each.get("href") for each in page.one(class_="sheet").all("a")]
        assert in_navigation is may
        assert in_menu is (may and kind == "partner")
        for path in ("", "/new", f"/{key.client_id}/delete"):
            visit.get(keys_of(account) + path)
            assert visit.status == (200 if may else 404)
        if not may:
            nowhere = visit.get("/accounts/acc_nowhere/api-keys").main
            assert visit.get(keys_of(account)).main == nowhere
            for path in ("", f"/{key.client_id}/delete"):
                visit.post(
                    keys_of(account) + path, {"csrf": page.csrf, "email": "a@example.com", "typed": key.client_id[-4:]}
                )
                assert visit.status == 404
            visit.post(f"{keys_of(account)}/access-request", {"csrf": page.csrf})
            assert visit.status == 404


def test_a_guest_is_led_to_the_sign_in_and_back(server: Server, account: str, owner: Caller):
    with Visit(server) as visit:
        page = visit.get(f"{keys_of(account)}?x=1")
        assert visit.path == "/sign-in"
        wrong = visit.submit(page.form("/sign-in"), email=owner.email, password="wrong")
        assert visit.status == 401
        assert wrong.form("/sign-in").values["email"] == owner.email
        assert "password" not in {name for name, value in wrong.form("/sign-in").values.items() if value}
        visit.submit(wrong.form("/sign-in"), password=PASSWORD)
        assert str(visit.answer.url).endswith(f"{keys_of(account)}?x=1")


def test_someone_in_several_accounts_switches(server: Server, account: str, owner: Caller):
    others = {server.account(name=f"Other {number}"): f"Other {number}" for number in range(14)}
    for other in others:
        server.person(other, "viewer", owner.email)
    again = server.sign_in(owner.email)
    with Visit(server, again) as visit:
        assert visit.path == ""
        start = visit.get("/")
        assert visit.path == "/accounts"
        assert len([link for link in start.links if link.startswith("/accounts/acc_")]) >= 15
        page = visit.get(f"/accounts/{account}")
        menu = page.one(class_="sheet")
        assert "Switch to" in menu.text
        assert "/accounts" in [each.get("href") for each in menu.all("a")]
        there = next(iter(others))
        assert others[there] in visit.get(f"/accounts/{there}").main


def test_another_persons_session_ends_with_their_membership(server: Server, visit: Visit, account: str, owner: Caller):
    server.person(account, "owner")
    assert visit.get(keys_of(account)).title
    removed = server.call("DELETE", f"/v1/accounts/{account}/users/{owner.user_id}", caller=server.operator)
    assert removed.status == 204
    visit.get(keys_of(account))
    assert visit.path == "/sign-in"
