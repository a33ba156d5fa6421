"""The operator console over HTTP: what a relationship manager sees and does there, and who does not."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

import pytest

from support import data
from support.mail import mail_to
from support.reading import EVERY_VERIFIER, Form, Page
from support.server import PASSWORD, Caller, Server, run_cli, signed
from support.visit import Visit

HOSTILE = "<script>alert(1)</script> \"'&amp; {{ 7*7 }}"
SECRET = re.compile("cs_(?:live|sandbox)_")


def address() -> str:
    return f"kim.{os.urandom(5).hex()}@example.com"


def add_operator(server: Server) -> Caller:
    """A relationship manager, from the command line to the sign-in."""
    email = address()
    done = run_cli("operator", "add", email, "Rita", "--json", data_dir=server.data_dir)
    assert done.returncode == 0, done.stderr
    with Visit(server) as guest:
        (form,) = guest.get("/reset-password/" + json.loads(done.stdout)["setPasswordUrl"].rpartition("/")[2]).forms
        guest.submit(form, password=PASSWORD)
    return server.sign_in(email)


@pytest.fixture(scope="module")
def rita(server: Server) -> Caller:
    return add_operator(server)


@pytest.fixture
def visit(server: Server, rita: Caller) -> Iterator[Visit]:
    with Visit(server, rita) as found:
        yield found


def at(account: str, path: str = "") -> str:
    return f"/operator/accounts/{account}{path}"


def ask(server: Server, account: str, message: str | None = None) -> Caller:
    """Let an account's Owner ask for API access."""
    owner = server.person(account, "owner")
    body = {} if message is None else {"message": message}
    asked = server.call("POST", f"/v1/accounts/{account}/api-access/requests", body, caller=owner)
    assert asked.status == 202, asked.text
    return owner


def forget_proof(server: Server, who: Caller) -> None:
    """Let someone's last proof be more than ten minutes old."""
    data.change(
        server.data_dir,
        "UPDATE sessions SET proved_at = proved_at - 660000 WHERE person_id = (SELECT id FROM people WHERE email = ?)",
        who.email,
    )


def status_of(server: Server, account: str) -> str:
    return str(server.call("GET", f"/v1/accounts/{account}", caller=server.operator).json["apiAccess"]["status"])


def letters_to(server: Server, who: str, words: str) -> list[str]:
    """The texts of those letters to someone whose subject holds these words."""
    return [str(letter.get_content()) for letter in mail_to(server, who) if words in str(letter["Subject"])]


def form_to(page: Page, action: str) -> Form:
    """The form of a page that posts to an address; the search is sent to the same by GET."""
    (found,) = [form for form in page.forms if form.action == action and form.method == "post"]
    return found


def fill_in(visit: Visit, path: str, action: str, **typed: str) -> Page:
    return visit.submit(form_to(visit.get(path), action), **typed)


# --- the whole story --------------------------------------------------------------------------------------


def test_from_a_new_account_to_its_last_key(server: Server, visit: Visit):
    who, name = address(), f"Story {os.urandom(4).hex()}"
    invited = fill_in(
        visit, "/operator/accounts/new", "/operator/accounts", name=name, type="partner", email=who, user_name="Pia"
    )
    assert f"{name} is created." in invited.headings
    link = invited.one(id="invitation").text
    assert f"It was also mailed to {who}" in invited.main
    assert visit.answer.headers["cache-control"] == "no-store"
    (mailed,) = letters_to(server, who, "invitation")
    assert link in mailed
    account = invited.one("dialog")["data-back"].rpartition("/")[2]

    # The link is in that answer only, and lets the Partner Admin in, who asks for access.
    assert link not in visit.get(at(account)).one("body").text
    with Visit(server) as guest:
        guest.submit(guest.get("/invitations/" + link.rpartition("/")[2]).forms[0], password=PASSWORD)
    pia = server.sign_in(who)
    asked = server.call(
        "POST", f"/v1/accounts/{account}/api-access/requests", {"message": "Line one\nLine <two>"}, caller=pia
    )
    assert asked.status == 202

    shown = visit.get(at(account))
    assert f"{who} asked for it on" in shown.main
    assert shown.one("blockquote").children == ["Line one\nLine <two>"]
    enabled = visit.submit(shown.form(at(account, "/enable")))
    assert enabled.notices == [f"API access is enabled for {name}. Its key managers are told by mail."]
    assert letters_to(server, who, "enabled")

    key = server.key(account, caller=pia, label="Shop")
    assert server.verify(signed(key)).code == "accepted"
    (row,) = [row for row in visit.get(f"/operator/accounts?q={name}").rows() if row["Account ID"] == account]
    assert (row["Name"], row["Type"], row["API access"], row["Active keys"]) == (name, "Partner", "Enabled", "1 of 10")

    # Off: the key stops at once. On again: it works again. Deleted: for good.
    asking = visit.get(at(account, "/switch-off"))
    assert (
        "1 key stops working the moment you confirm: every request is refused with api_access_disabled" in asking.main
    )
    off = visit.submit(asking.form(at(account, "/switch-off")), typed=name.upper(), reason="Odd traffic, ticket 4711")
    assert server.verify(signed(key)).code == "api_access_disabled"
    (told,) = off.notices
    assert re.match(
        rf"API access of {name} is off. Its key stopped working everywhere: {EVERY_VERIFIER} confirmed", told
    )
    assert "Odd traffic, ticket 4711" in off.main
    (mailed,) = letters_to(server, who, "switched off")
    assert "Odd traffic, ticket 4711" in mailed
    visit.submit(off.form(at(account, "/enable")))
    assert server.verify(signed(key)).code == "accepted"

    end = key.client_id[-4:]
    deleting = at(account, f"/api-keys/{key.client_id}/delete")
    assert visit.get(deleting).one("a", class_="quiet", href=at(account, "/api-keys")).text == "Keep it"
    deleted = fill_in(visit, deleting, deleting, typed=end)
    assert deleted.notices[0].startswith("Shop is deleted. It stopped working everywhere")
    assert server.verify(signed(key)).code == "credential_unknown"
    assert "0 of 10 API keys" in deleted.headings

    told = [each.text for each in deleted.one("ol", class_="events").all("p")]
    rita = visit.get("/operator/accounts").one(class_="who").text
    assert (
        told[0]
        == f"{rita} (relationship manager) deleted the API key Shop ({key.client_id}) of integration@example.com"
    )
    assert told[-1] == f"{rita} (relationship manager) created the partner account {name}"


def test_a_declined_request_is_mailed_with_its_reason(server: Server, visit: Visit):
    account = server.account(enabled=False, name="Declined Ltd")
    owner = ask(server, account, "Please")
    path = at(account, "/decline")
    for empty in ("", "  \n "):
        page = fill_in(visit, path, path, reason=empty)
        assert visit.status == 400
        assert page.faults["reason"] == "Say why: it is what the account can act on."
        assert status_of(server, account) == "requested"
    declined = fill_in(visit, path, path, reason="No contract yet.\nSign it <first>.")
    assert declined.notices[0].startswith("The request of Declined Ltd is declined.")
    assert status_of(server, account) == "declined"
    (mailed,) = letters_to(server, owner.email, "declined")
    assert "No contract yet." in mailed
    assert "Sign it <first>." in mailed
    assert declined.one("blockquote").children == ["No contract yet.\nSign it <first>."]


def test_switching_off_takes_the_name_and_loses_nothing_that_was_typed(server: Server, visit: Visit):
    account = server.account(name="  Two   Words\u00a0AG ")
    path = at(account, "/switch-off")
    page = fill_in(visit, path, path, typed="Two Words", reason="Because")
    assert visit.status == 400
    assert page.faults["typed"] == "Type the account's name as it stands above."
    assert page.form(path).values["reason"] == "Because"
    assert status_of(server, account) == "enabled"
    expected = page.form(path).field("typed")["data-expected"]
    off = visit.submit(page.form(path), typed=expected)
    assert status_of(server, account) == "disabled"
    assert "It has no keys, and none can be created until you enable it again." in off.notices[0]


# --- requests ---------------------------------------------------------------------------------------------


def test_requests_are_decided_where_they_stand(server: Server, visit: Visit):
    names = [f"Asking {number} {os.urandom(3).hex()}" for number in range(3)]
    ids = [server.account(name=name, enabled=False) for name in names]
    owners = [ask(server, account, None if number == 1 else f"Number {number}") for number, account in enumerate(ids)]

    page = visit.get("/operator/requests")
    mine = [each for each in page.all("li", class_="card") if each.one("h2").text in names]
    assert [each.one("h2").text for each in mine] == names, "the longest waiting first"
    assert owners[0].email in mine[0].text
    assert mine[0].one("blockquote").text == "Number 0"
    assert "No message." in mine[1].text
    count = int(re.findall(r"Access requests \((\d+)\)", page.text)[0])
    assert count >= 3

    page = visit.submit(page.form(f"/operator/requests/{ids[0]}/approve"))
    assert page.notices == [f"API access is enabled for {names[0]}. Its key managers are told by mail."]
    assert f"Access requests ({count - 1})" in page.text
    path = f"/operator/requests/{ids[1]}/decline"
    assert fill_in(visit, path, path, reason="").faults.keys() == {"reason"}
    page = fill_in(visit, path, path, reason="Not before March")
    assert page.notices[0].startswith(f"The request of {names[1]} is declined.")
    assert [status_of(server, account) for account in ids] == ["enabled", "declined", "requested"]
    assert "Not before March" in letters_to(server, owners[1].email, "declined")[0]
    visit.submit(visit.get(at(ids[2])).form(at(ids[2], "/enable")))


def test_requests_come_in_pages_and_one_stays_on_ones_page(server: Server, visit: Visit, tmp_path):
    accounts = {server.account(name=f"Paged {number:02}", enabled=False): number for number in range(23)}
    with data.looking_into(server.data_dir) as database:
        database.change_many(
            "UPDATE accounts SET api_access = 'requested', api_access_requested_by = 'kim@example.com',"
            " api_access_requested_at = ? WHERE id = ?",
            [(number + 1, account) for account, number in accounts.items()],
        )
    try:
        first = visit.get("/operator/requests")
        assert [each.text for each in first.all("h2")][:20] == [f"Paged {number:02}" for number in range(20)]
        (following,) = [each["href"] for each in first.all("a", rel="next")]
        second = visit.get(following)
        assert [each.text for each in second.all("h2")][:3] == ["Paged 20", "Paged 21", "Paged 22"]
        decided = next(account for account, number in accounts.items() if number == 21)
        after = visit.submit(second.form(f"/operator/requests/{decided}/approve"))
        assert [each.text for each in after.all("h2")][:2] == ["Paged 20", "Paged 22"]
        assert "Back to the longest waiting" in after.main
        lost = visit.get("/operator/requests?cursor=made-up")
        assert (visit.status, lost.notices) == (
            400,
            ["This link leads nowhere. Here are the requests from the beginning."],
        )
        assert "Paged 00" in lost.headings
    finally:
        for account in accounts:
            server.set_access(account, True)


def test_who_comes_second_is_told_and_nothing_changes(server: Server, visit: Visit):
    """A colleague decides while one reads: above all, a late `decline` must not switch off what was just enabled."""
    account = server.account(enabled=False, name="Raced")
    ask(server, account)
    paths = (f"/operator/requests/{account}/decline", at(account, "/decline"))
    open_forms = [visit.get(path).form(path) for path in paths]
    approve = visit.get("/operator/requests").form(f"/operator/requests/{account}/approve")
    enable = visit.get(at(account)).form(at(account, "/enable"))
    server.set_access(account, True)
    for form in (*open_forms, approve, enable):
        page = visit.submit(form, reason="Too late")
        assert visit.status == 200
        assert page.notices == [
            "Meanwhile its API access was enabled, so nothing was changed now; look again and decide."
        ]
        assert status_of(server, account) == "enabled"
    assert visit.get(paths[0]).notices == [
        "No request of this account waits for a decision any more; nothing was changed."
    ]
    assert visit.path == "/operator/requests"

    off = visit.get(at(account, "/switch-off")).form(at(account, "/switch-off"))
    server.set_access(account, False)
    assert "its API access was switched off" in visit.submit(off, typed="raced").notices[0]
    assert visit.get(at(account, "/switch-off")).notices == ["API access of this account is off already."]

    key_path = at(account, "/api-keys/ck_gone/delete")
    assert visit.get(key_path).notices == ["It is no active API key of this account any more."]
    assert visit.get(at(account, "/users/usr_gone/invite")).notices == [
        "There is no such user in this account any more."
    ]


# --- users ------------------------------------------------------------------------------------------------


def test_a_user_is_invited_and_invited_again(server: Server, visit: Visit):
    account = server.account(name="Inviting")
    who = address()
    page = visit.get(at(account, "/users/new"))
    roles = [each["value"] for each in page.all("input", name="role")]
    assert roles == ["owner", "admin", "executor", "preparer", "viewer"]
    form = page.form(at(account, "/users"))
    first = visit.submit(form, email=who, name="Kim", role="admin").one(id="invitation").text
    haste = visit.submit(form, email=who, name="Kim", role="admin")
    assert visit.status == 409
    assert "was invited less than a minute ago" in haste.faults["email"]
    assert haste.form(at(account, "/users")).values["email"] == who
    (row,) = [row for row in user_rows(visit.get(at(account))) if who in row]
    assert re.search("Invited ?until", row)

    user_id = re.findall(r"/users/(usr_\w+)/invite", visit.answer.text)[0]
    again = at(account, f"/users/{user_id}/invite")
    assert "was invited less than a minute ago" in fill_in(visit, again, again).notices[0]
    data.change(server.data_dir, "UPDATE invitations SET created_at = created_at - 60000 WHERE person_id = ?", user_id)
    second = fill_in(visit, again, again).one(id="invitation").text
    assert first != second
    assert len(letters_to(server, who, "invitation")) == 2
    token = second.rpartition("/")[2]
    assert server.call("POST", f"/v1/invitations/{token}", {"password": PASSWORD}).status == 204
    assert visit.get(again).notices == ["They have a password already."]
    assert again not in visit.get(at(account)).links

    # Someone who has a password needs no link.
    other = server.account(name="Other")
    added = fill_in(visit, at(other, "/users/new"), at(other, "/users"), email=who, name="Kim", role="owner")
    assert added.notices == [f"Kim is invited. {who} has a password already, and finds Other at the next sign-in."]


def test_no_link_is_shown_that_leads_into_another_account(server: Server, visit: Visit):
    who, mine = address(), server.account(name="Mine")
    body = {"email": who, "name": "Kim", "role": "owner"}
    assert server.call("POST", f"/v1/accounts/{mine}/users", body, caller=server.operator).status == 201
    trap = server.account(name="Trap")
    page = fill_in(visit, at(trap, "/users/new"), at(trap, "/users"), email=who, name="Kim", role="viewer")
    assert page.notices[0].startswith(f"Kim is invited. The link went to {who} by mail only.")
    new = {"name": "Another trap", "type": "partner", "email": who, "user_name": "Kim"}
    page = fill_in(visit, "/operator/accounts/new", "/operator/accounts", **new)
    assert page.notices[0].startswith(f"Another trap is created. The link went to {who} by mail only.")
    assert "kwi_" not in visit.answer.text
    assert len(letters_to(server, who, "invitation")) == 3


def user_rows(page: Page) -> list[str]:
    return [row.text for table in page.all("table") for row in table.one("tbody").all("tr")]


def test_a_colleague_is_no_user_of_an_account(server: Server, visit: Visit, rita: Caller):
    before = visit.get("/operator/accounts?q=never+made").main
    page = fill_in(
        visit,
        "/operator/accounts/new",
        "/operator/accounts",
        name="Never made",
        type="corporate",
        email=rita.email,
        user_name="Rita",
    )
    assert visit.status == 409
    assert "works for the platform" in page.faults["email"]
    assert form_to(page, "/operator/accounts").values["name"] == "Never made"
    assert visit.get("/operator/accounts?q=never+made").main == before


def test_every_fault_of_a_new_account_is_told_at_its_field(server: Server, visit: Visit):
    new = form_to(visit.get("/operator/accounts/new"), "/operator/accounts")
    page = visit.submit(new, name="", type="other", email="nobody", user_name="")
    assert visit.status == 400
    assert set(page.faults) == {"name", "type", "email", "user_name"}
    assert set(visit.submit(new, name="x" * 201, user_name="Kim").faults) == {"name", "email"}
    made = visit.submit(new, name="Without a user", type="corporate")
    assert made.notices == ["Without a user is created. Its API access is off until you enable it."]
    assert "Nobody yet. Invite the Owner" in made.main


def accounts_named(visit: Visit, name: str) -> list[str]:
    return [row["Account ID"] for row in visit.get(f"/operator/accounts?q={name}").rows()]


def test_a_form_sent_twice_creates_one_account(server: Server, visit: Visit):
    name, who = f"Once {os.urandom(4).hex()}", address()
    new = form_to(visit.get("/operator/accounts/new"), "/operator/accounts")
    filled = {"name": name, "type": "corporate", "email": who, "user_name": "Olga"}
    # With a fault it is shown again, as the same form.
    wrong = visit.submit(new, **{**filled, "email": "nobody"})
    form = form_to(wrong, "/operator/accounts")
    assert form.values["request_id"] == new.values["request_id"]
    assert visit.submit(form, **filled).one(id="invitation").text
    (account,) = accounts_named(visit, name)

    again = visit.submit(form, **filled)
    assert visit.path == at(account)
    (told,) = again.notices
    assert told.startswith(f"{name} was created already. The form came a second time, and nothing was made twice.")
    assert "if the mail does not arrive, invite them again from here" in told
    assert accounts_named(visit, name) == [account]
    assert len(letters_to(server, who, "invitation")) == 1
    # Another form of the same name is another account; without a user there is nothing to say about one.
    other = form_to(visit.get("/operator/accounts/new"), "/operator/accounts")
    visit.submit(other, name=name)
    assert visit.submit(other, name=name).notices == [
        f"{name} was created already. The form came a second time, and nothing was made twice."
    ]
    assert len(accounts_named(visit, name)) == 2
    visit.submit(other, name=name, request_id="not ours")
    assert visit.status == 400
    assert len(accounts_named(visit, name)) == 2


def test_a_form_sent_again_with_an_old_proof_still_creates_one_account(server: Server):
    caller, name = add_operator(server), f"Later {os.urandom(4).hex()}"
    with Visit(server, caller) as visit:
        new = form_to(visit.get("/operator/accounts/new"), "/operator/accounts")
        visit.submit(new, name=name)
        forget_proof(server, caller)
        again = visit.submit(new, name=name)
        assert set(again.faults) == {"password"}
        told = visit.submit(form_to(again, "/operator/accounts"), password=PASSWORD).notices
        assert told[0].startswith(f"{name} was created already.")
        assert len(accounts_named(visit, name)) == 1


# --- who may, and what never shows ------------------------------------------------------------------------


@pytest.fixture
def tired(server: Server) -> Caller:
    """A relationship manager whose proof is old."""
    caller = add_operator(server)
    forget_proof(server, caller)
    return caller


def test_users_and_keys_take_a_fresh_proof(server: Server, tired: Caller):
    account = server.account(name="Proved")
    key = server.key(account)
    with Visit(server, tired) as visit:
        deleting = at(account, f"/api-keys/{key.client_id}/delete")
        for wrong in ("", "not my password"):
            page = fill_in(visit, deleting, deleting, typed="xxxx", password=wrong)
            assert set(page.faults) == {"typed", "password"}
        assert server.verify(signed(key)).code == "accepted"
        page = fill_in(visit, at(account, "/users/new"), at(account, "/users"), email="x", name="")
        assert set(page.faults) == {"email", "name", "password"}
        deleted = fill_in(visit, deleting, deleting, typed=key.client_id[-4:].upper(), password=PASSWORD)
        assert "is deleted." in deleted.notices[0]
        assert PASSWORD not in "".join(server.answers)


def test_an_old_session_switches_nobody_off(server: Server, tired: Caller):
    account = server.account(name="Proved off")
    key = server.key(account)
    path = at(account, "/switch-off")
    with Visit(server, tired) as visit:
        for wrong in ("", "not my password"):
            page = fill_in(visit, path, path, typed="proved", reason="Because", password=wrong)
            assert (visit.status, set(page.faults)) == (400, {"typed", "password"})
            form = page.form(path)
            assert (form.values["typed"], form.values["reason"]) == ("proved", "Because")
            assert form.values["password"] == ""
        assert server.verify(signed(key)).code == "accepted"
        off = visit.submit(form, typed="proved off", password=PASSWORD)
        assert off.notices[0].startswith("API access of Proved off is off.")
        assert server.verify(signed(key)).code == "api_access_disabled"
        assert PASSWORD not in "".join(server.answers)


def test_an_old_session_enables_nothing(server: Server, tired: Caller):
    account = server.account(name="Proved on", enabled=False)
    path = at(account, "/enable")
    with Visit(server, tired) as visit:
        # What acts at once for someone who proved a moment ago leads to a dialog for everyone else.
        page = visit.get(at(account))
        assert path not in [form.action for form in page.forms]
        assert page.one("a", class_="button", href=path).text == "Enable API access"
        asking = visit.get(path)
        assert asking.one("dialog").one("h2").text == "Enable API access for Proved on?"
        for wrong in ("", "not my password"):
            page = visit.submit(asking.form(path), password=wrong)
            assert (visit.status, set(page.faults)) == (400, {"password"})
        # A button that is older than the proof asks then.
        page = visit.post(path, {"csrf": page.csrf, "seen": "not_requested"})
        assert set(page.faults) == {"password"}
        page = visit.post(path, {"csrf": page.csrf, "seen": "nonsense"})
        assert set(page.faults) == {"seen", "password"}
        assert page.form(path).values["seen"] == "not_requested"
        assert status_of(server, account) == "not_requested"
        enabled = visit.submit(page.form(path), password=PASSWORD)
        assert enabled.notices == ["API access is enabled for Proved on. Its key managers are told by mail."]
        assert visit.get(path).notices == ["API access of this account is enabled already."]
        # Proved a moment ago: at once.
        server.set_access(account, False)
        assert "is enabled" in visit.submit(visit.get(at(account)).form(path)).notices[0]


def test_what_changed_while_one_proved_is_not_decided_on_unseen(server: Server, tired: Caller):
    account = server.account(name="Proved late", enabled=False)
    ask(server, account, "Please")
    path = at(account, "/enable")
    with Visit(server, tired) as visit:
        asking = visit.get(path)
        assert asking.one("dialog").one("blockquote").text == "Please"
        server.set_access(account, False)
        page = visit.submit(asking.form(path))
        assert set(page.faults) == {"password"}
        page = visit.submit(page.form(path), password=PASSWORD)
        assert "its request was declined" in page.notices[0]
        assert status_of(server, account) == "declined"


def test_an_old_session_declines_nothing(server: Server, tired: Caller):
    account = server.account(name="Proved no", enabled=False)
    ask(server, account)
    with Visit(server, tired) as visit:
        for path in (at(account, "/decline"), f"/operator/requests/{account}/decline"):
            assert set(fill_in(visit, path, path, reason="", password="no").faults) == {"reason", "password"}
            page = fill_in(visit, path, path, reason="Not yet")
            assert set(page.faults) == {"password"}
            assert page.form(path).values["reason"] == "Not yet"
            assert status_of(server, account) == "requested"
        declined = visit.submit(page.form(path), password=PASSWORD)
        assert declined.notices[0].startswith("The request of Proved no is declined.")


def test_an_old_session_approves_nothing(server: Server, tired: Caller):
    account = server.account(name="Proved yes", enabled=False)
    ask(server, account, "Since you ask")
    path = f"/operator/requests/{account}/approve"
    with Visit(server, tired) as visit:
        page = visit.get("/operator/requests")
        assert path not in [form.action for form in page.forms]
        assert page.one("a", href=path)["aria-label"] == "Approve the request of Proved yes"
        asking = visit.get(path)
        assert asking.one("dialog").one("blockquote").text == "Since you ask"
        assert set(visit.submit(asking.form(path), password="not mine").faults) == {"password"}
        assert status_of(server, account) == "requested"
        approved = visit.submit(asking.form(path), password=PASSWORD)
        assert approved.notices == ["API access is enabled for Proved yes. Its key managers are told by mail."]
        assert visit.path == "/operator/requests"
        late = "No request of this account waits for a decision any more; nothing was changed."
        assert visit.get(path).notices == [late]


def test_an_old_session_creates_no_account(server: Server, tired: Caller):
    with Visit(server, tired) as visit:
        name = f"Proved new {os.urandom(4).hex()}"
        new = form_to(visit.get("/operator/accounts/new"), "/operator/accounts")
        assert set(visit.submit(new, name="", password="not mine").faults) == {"name", "password"}
        page = visit.submit(new, name=name, type="partner", email=(who := address()), user_name="Kim")
        assert set(page.faults) == {"password"}
        form = form_to(page, "/operator/accounts")
        kept = {"name": name, "type": "partner", "email": who, "user_name": "Kim", "password": ""}
        assert kept.items() <= form.values.items()
        assert not visit.get(f"/operator/accounts?q={name}").all("table")
        assert visit.submit(form, password=PASSWORD).one(id="invitation").text
        assert len(accounts_named(visit, name)) == 1


def test_nobody_else_finds_the_console(server: Server, visit: Visit):
    account = server.account(name="Not theirs", enabled=False)
    owner = ask(server, account)
    user_id, client_id = "usr_1", "ck_1"
    reads = ["/operator", "/operator/accounts", "/operator/accounts/new", "/operator/requests", at(account)]
    reads += [at(account, path) for path in ("/enable", "/decline", "/switch-off", "/users/new", "/api-keys")]
    reads += [at(account, "/activity"), f"/operator/requests/{account}/approve"]
    reads += [at(account, f"/users/{user_id}/invite"), at(account, f"/api-keys/{client_id}/delete")]
    reads += [f"/operator/requests/{account}/decline"]
    writes = ["/operator/accounts", f"/operator/requests/{account}/approve", f"/operator/requests/{account}/decline"]
    writes += [at(account, path) for path in ("/enable", "/decline", "/switch-off", "/users")]
    writes += [at(account, f"/users/{user_id}/invite"), at(account, f"/api-keys/{client_id}/delete")]
    with Visit(server, owner) as other:
        csrf = other.get("/accounts").csrf
        for path in reads:
            page = other.get(path)
            assert (other.status, page.one("h1").text) == (404, "Nothing here"), path
        for path in writes:
            other.post(path, {"csrf": csrf, "seen": "requested", "reason": "x", "typed": "not theirs", "name": "x"})
            assert other.status == 404, path
        assert "Operator console" not in [each.get("aria-label") for each in other.get("/accounts").all("nav")]
    with Visit(server) as guest:
        for path in reads:
            guest.get(path)
            assert guest.path == "/sign-in", path
        for path in writes:
            guest.post(path, {"csrf": "x"})
            assert guest.path == "/sign-in", path
    assert status_of(server, account) == "requested"
    # Another site's form, and one from another session, change nothing either.
    for sent, headers in (
        ({"csrf": csrf}, {}),
        ({"csrf": visit.get(at(account)).csrf}, {"Origin": "https://evil.example"}),
    ):
        visit.post(at(account, "/enable"), {**sent, "seen": "requested"}, **headers)
        assert visit.status == 403
    assert status_of(server, account) == "requested"


def test_there_is_nothing_at_made_up_addresses(visit: Visit):
    for path in (
        "",
        "/enable",
        "/decline",
        "/switch-off",
        "/users/new",
        "/activity",
        "/api-keys/ck_1/delete",
        "/users/usr_1/invite",
    ):
        visit.get(at("acc_made_up", path))
        assert visit.status == 404, path
    csrf = visit.get("/operator/accounts").csrf
    for path in ("/enable", "/decline", "/switch-off", "/users", "/api-keys/ck_1/delete", "/users/usr_1/invite"):
        sent = {"csrf": csrf, "seen": "enabled", "reason": "x", "typed": "ck_1", "email": address(), "name": "x"}
        visit.post(at("acc_made_up%0d%0aX-Evil:%20yes", path), {**sent, "role": "owner"})
        assert visit.status == 404, path
        assert "x-evil" not in visit.answer.headers


def test_no_page_of_an_operator_holds_or_makes_a_secret(server: Server, visit: Visit):
    account = server.account(name="Secret keepers")
    key = server.key(account, algorithm="hmac-sha256")
    before = len(server.answers)
    for path in ("", "/activity", f"/api-keys/{key.client_id}/delete", "/switch-off"):
        assert key.client_id in visit.get(at(account, path)).text or path == "/switch-off"
    assert not SECRET.search("".join(server.answers[before:]))
    # An operator is no user of the account, so the page that makes keys is not there for them.
    csrf = visit.get(at(account)).csrf
    for path in (f"/accounts/{account}/api-keys", f"/accounts/{account}/api-keys/new"):
        visit.get(path)
        assert visit.status == 404
    visit.post(f"/accounts/{account}/api-keys", {"csrf": csrf, "email": address(), "request_id": "0" * 32})
    assert visit.status == 404
    assert "1 of 10 API keys" in visit.get(at(account)).headings


def test_names_are_text_wherever_they_stand(server: Server, visit: Visit):
    account = server.account(name=HOSTILE, enabled=False)
    who = address()
    body = {"email": who, "name": HOSTILE, "role": "owner"}
    invited = server.call("POST", f"/v1/accounts/{account}/users", body, caller=server.operator)
    token = invited.json["invitationUrl"].rpartition("/")[2]
    server.call("POST", f"/v1/invitations/{token}", {"password": PASSWORD})
    owner = server.sign_in(who)
    server.call("POST", f"/v1/accounts/{account}/api-access/requests", {"message": HOSTILE}, caller=owner)
    paths = ["/operator/accounts?q=script", "/operator/requests", at(account), at(account, "/decline")]
    paths += [f"/operator/requests/{account}/decline", at(account, "/activity"), at(account, "/users/new")]
    for path in paths:
        page = visit.get(path)
        assert visit.status == 200
        assert HOSTILE in page.text, path
        assert "<script>alert" not in visit.answer.text
    done = visit.submit(visit.get(at(account)).form(at(account, "/enable")))
    assert done.notices[0] == f"API access is enabled for {HOSTILE}. Its key managers are told by mail."
    assert HOSTILE in visit.get(at(account, "/switch-off")).one("mark").text
    assert HOSTILE in visit.get(f"/operator/accounts?q={HOSTILE.replace('&', '%26').replace(' ', '+')}").headings[1]


def test_the_start_page_leads_an_operator_to_the_accounts(visit: Visit):
    visit.get("/")
    assert visit.path == "/operator/accounts"
    visit.get("/operator")
    assert visit.path == "/operator/accounts"


def test_activity_goes_on_behind_the_newest(server: Server, visit: Visit):
    account = server.account(name="Busy")
    for number in range(30):
        server.set_access(account, number % 2 == 1)
    page = visit.get(at(account))
    assert len(page.one("ol", class_="events").all("li")) == 20
    assert at(account, "/activity") in page.links
    everything = visit.get(at(account, "/activity"))
    assert len(everything.one("ol", class_="events").all("li")) == 32
    older = visit.get(at(account, "/activity?before=3"))
    assert [each.text for each in older.one("ol", class_="events").all("strong")][-1] == "Busy"
    visit.get(at(account, "/activity?before=x"))
    assert visit.status == 400
