"""Sign-in and security, over HTTP: what browsers do is done by hand here, with an authenticator in software."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pyotp
import pytest

from support import data
from support.reading import Page
from support.server import PASSWORD, Caller, Server, run_cli
from support.soft_authenticator import SoftAuthenticator
from support.visit import Visit

NEW = "another good password"


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


@pytest.fixture
def guest(server: Server) -> Iterator[Visit]:
    with Visit(server) as found:
        yield found


def forget_proof(server: Server, who: Caller) -> None:
    statement = "UPDATE sessions SET proved_at = proved_at - 660000 WHERE person_id = ?"
    data.change(server.data_dir, statement, who.user_id)


def next_code(app: pyotp.TOTP) -> str:
    """The code after the one that set the app up; it counts already."""
    return app.at(time.time() + 30)


def codes_on(page: Page) -> list[str]:
    return page.one(id="codes").text.split()


def set_up_app(visit: Visit) -> tuple[pyotp.TOTP, Page]:
    page = visit.submit(visit.get("/security/app/new").form("/security/app"))
    app = pyotp.TOTP(page.one(id="app-secret").text.replace(" ", ""))
    return app, visit.submit(page.form("/security/app/confirm"), code=app.now())


def ask(visit: Visit, address: str, page: Page, **fields: str) -> Any:
    """What the page's script asks for."""
    answer = visit.client.post(address, data={"csrf": page.csrf, **fields}, headers={"Accept": "application/json"})
    visit.status = answer.status_code
    return answer.json() if answer.content else None


def add_passkey(visit: Visit, name: str = "Phone") -> tuple[SoftAuthenticator, Page]:
    page = visit.get("/security/passkeys/new")
    device = SoftAuthenticator(page.one("meta", name="passkeys")["content"])
    question = ask(visit, "/security/passkeys/options", page, name=name)
    assert visit.status == 200, question
    answer = device.create(json.dumps(question["options"]))
    return device, visit.submit(page.form("/security/passkeys"), name=name, token=question["token"], answer=answer)


def passkey_sign_in(guest: Visit, device: SoftAuthenticator, **fields: str) -> Page:
    page = guest.get("/sign-in")
    question = ask(guest, "/sign-in/passkey/options", page)
    answer = device.get(json.dumps(question["options"]))
    return guest.submit(page.form("/sign-in/passkey"), token=question["token"], answer=answer, **fields)


def password_sign_in(guest: Visit, email: str, password: str = PASSWORD) -> Page:
    return guest.submit(guest.get("/sign-in").form("/sign-in"), email=email, password=password)


# --- the page ------------------------------------------------------------------------------------------


def test_it_is_for_whoever_is_signed_in(server: Server, visit: Visit, guest: Visit):
    page = visit.get("/security")
    assert page.headings == [
        *("Sign-in and security", "Ways to sign in", "Password", "Passkeys", "Authenticator app"),
        "Where you are signed in",
    ]
    assert visit.answer.headers["cache-control"] == "no-store"
    assert "Password only" in page.main
    guest.get("/security")
    assert guest.path == "/sign-in"
    for dialog in ("password", "app/new", "passkeys/new", "recovery-codes", "app/remove"):
        visit.get(f"/security/{dialog}")
        assert visit.status == 200, dialog
        guest.get(f"/security/{dialog}")
        assert guest.path == "/sign-in", dialog


def test_a_relationship_manager_has_one_too(server: Server):
    email = f"maria.{time.time_ns()}@platform.example"
    made = json.loads(run_cli("operator", "add", email, "Maria", "--json", data_dir=server.data_dir).stdout)
    with Visit(server) as maria:
        path = re.sub(r"^https?://[^/]+", "", made["setPasswordUrl"])
        maria.submit(maria.get(path).forms[0], password=PASSWORD)
        password_sign_in(maria, email)
        assert maria.path == "/operator/accounts"
        _, page = set_up_app(maria)
        assert len(codes_on(page)) == 10


# --- the password --------------------------------------------------------------------------------------


def test_the_password_is_changed_with_the_old_one(server: Server, owner: Caller, visit: Visit, guest: Visit):
    elsewhere = server.sign_in(owner.email)
    form = visit.get("/security/password").form("/security/password")
    page = visit.submit(form, password="wrong", new_password="short")
    assert visit.status == 400
    assert set(page.faults) == {"password", "new_password"}
    assert not any("wrong" in value or "short" in value for value in page.form("/security/password").values.values())
    page = visit.submit(form, password=PASSWORD, new_password=f" {NEW} ")
    assert "Your password is changed." in page.notices[0]
    assert server.call("GET", "/v1/accounts", caller=elsewhere).status == 401
    assert password_sign_in(guest, owner.email).faults == {}
    assert guest.path == "/sign-in"
    password_sign_in(guest, owner.email, f" {NEW} ")
    assert guest.path != "/sign-in", "white space is part of a password"


def test_the_old_password_cannot_be_guessed_for_long(visit: Visit):
    form = visit.get("/security/password").form("/security/password")
    for _ in range(10):
        assert "not your password" in visit.submit(form, password="wrong", new_password=NEW).faults["password"]
    page = visit.submit(form, password=PASSWORD, new_password=NEW)
    assert "wait" in page.faults["password"]


# --- the app and recovery codes --------------------------------------------------------------------------


def test_an_app_is_set_up_and_asked_for(server: Server, owner: Caller, visit: Visit, guest: Visit):
    elsewhere = server.sign_in(owner.email)
    page = visit.submit(visit.get("/security/app/new").form("/security/app"))
    assert visit.path == "/security/app"
    assert page.one("img", class_="qr")["src"].startswith("data:image/svg+xml")
    app = pyotp.TOTP(page.one(id="app-secret").text.replace(" ", ""))
    wrong = visit.submit(page.form("/security/app/confirm"), code="000000" if app.now() != "000000" else "000001")
    assert (visit.status, "clock" in wrong.faults["code"]) == (400, True)
    assert wrong.one(id="app-secret").text == page.one(id="app-secret").text
    done = visit.submit(wrong.form("/security/app/confirm"), code=app.now())
    codes = codes_on(done)
    assert (visit.status, visit.answer.headers["cache-control"], len(codes)) == (200, "no-store", 10)
    assert server.call("GET", "/v1/accounts", caller=elsewhere).status == 401
    overview = visit.get("/security")
    assert "10 of 10 are left" in overview.main
    assert not any(code in overview.text for code in codes)
    visit.get("/security/app")
    assert visit.path == "/security", "its key is not shown again"

    page = password_sign_in(guest, owner.email)
    assert guest.path == "/sign-in/second-factor"
    guest.get("/security")
    assert guest.path == "/sign-in", "half a sign-in opens nothing"
    page = guest.get("/sign-in/second-factor")
    page = guest.submit(page.form("/sign-in/second-factor"), code="0000-0000-0000-0000")
    assert (guest.status, "wrong" in page.faults["code"]) == (401, True)
    guest.submit(page.form("/sign-in/second-factor"), code=next_code(app))
    assert guest.path.startswith("/accounts/")
    with Visit(server) as other:
        page = password_sign_in(other, owner.email)
        other.submit(page.form("/sign-in/second-factor"), code=codes[0].upper())
        assert other.path.startswith("/accounts/")
        assert "9 of 10 are left" in other.get("/security").main


def test_recovery_codes_are_made_anew(owner: Caller, visit: Visit, guest: Visit):
    _, page = set_up_app(visit)
    old = codes_on(page)
    fresh = codes_on(visit.submit(visit.get("/security/recovery-codes").form("/security/recovery-codes")))
    assert len(set(fresh) - set(old)) == 10
    page = password_sign_in(guest, owner.email)
    page = guest.submit(page.form("/sign-in/second-factor"), code=old[0])
    assert guest.status == 401
    guest.submit(page.form("/sign-in/second-factor"), code=fresh[0])
    assert guest.path.startswith("/accounts/")


def test_without_a_second_factor_there_are_no_codes(visit: Visit):
    page = visit.submit(visit.get("/security/recovery-codes").form("/security/recovery-codes"))
    assert "set up an app or a passkey first" in page.notices[0]


def test_the_app_is_removed(owner: Caller, visit: Visit, guest: Visit):
    set_up_app(visit)
    page = visit.get("/security/app/remove")
    assert "password alone is then enough" in page.main
    page = visit.submit(page.form("/security/app/remove"))
    assert "The app is removed." in page.notices[0]
    assert "Password only" in page.main
    password_sign_in(guest, owner.email)
    assert guest.path.startswith("/accounts/")


def test_what_changes_how_one_signs_in_takes_a_fresh_proof(server: Server, owner: Caller, visit: Visit):
    set_up_app(visit)
    device, _ = add_passkey(visit)
    removal = next(link for link in visit.get("/security").links if "/passkeys/" in link and "/remove" in link)
    forget_proof(server, owner)
    for address, action in (
        ("/security/app/remove", "/security/app/remove"),
        ("/security/recovery-codes", "/security/recovery-codes"),
        (removal, removal),
    ):
        form = visit.get(address).form(action)
        assert "password" in form.values, address
        assert set(visit.submit(form).faults) == {"password"}, address
        assert set(visit.submit(form, password="wrong").faults) == {"password"}, address
    page = visit.get("/security/passkeys/new")
    refused = ask(visit, "/security/passkeys/options", page, name="x")
    assert (visit.status, refused["errors"][0]["field"]) == (400, "password")
    assert "Second factor on" in visit.get("/security").main
    # A passkey is as good as the password.
    page = visit.get("/security/app/remove")
    question = ask(visit, "/security/proof/options", page)
    answer = device.get(json.dumps(question["options"]))
    assert ask(visit, "/security/proof", page, token="kwc_x", answer=answer)["code"] == "forbidden"
    assert ask(visit, "/security/proof", page, token=question["token"], answer=answer) is None
    assert visit.status == 204
    assert "password" not in visit.get("/security/app/remove").form("/security/app/remove").values


# --- passkeys ------------------------------------------------------------------------------------------


def test_a_passkey_is_added_and_signs_in(owner: Caller, visit: Visit, guest: Visit):
    device, page = add_passkey(visit, "My phone")
    assert len(codes_on(page)) == 10
    page = visit.get("/security")
    assert "My phone" in page.main
    assert "not used yet" in page.main
    passkey_sign_in(guest, device, next="/security")
    assert guest.path == "/security"
    assert "last used" in guest.get("/security").main
    assert owner.email in guest.get("/security").main


def test_a_passkey_finishes_a_sign_in(owner: Caller, visit: Visit, guest: Visit):
    device, _ = add_passkey(visit)
    page = password_sign_in(guest, owner.email)
    assert guest.path == "/sign-in/second-factor"
    question = ask(guest, "/sign-in/second-factor/passkey/options", page)
    form = page.form("/sign-in/second-factor/passkey")
    guest.submit(form, token="", answer=device.get(json.dumps(question["options"]), signature=b"x"))
    assert guest.path == "/sign-in/second-factor"
    guest.submit(form, token="", answer=device.get(json.dumps(question["options"])))
    assert guest.path.startswith("/accounts/")


def test_a_forged_passkey_opens_nothing(visit: Visit, guest: Visit):
    device, _ = add_passkey(visit)
    stranger = SoftAuthenticator(device.origin)
    stranger.credential_id, stranger.user_handle, stranger.rp_id = (
        device.credential_id,
        device.user_handle,
        device.rp_id,
    )
    page = passkey_sign_in(guest, stranger)
    assert guest.path == "/sign-in"
    assert "not known here" in page.notices[0]
    for answer in ("", "{}", "nonsense"):
        page = guest.submit(guest.get("/sign-in").form("/sign-in/passkey"), token="kwc_x", answer=answer)
        assert (guest.path, len(page.notices)) == ("/sign-in", 1)


def test_a_removed_passkey_signs_nobody_in(visit: Visit, guest: Visit):
    device, _ = add_passkey(visit)
    link = next(link for link in visit.get("/security").links if "/passkeys/" in link and "/remove" in link)
    page = visit.get(link)
    assert "only second factor" in page.main
    visit.submit(page.form(link))
    page = passkey_sign_in(guest, device)
    assert (guest.path, len(page.notices)) == ("/sign-in", 1)
    visit.get(link)
    assert visit.status == 200, "gone: the page without a dialog"


def test_faults_of_a_new_passkey_are_told(visit: Visit):
    page = visit.get("/security/passkeys/new")
    refused = ask(visit, "/security/passkeys/options", page, name="")
    assert (visit.status, refused["errors"][0]["field"]) == (400, "name")
    without_script = visit.submit(page.form("/security/passkeys"), name="Phone")
    assert "JavaScript" in without_script.faults["passkey"]
    question = ask(visit, "/security/passkeys/options", page, name="Phone")
    wrong = visit.submit(page.form("/security/passkeys"), name="Phone", token=question["token"], answer="{}")
    assert "cannot be used" in wrong.faults["passkey"]
    assert wrong.form("/security/passkeys").values["name"] == "Phone"


# --- sessions ------------------------------------------------------------------------------------------


def test_sessions_are_seen_and_ended(server: Server, owner: Caller, visit: Visit):
    other = server.sign_in(owner.email)
    page = visit.get("/security")
    rows = page.rows()
    assert len(rows) == 2
    assert [("this one" in row["Browser"], row["Address"]) for row in rows] == [
        (False, "127.0.0.1"),
        (True, "127.0.0.1"),
    ]
    (form,) = [form for form in page.forms if re.fullmatch(r"/security/sessions/ses_\w+/end", form.action)]
    page = visit.submit(form)
    assert page.notices == ["That browser is signed out."]
    assert server.call("GET", "/v1/accounts", caller=other).status == 401
    assert "ended already" in visit.submit(form).notices[0]


def test_signing_out_everywhere(server: Server, owner: Caller, visit: Visit):
    other = server.sign_in(owner.email)
    page = visit.submit(visit.get("/security").form("/security/sessions/end"))
    assert (visit.path, page.notices) == ("/sign-in", ["You are signed out everywhere."])
    for caller in (owner, other):
        assert server.call("GET", "/v1/accounts", caller=caller).status == 401


@pytest.mark.parametrize(
    "path",
    [
        *("/security/password", "/security/app", "/security/app/confirm", "/security/app/remove"),
        *("/security/recovery-codes", "/security/passkeys", "/security/passkeys/options", "/security/sessions/end"),
        *("/security/proof", "/security/proof/options", "/security/passkeys/x/remove", "/security/sessions/ses_x/end"),
    ],
)
def test_no_other_site_changes_anything(server: Server, owner: Caller, visit: Visit, path: str):
    csrf = visit.get("/security").csrf
    for values, headers in (({}, {}), ({"csrf": "0" * 32}, {}), ({"csrf": csrf}, {"Origin": "https://evil.example"})):
        visit.post(path, {"password": PASSWORD, **values}, **headers)
        assert visit.status == 403, (values, headers)
    assert server.call("GET", "/v1/accounts", caller=owner).status == 200
    assert "Password only" in visit.get("/security").main
