"""Users and Activity over HTTP: what they show, what they do, and what they refuse."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from keywright import audit
from keywright.storage import open_database
from support import data
from support.mail import mail_to
from support.reading import Page
from support.server import PASSWORD, Caller, Server, run_cli
from support.visit import Visit

HOSTILE = "<script>alert('1')</script>\"&{{7*7}}"
HINTS_OF_CORPORATE = ["owner", "admin", "executor", "preparer", "viewer"]


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


def address() -> str:
    return f"kim.{os.urandom(5).hex()}@example.com"


def users_of(account: str) -> str:
    return f"/accounts/{account}/users"


def activity_of(account: str) -> str:
    return f"/accounts/{account}/activity"


def change(server: Server, statement: str, *values: Any) -> None:
    """Change the database past the server."""
    data.change(server.data_dir, statement, *values)


def forget_proof(server: Server, who: Caller) -> None:
    change(server, "UPDATE sessions SET proved_at = proved_at - 660000 WHERE person_id = ?", who.user_id)


def pass_a_minute(server: Server, email: str) -> None:
    change(
        server,
        "UPDATE invitations SET created_at = created_at - 60000"
        " WHERE person_id = (SELECT id FROM people WHERE email = ?)",
        email,
    )


def invite(visit: Visit, account: str, **typed: str) -> Page:
    page = visit.get(f"{users_of(account)}/new")
    return visit.submit(page.form(users_of(account)), **{"name": "Kim", "role": "viewer", **typed})


def row_of(page: Page, email: str) -> dict[str, str]:
    (row,) = [row for row in page.rows() if email in row["Name and email"]]
    return row


def sentences(page: Page) -> list[str]:
    return [each.all("p")[0].text for each in page.all("li") if each.get("id").startswith("event-")]


# --- who may see what ---------------------------------------------------------------------------------------------


def pages_of(account: str, user_id: str) -> dict[str, list[str]]:
    one = f"{users_of(account)}/{user_id}"
    return {
        "users": [users_of(account), f"{users_of(account)}/new", f"{one}/role", f"{one}/remove"],
        "activity": [activity_of(account), f"{activity_of(account)}.csv", f"{activity_of(account)}.json"],
    }


@pytest.mark.parametrize(
    ("kind", "role", "may"),
    [
        ("corporate", "owner", {"users", "activity"}),
        ("corporate", "admin", {"activity"}),
        ("corporate", "executor", set()),
        ("corporate", "preparer", set()),
        ("corporate", "viewer", set()),
        ("partner", "partner_admin", {"users", "activity"}),
        ("partner", "onboarding_agent", set()),
    ],
)
def test_who_sees_which_page(server: Server, kind: str, role: str, may: set[str]):
    account = server.account(kind)
    server.person(account, "owner" if kind == "corporate" else "partner_admin")
    who = server.person(account, role)
    with Visit(server, who) as visit:
        page = visit.get(f"/accounts/{account}")
        entries = {each["href"].rpartition("/")[2] for each in page.one("nav", aria_label="Account").all("a")}
        assert entries & {"users", "activity"} == may
        for name, paths in pages_of(account, who.user_id).items():
            for path in paths:
                answer = visit.client.get(path)
                assert answer.status_code == (200 if name in may else 404), path
                assert answer.headers["cache-control"] == "no-store"
        nowhere = visit.get("/accounts/acc_nowhere/users").main
        if "users" not in may:
            assert visit.get(users_of(account)).main == nowhere
            one = f"{users_of(account)}/{who.user_id}"
            form = {"csrf": page.csrf, "email": address(), "name": "Kim", "role": role}
            for path in (users_of(account), f"{one}/role", f"{one}/remove", f"{one}/invitation"):
                visit.post(path, form)
                assert visit.status == 404, path
        if "activity" not in may:
            assert visit.get(activity_of(account)).main == nowhere
            visit.post(f"{activity_of(account)}/check", {"csrf": page.csrf})
            assert visit.status == 404


def test_other_peoples_accounts_do_not_exist(server: Server, visit: Visit, owner: Caller, account: str):
    other = server.account()
    stranger = server.person(other, "owner")
    for paths in pages_of(other, stranger.user_id).values():
        for path in paths:
            assert visit.client.get(path).status_code == 404
    # Nor can one of their users be reached through one's own account.
    visit.get(f"{users_of(account)}/{stranger.user_id}/role")
    assert visit.path == users_of(account)
    csrf = visit.get(users_of(account)).csrf
    for action in ("role", "remove", "invitation"):
        page = visit.post(f"{users_of(account)}/{stranger.user_id}/{action}", {"csrf": csrf, "role": "viewer"})
        assert "no longer a user" in page.notices[0]
    assert server.call("GET", f"/v1/accounts/{other}", caller=stranger).status == 200


def test_a_relationship_manager_has_a_console_of_their_own(server: Server, account: str, owner: Caller):
    rita = server.person(account, "viewer")
    change(server, "DELETE FROM memberships WHERE person_id = ?", rita.user_id)
    change(server, "INSERT INTO operators VALUES (?, 'Rita', 1)", rita.user_id)
    with Visit(server, rita) as visit:
        for paths in pages_of(account, owner.user_id).values():
            for path in paths:
                assert visit.client.get(path).status_code == 404


def test_a_guest_is_led_to_the_sign_in(server: Server, account: str, owner: Caller):
    with Visit(server) as visit:
        for paths in pages_of(account, owner.user_id).values():
            for path in paths:
                answer = visit.client.get(path)
                assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in")
        for path in (users_of(account), f"{activity_of(account)}/check"):
            assert visit.client.post(path, data={}).headers["location"] == "/sign-in"


@pytest.mark.parametrize("csrf", [None, "", "0" * 32])
def test_a_form_that_is_not_of_this_session_changes_nothing(
    server: Server, visit: Visit, account: str, owner: Caller, csrf: str | None
):
    server.person(account, "owner")
    one = f"{users_of(account)}/{owner.user_id}"
    form = {"email": address(), "name": "Kim", "role": "viewer", **({} if csrf is None else {"csrf": csrf})}
    before = server.call("GET", f"/v1/accounts/{account}/users", caller=owner).text
    check = f"{activity_of(account)}/check"
    for path in (users_of(account), f"{one}/role", f"{one}/remove", f"{one}/invitation", check):
        visit.post(path, form)
        assert visit.status == 403, path
    visit.post(users_of(account), {**form, "csrf": visit.get(users_of(account)).csrf}, Origin="https://evil.example")
    assert visit.status == 403
    assert server.call("GET", f"/v1/accounts/{account}/users", caller=owner).text == before


# --- users --------------------------------------------------------------------------------------------------------


def test_someone_is_invited_comes_and_is_shown_so(server: Server, visit: Visit, account: str, owner: Caller):
    who = address()
    page = invite(visit, account, email=who.upper(), name="Kim Kaminski", role="admin")
    assert visit.path == users_of(account)
    (told,) = page.notices
    assert told.startswith(f"An invitation to {who} is on its way. The link in the mail holds for 7 days. If it does")
    row = row_of(page, who)
    assert row["Name and email"] == f"Kim Kaminski {who}"
    assert row["Role"] == "Admin"
    assert row["State"].startswith("Invited until ")
    (mail,) = mail_to(server, who)
    link = next(word for word in mail.get_content().split() if "/invitations/" in word)
    assert link.rpartition("/")[2] not in visit.answer.text, "the inviter does not see the link"
    accepted = server.call("POST", "/v1/invitations/" + link.rpartition("/")[2], {"password": PASSWORD})
    assert accepted.status == 204
    row = row_of(visit.get(users_of(account)), who)
    assert row["State"] == "Active"
    assert "Invite again" not in row["Change"]
    assert row_of(visit.get(users_of(account)), owner.email)["Name and email"] == f"Owner you {owner.email}"


def test_an_invitation_is_sent_again(server: Server, visit: Visit, account: str, owner: Caller):
    who = address()
    page = invite(visit, account, email=who)
    (form,) = [each for each in page.forms if each.action.endswith("/invitation")]
    hasty = visit.submit(form)
    assert visit.status == 429
    assert 1 <= int(visit.answer.headers["retry-after"]) <= 60
    assert "less than a minute ago" in hasty.notices[0]
    pass_a_minute(server, who)
    assert visit.submit(form).notices[0].startswith(f"An invitation to {who} is on its way.")
    assert len(mail_to(server, who)) == 2
    # Once the last proof is old, the button leads to a page that asks for it.
    pass_a_minute(server, who)
    forget_proof(server, owner)
    assert form.action in visit.get(users_of(account)).links
    asking = visit.get(form.action)
    assert asking.headings[-1] == "Invite Kim again?"
    assert set(visit.submit(asking.form(form.action)).faults) == {"password"}
    visit.submit(asking.form(form.action), password=PASSWORD)
    assert len(mail_to(server, who)) == 3


def test_an_invitation_that_has_run_out_is_shown_so(server: Server, visit: Visit, account: str):
    who = address()
    invite(visit, account, email=who)
    change(
        server,
        "UPDATE invitations SET expires_at = created_at WHERE person_id = (SELECT id FROM people WHERE email = ?)",
        who,
    )
    row = row_of(visit.get(users_of(account)), who)
    assert row["State"] == "Invitation has run out"
    assert "Invite again" in row["Change"]


def test_whoever_has_come_is_not_invited_again(server: Server, visit: Visit, account: str):
    kim = server.person(account, "viewer")
    path = f"{users_of(account)}/{kim.user_id}/invitation"
    assert "has come already" in visit.get(path).notices[0]
    refused = visit.post(path, {"csrf": visit.get(users_of(account)).csrf})
    assert visit.status == 409
    assert "already a user of this account" in refused.notices[0]


def test_someone_with_a_password_is_added_at_once(server: Server, visit: Visit, account: str):
    kim = server.person(server.account(), "viewer")
    page = invite(visit, account, email=kim.email)
    assert page.notices[0].startswith(f"{kim.email} is added. They have a password already")
    assert row_of(page, kim.email)["State"] == "Active"
    assert server.call("GET", f"/v1/accounts/{account}", caller=kim).status == 200


def test_every_fault_of_an_invitation_is_told_at_its_field(server: Server, visit: Visit, account: str, owner: Caller):
    forget_proof(server, owner)
    page = invite(visit, account, email="nobody", name="x" * 201, role="king", password="")
    assert visit.status == 400
    assert set(page.faults) == {"email", "name", "role", "password"}
    values = page.form(users_of(account)).values
    assert (values["email"], values["name"]) == ("nobody", "x" * 201)
    # Of another kind of account, and a wrong password: what was typed stays, but for the password.
    page = invite(visit, account, email=address(), role="partner_admin", password="not my password")
    assert set(page.faults) == {"password"}
    assert page.form(users_of(account)).values["password"] == ""
    page = invite(visit, account, email=address(), role="partner_admin", password=PASSWORD)
    assert (visit.status, set(page.faults)) == (400, {"role"})
    assert len(visit.get(users_of(account)).rows()) == 1


def test_someone_who_is_there_is_told_at_the_email(server: Server, visit: Visit, account: str, owner: Caller):
    page = invite(visit, account, email=owner.email, role="viewer")
    assert visit.status == 409
    assert page.faults["email"].startswith(f"{owner.email} is already a user of this account, as owner")
    who = address()
    invite(visit, account, email=who)
    page = invite(visit, account, email=who)
    assert visit.status == 429
    assert "less than a minute ago" in page.faults["email"]


def test_each_role_says_what_it_may_do(server: Server, visit: Visit, account: str):
    form = visit.get(f"{users_of(account)}/new").form(users_of(account))
    told = {each.one("input")["value"]: each.one("small").text for each in form.element.all(class_="choice")}
    assert list(told) == HINTS_OF_CORPORATE
    assert "manages the users" in told["owner"]
    assert "users" not in told["admin"]
    assert all("Does not see the API keys" in told[role] for role in ("executor", "preparer", "viewer"))
    partner = server.account("partner")
    with Visit(server, server.person(partner, "partner_admin")) as other:
        form = other.get(f"{users_of(partner)}/new").form(users_of(partner))
        choices = [each["value"] for each in form.element.all("input", type="radio")]
        assert choices == ["partner_admin", "onboarding_agent"]


def test_a_role_is_changed(server: Server, visit: Visit, account: str, owner: Caller):
    kim = server.person(account, "viewer")
    path = f"{users_of(account)}/{kim.user_id}/role"
    form = visit.get(path).form(path)
    assert form.values["role"] == "viewer"
    page = visit.submit(form, role="admin")
    assert page.notices == [f"The role is changed. {kim.email} is Admin now."]
    assert row_of(page, kim.email)["Role"] == "Admin"
    forget_proof(server, owner)
    assert set(visit.submit(visit.get(path).form(path), role="king").faults) == {"role", "password"}
    assert set(visit.submit(visit.get(path).form(path), role="partner_admin", password=PASSWORD).faults) == {"role"}
    assert row_of(visit.get(users_of(account)), kim.email)["Role"] == "Admin"


def test_someone_is_removed_and_signed_out(server: Server, visit: Visit, account: str, owner: Caller):
    kim = server.person(account, "admin")
    key = server.key(account, caller=kim)
    path = f"{users_of(account)}/{kim.user_id}/remove"
    forget_proof(server, owner)
    asking = visit.get(path)
    assert asking.headings[-1] == "Remove Admin?"
    assert "lose access to this account at once" in asking.main
    assert set(visit.submit(asking.form(path)).faults) == {"password"}
    assert server.call("GET", "/v1/session", caller=kim).status != 401
    page = visit.submit(asking.form(path), password=PASSWORD)
    assert page.notices[0].startswith(f"{kim.email} is removed.")
    assert kim.email not in page.one("table").text
    assert server.call("GET", f"/v1/accounts/{account}", caller=kim).status == 401
    keys = server.call("GET", f"/v1/accounts/{account}/credentials", caller=owner).json["credentials"]
    assert [each["clientId"] for each in keys] == [key.client_id]
    # Asked for again, as by someone else a moment later.
    for gone in (visit.get(path), visit.post(path, {"csrf": page.csrf, "password": PASSWORD})):
        assert "no longer a user" in gone.notices[0]


@pytest.mark.parametrize(("kind", "role", "word"), [("corporate", "owner", "Owner"), ("partner", "partner_admin", "Partner Admin")])  # fmt: skip  # noqa: E501
def test_the_last_manager_stays(server: Server, kind: str, role: str, word: str):
    account = server.account(kind)
    last = server.person(account, role)
    one = f"{users_of(account)}/{last.user_id}"
    other_role = {"owner": "viewer", "partner_admin": "onboarding_agent"}[role]
    with Visit(server, last) as visit:
        page = visit.get(f"{one}/role")
        assert page.notices[0].startswith(f"You are the last {word}. An account always keeps one")
        form = page.form(f"{one}/role")
        assert [each["value"] for each in form.element.all("input", type="radio") if "disabled" not in each.attributes] == [role]  # fmt: skip  # noqa: E501
        assert not form.element.all("button")
        page = visit.get(f"{one}/remove")
        assert page.notices[0].startswith(f"You are the last {word}.")
        assert not page.form(f"{one}/remove").element.all("button")
        # Sent all the same, as when the other manager has just gone.
        refused = visit.post(f"{one}/role", {"csrf": page.csrf, "role": other_role})
        assert (visit.status, "role" in refused.faults) == (409, True)
        assert f"last {word}" in refused.faults["role"]
        refused = visit.post(f"{one}/remove", {"csrf": page.csrf})
        assert (visit.status, set(refused.faults)) == (409, {"user"})
        assert visit.get(users_of(account)).rows()[0]["Role"] == word


def test_one_can_step_down_once_there_is_another_owner(server: Server, visit: Visit, account: str, owner: Caller):
    server.person(account, "owner")
    path = f"{users_of(account)}/{owner.user_id}/role"
    asking = visit.get(path)
    assert asking.headings[-1] == "Change your role"
    assert "nor take this back yourself" in asking.notices[0]
    page = visit.submit(asking.form(path), role="viewer")
    assert (visit.status, visit.path) == (200, f"/accounts/{account}")
    assert page.notices == ["Your role is changed. In Acme Ltd you are Viewer now."]
    visit.get(users_of(account))
    assert visit.status == 404


def test_one_can_leave_once_there_is_another_owner(server: Server, visit: Visit, account: str, owner: Caller):
    other = server.person(account, "owner")
    path = f"{users_of(account)}/{owner.user_id}/remove"
    asking = visit.get(path)
    assert asking.headings[-1] == "Leave Acme Ltd?"
    answer = visit.client.post(path, data=asking.form(path).values)
    ended = [each for each in answer.headers.get_list("set-cookie") if each.startswith("keywright_session=")]
    assert len(ended) == 1
    assert "Max-Age=0" in ended[0]
    page = visit._follow(answer)
    assert (visit.status, visit.path) == (200, "/sign-in")
    assert page.notices == ["You have left Acme Ltd. You belong to no other account, so you were signed out."]
    assert server.call("GET", f"/v1/accounts/{account}", caller=owner).status == 401
    users = server.call("GET", f"/v1/accounts/{account}/users", caller=other).json["users"]
    assert [each["userId"] for each in users] == [other.user_id]


def test_what_people_are_called_is_shown_as_text(server: Server, visit: Visit, account: str):
    who = address()
    page = invite(visit, account, email=who, name=HOSTILE)
    assert row_of(page, who)["Name and email"].startswith(HOSTILE)
    users = server.call("GET", f"/v1/accounts/{account}/users", caller=server.operator).json["users"]
    (user_id,) = [each["userId"] for each in users if each["email"] == who]
    for action in ("role", "remove", "invitation"):
        asking = visit.get(f"{users_of(account)}/{user_id}/{action}")
        assert HOSTILE in asking.headings[-1]
        assert all("src" in each.attributes for each in asking.all("script"))


def test_many_users_come_in_pages(server: Server, visit: Visit, account: str, owner: Caller):
    prefix = os.urandom(4).hex()
    people = [f"usr_{prefix}{number:03}" for number in range(230)]
    with data.looking_into(server.data_dir) as database:
        database.change_many(
            "INSERT INTO people (id, email, created_at) VALUES (?, ?, 1)",
            [(person, f"{person}@example.com") for person in people],
        )
        # Joined in threes at the same moment, so that a page can end among them.
        database.change_many(
            "INSERT INTO memberships VALUES (?, ?, ?, ?, ?)",
            [(account, person, "Kim", "viewer", 9_000_000_000_000 + at // 3) for at, person in enumerate(people)],
        )
    page = visit.get(users_of(account))
    seen = [row["Name and email"] for row in page.rows()]
    pages = 1
    while following := [each["href"] for each in page.all("a") if each.text == "More users"]:
        page = visit.get(following[0])
        seen += [row["Name and email"] for row in page.rows()]
        pages += 1
    assert pages == 3
    assert len(seen) == len(set(seen)) == 231
    assert users_of(account) in page.links
    # Someone far behind can be asked about all the same, and the list stays as it was.
    asking = visit.get(f"{users_of(account)}/usr_{prefix}229/remove")
    assert f"usr_{prefix}229@example.com" in asking.one("dialog").text
    assert len(asking.rows()) == 100
    visit.get(f"{users_of(account)}?after=nonsense")
    assert visit.status == 400


# --- activity -----------------------------------------------------------------------------------------------------


def test_what_was_done_is_told_newest_first(server: Server, visit: Visit, account: str, owner: Caller):
    kim = server.person(account, "viewer")
    key = server.key(account, caller=owner, label=HOSTILE)
    server.delete_key(account, key.client_id, caller=owner)
    page = visit.get(activity_of(account))
    told = sentences(page)
    assert told[:2] == [
        f"{owner.email} deleted the API key {HOSTILE} ({key.client_id}) of integration@example.com",
        f"{owner.email} created the API key {HOSTILE} ({key.client_id}) for integration@example.com",
    ]
    assert told[2:4] == [
        f"{kim.email} accepted the invitation",
        f"The platform (token test-operator) added {kim.email} as Viewer",
    ]
    assert told[-1] == "The platform (token test-operator) created the corporate account Acme Ltd"
    assert page.headings[-1].startswith("Today, ")
    event = json.loads(page.one(id="event-1").one("pre").text)
    assert event["seq"] == 1
    assert set(event) == {"seq", "at", "actor", "action", "subject", "detail", "previousHash", "hash"}
    assert all("src" in each.attributes for each in page.all("script"))


def test_the_filter(server: Server, visit: Visit, account: str, owner: Caller):
    kim = server.person(account, "admin")
    for caller in (owner, kim):
        server.key(account, caller=caller)
    day = json.loads(visit.get(activity_of(account)).one(id="event-1").one("pre").text)["at"][:10]

    def found(**values: str) -> list[str]:
        page = visit.get(activity_of(account))
        form = page.form(activity_of(account))
        assert form.method == "get"
        return sentences(visit._follow(visit.client.get(activity_of(account), params={**form.values, **values})))

    everything = found()
    assert len(everything) == 8
    assert found(kind="keys") == everything[:2]
    assert found(kind="access") == [each for each in everything if "API access" in each]
    assert len(found(kind="users")) == 4
    assert found(who=kim.email.upper()) == [each for each in everything if each.startswith(kim.email)]
    assert found(who="test-operator", kind="users") == [each for each in everything if "added" in each]
    assert found(who="%") == []
    assert found(**{"from": day, "to": "9999-12-31"}) == everything
    assert found(to="2001-01-01") == []
    page = visit.get(f"{activity_of(account)}?who=nobody")
    assert "No event matches" in page.headings
    page = visit.get(f"{activity_of(account)}?kind=keys&who=%22%3E%3Cb%3E")
    assert page.form(activity_of(account)).values["who"] == '"><b>'
    assert page.form(activity_of(account)).values["kind"] == "keys"
    assert f"{activity_of(account)}.csv?kind=keys&who=%22%3E%3Cb%3E" in page.links


def test_every_fault_of_a_filter_is_told(visit: Visit, account: str):
    query = f"kind=nonsense&who={'x' * 101}&from=yesterday&to=2026-13-01&before=-1"
    page = visit.get(f"{activity_of(account)}?{query}")
    assert visit.status == 400
    assert set(page.faults) == {"kind", "who", "from", "to"}
    assert page.notices[0].startswith("This link leads nowhere")
    assert sentences(page) == []
    page = visit.get(f"{activity_of(account)}?from=2026-05-02&to=2026-05-01")
    assert set(page.faults) == {"to"}
    for kind in ("csv", "json"):
        assert visit.client.get(f"{activity_of(account)}.{kind}?from=yesterday").status_code == 400


def test_older_events_are_on_further_pages(server: Server, visit: Visit, account: str, owner: Caller):
    for _ in range(28):
        key = server.key(account, caller=owner)
        server.delete_key(account, key.client_id, caller=owner)
    page = visit.get(f"{activity_of(account)}?kind=keys")
    first = sentences(page)
    (older,) = [each["href"] for each in page.all("a") if each.text == "Older"]
    page = visit.get(older)
    rest = sentences(page)
    assert (len(first), len(rest)) == (50, 6)
    assert len(set(first + rest)) == 56
    assert not [each for each in page.all("a") if each.text == "Older"]
    assert f"{activity_of(account)}?kind=keys" in page.links


# --- whether the record is whole -----------------------------------------------------------------------------------


def test_a_whole_record_is_told(visit: Visit, account: str):
    page = visit.get(activity_of(account))
    assert page.notices[0].startswith("All 4 events are there, in order and unchanged. Checked just now, at ")
    assert "keywright audit verify FILE" in page.notices[0]


@pytest.mark.parametrize(
    ("statement", "seq", "told"),
    [
        ("UPDATE audit_events SET action = 'user.removed' WHERE chain = ? AND seq = 3", 3, "the event was changed"),
        ("DELETE FROM audit_events WHERE chain = ? AND seq = 2", 2, "is missing or out of place"),
        ("UPDATE audit_events SET at = 'never' WHERE chain = ? AND seq = 4", 4, "the event was changed"),
        ("UPDATE audit_events SET actor = '\"\\ud800\"' WHERE chain = ? AND seq = 4", 4, "the event was changed"),
        ('UPDATE audit_events SET detail = \'{"name": "\\ud800"}\' WHERE chain = ? AND seq = 1', 1, "was changed"),
        ("UPDATE audit_heads SET seq = 3 WHERE chain = ?", 4, "its head says 3"),
        ("DELETE FROM audit_heads WHERE chain = ?", 1, "its head says 0"),
        ("DELETE FROM audit_events WHERE chain = ?", 1, "0 events"),
    ],
)
def test_a_broken_record_is_told_at_its_first_broken_event(
    server: Server, visit: Visit, account: str, tmp_path: Path, *, statement: str, seq: int, told: str
):
    change(server, statement, account)
    page = visit.get(activity_of(account))
    assert visit.status == 200
    assert f"This record is broken at event {seq}" in page.headings
    assert told in page.main
    assert "Tell your relationship manager" in page.main
    if seq > 1:
        assert visit.client.get(f"{activity_of(account)}?before={seq + 1}").status_code == 200
    # Its files can be had as well, and checking one comes to the same.
    assert visit.client.get(f"{activity_of(account)}.csv").status_code == 200
    file = tmp_path / "trail.jsonl"
    file.write_bytes(visit.client.get(f"{activity_of(account)}.json").content)
    checked = run_cli("audit", "verify", str(file), "--json")
    assert checked.returncode == 1, checked.stdout
    assert json.loads(checked.stdout)["broken"]["seq"] == seq


def test_a_long_record_is_checked_when_asked_for(server: Server, visit: Visit, account: str):
    # The head's word is taken for the length, and found out by the check.
    change(server, "UPDATE audit_heads SET seq = 5001 WHERE chain = ?", account)
    page = visit.get(activity_of(account))
    assert "more than 500 events" in page.notices[0]
    page = visit.submit(page.form(f"{activity_of(account)}/check"))
    assert (visit.status, visit.path) == (200, f"{activity_of(account)}/check")
    assert "This record is broken at event 5" in page.headings
    change(server, "UPDATE audit_heads SET seq = 100001 WHERE chain = ?", account)
    page = visit.submit(visit.get(activity_of(account)).form(f"{activity_of(account)}/check"))
    assert "too many to check while you wait" in page.notices[0]


# --- files ---------------------------------------------------------------------------------------------------------


def test_the_json_file_is_checked_by_the_command_line(
    server: Server, visit: Visit, account: str, owner: Caller, tmp_path: Path
):
    server.person(account, "viewer")
    answer = visit.client.get(f"{activity_of(account)}.json")
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="activity-{account}-20')
    assert answer.headers["content-disposition"].endswith('.jsonl"')
    file = tmp_path / "trail.jsonl"
    file.write_bytes(answer.content)
    done = run_cli("audit", "verify", str(file))
    assert (done.returncode, done.stdout) == (0, "The audit trail holds: 6 events in 1 chain.\n")
    exported = run_cli("audit", "export", account, data_dir=server.data_dir)
    assert [json.loads(line) for line in exported.stdout.splitlines()] == [
        json.loads(line) for line in answer.text.splitlines()
    ]
    file.write_text(answer.text.replace(owner.email, "mallory@example.com"))
    assert run_cli("audit", "verify", str(file)).returncode == 1


def test_a_part_of_the_activity_does_not_pass_for_the_whole(
    server: Server, visit: Visit, account: str, owner: Caller, tmp_path: Path
):
    server.key(account, caller=owner)
    answer = visit.client.get(f"{activity_of(account)}.json?kind=keys&who={owner.email}")
    head, *events = [json.loads(line) for line in answer.text.splitlines()]
    assert head["filter"] == {"kind": "credential", "actor": owner.email}
    assert [event["action"] for event in events] == ["credential.created"]
    assert "-part.jsonl" in answer.headers["content-disposition"]
    file = tmp_path / "part.jsonl"
    file.write_bytes(answer.content)
    refused = run_cli("audit", "verify", str(file))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "is not an export" in refused.stderr


def read_csv(answer: httpx2.Response) -> list[dict[str, str]]:
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("label", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("https://evil.example")', "fine, =1"])
def test_no_cell_of_the_csv_file_is_a_formula(server: Server, account: str, label: str):
    # A formula could only stand at the beginning of a cell: a person's address or a token's name can.
    with Visit(server, server.person(account, "owner", f"{address()}")) as visit:
        change(
            server,
            "UPDATE audit_events SET actor = ?, action = ? WHERE chain = ? AND seq = 1",
            json.dumps({"kind": "person", "id": "usr_1", "name": label}),
            label,
            account,
        )
        rows = read_csv(visit.client.get(f"{activity_of(account)}.csv"))
        expected = label if label.startswith("fine") else f"'{label}"
        assert (rows[0]["Actor"], rows[0]["Action"]) == (expected, expected)
        assert rows[0]["What happened"].startswith(expected)
        assert all(cell[:1] not in {"=", "+", "-", "@", "\t", "\r", "\n"} for row in rows for cell in row.values())
        assert rows[1]["Detail"] == ""


def test_the_csv_file_holds_what_the_page_tells(server: Server, visit: Visit, account: str, owner: Caller):
    server.key(account, caller=owner, label='Shop, "test"\u00fc')
    rows = read_csv(visit.client.get(f"{activity_of(account)}.csv"))
    assert [row["What happened"] for row in rows][::-1] == sentences(visit.get(activity_of(account)))
    assert [row["Number"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert rows[-1]["Actor"] == owner.email
    assert json.loads(rows[-1]["Detail"])["label"] == 'Shop, "test"\u00fc'
    only = read_csv(visit.client.get(f"{activity_of(account)}.csv?kind=keys"))
    assert only == rows[-1:]


async def test_a_long_activity_is_downloaded_in_pieces_and_holds(
    server: Server, visit: Visit, account: str, tmp_path: Path
):
    database = open_database(data.url_of(server.data_dir), time.time)
    async with database.write() as session:
        actor, subject = {"kind": "local", "id": "root", "name": "root"}, {"kind": "account", "id": account}
        for _ in range(1200):
            await audit.record(session, account, actor=actor, action="api_access.enabled", subject=subject)
        await session.commit()
    await database.close()
    page = visit.get(activity_of(account))
    checked = visit.submit(page.form(f"{activity_of(account)}/check"))
    assert "All 1,204 events are there" in checked.main
    file = tmp_path / "trail.jsonl"
    file.write_bytes(visit.client.get(f"{activity_of(account)}.json").content)
    told = {"chains": 1, "events": 1204, "holds": True}
    assert json.loads(run_cli("audit", "verify", str(file), "--json").stdout) == told
    rows = read_csv(visit.client.get(f"{activity_of(account)}.csv"))
    assert [int(row["Number"]) for row in rows] == list(range(1, 1205))
