"""People: how they are invited, sign in and out, and how far their session and their role reach."""

from __future__ import annotations

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx2
import pytest

from keywright.api.session import _cookie
from keywright.settings import Settings
from support import data
from support.mail import mail_to
from support.server import PASSWORD, Answer, Caller, Server, run_cli


def address() -> str:
    return f"kim.{os.urandom(5).hex()}@example.com"


def invite(server: Server, account: str, who: str, *, caller: Caller | None = None, role: str = "viewer") -> Answer:
    body = {"email": who, "name": "Kim", "role": role}
    return server.call("POST", f"/v1/accounts/{account}/users", body, caller=caller or server.operator)


def path_of(invited: Answer) -> str:
    assert invited.status == 201, invited.text
    return "/v1/invitations/" + str(invited.json["invitationUrl"]).rpartition("/")[2]


def mailed_path(server: Server, who: str) -> str:
    """The path of the newest invitation that was mailed to someone."""
    texts = [mail.get_content() for mail in mail_to(server, who)]
    return "/v1/invitations/" + [found for text in texts for found in re.findall("kwi_[0-9a-f]{64}", text)][-1]


def pass_a_minute(server: Server, invited: Answer) -> None:
    """Make all invitations of someone a minute older."""
    statement = "UPDATE invitations SET created_at = created_at - 60000 WHERE person_id = ?"
    data.change(server.data_dir, statement, invited.json["userId"])


def remove(server: Server, account: str, user_id: str, *, caller: Caller | None = None) -> None:
    path = f"/v1/accounts/{account}/users/{user_id}"
    assert server.call("DELETE", path, caller=caller or server.operator).status == 204


def accept(server: Server, path: str, password: Any = PASSWORD) -> Answer:
    return server.call("POST", path, {"password": password})


@pytest.fixture(scope="module")
def account(server: Server) -> str:
    return server.account()


@pytest.fixture(scope="module")
def owner(server: Server, account: str) -> Caller:
    return server.person(account, "owner")


# --- invitations ------------------------------------------------------------------------------------------


def test_an_invitation_works_once(server: Server, account: str):
    who = address()
    invited = invite(server, account, who)
    assert set(invited.json) == {"userId", "email", "name", "role", "createdAt", "invitationUrl"}
    path = path_of(invited)
    shown = server.call("GET", path)
    assert (shown.status, shown.json["email"]) == (200, who)
    assert server.call("POST", "/v1/session", {"email": who, "password": PASSWORD}).code == "unauthenticated"
    assert accept(server, path).status == 204
    for again in (accept(server, path, "another good password"), server.call("GET", path)):
        assert (again.status, again.code) == (404, "not_found")
    assert server.sign_in(who)
    wrong = server.call("POST", "/v1/session", {"email": who, "password": "another good password"})
    assert wrong.code == "unauthenticated"


def test_passwords_that_are_too_short_or_too_long(server: Server, account: str):
    path = path_of(invite(server, account, address()))
    for password in ("", "short", "eleven char", "x" * 257, "x" * 60_000, "\u00e4" * 11):
        refused = accept(server, path, password)
        assert (refused.status, refused.code) == (400, "invalid_request")
        assert [fault["field"] for fault in refused.json["errors"]] == ["password"]
    longest = "\U0001f511" + "x" * 255
    assert accept(server, path, longest).status == 204, "none of these used the invitation up"


def test_an_invitation_that_has_run_out(server: Server, account: str):
    invited = invite(server, account, address())
    statement = "UPDATE invitations SET expires_at = created_at WHERE person_id = ?"
    assert data.change(server.data_dir, statement, invited.json["userId"]) == 1
    path = path_of(invited)
    used = server.call("GET", "/v1/invitations/kwi_" + "0" * 64)
    assert server.call("GET", path).json == used.json, "run out and never made look alike"
    assert accept(server, path).code == "not_found"


def test_whoever_is_removed_is_invited_no_more(server: Server, account: str):
    who = address()
    invited = invite(server, account, who)
    remove(server, account, invited.json["userId"])
    assert accept(server, path_of(invited)).code == "not_found"
    # Neither does the old link come to life when they are invited anew.
    anew = invite(server, account, who)
    assert accept(server, path_of(invited)).code == "not_found"
    assert accept(server, path_of(anew)).status == 204


def test_inviting_again_replaces_the_invitation(server: Server, account: str):
    who = address()
    first = invite(server, account, who)
    pass_a_minute(server, first)
    second = invite(server, account, who.upper())
    assert second.json["userId"] == first.json["userId"]
    assert accept(server, path_of(first)).code == "not_found"
    assert invite(server, account, who, role="executor").code == "conflict"
    assert accept(server, path_of(second)).status == 204
    assert invite(server, account, who).code == "conflict"  # they have come: there is nothing to invite to
    assert len(mail_to(server, who)) == 2


def test_an_invitation_is_mailed_once_a_minute(server: Server, account: str, owner: Caller):
    who = address()
    first = invite(server, account, who)
    before = server.call("GET", f"/v1/accounts/{account}/audit-events", caller=owner).text
    for caller in (owner, server.operator):
        hasty = invite(server, account, who, caller=caller)
        assert (hasty.status, hasty.code) == (429, "too_many_requests")
        assert 1 <= int(hasty.headers["retry-after"]) <= 60
    assert server.call("GET", f"/v1/accounts/{account}/audit-events", caller=owner).text == before
    assert len(mail_to(server, who)) == 1
    assert server.call("GET", path_of(first)).status == 200, "the invitation that was sent still holds"
    assert invite(server, server.account(), who).status == 201, "another account invites for itself"
    assert len(mail_to(server, who)) == 2
    pass_a_minute(server, first)
    assert invite(server, account, who, caller=owner).status == 201
    assert invite(server, account, who, caller=owner).status == 429
    assert accept(server, path_of(first)).code == "not_found"
    assert len(mail_to(server, who)) == 3


def test_nothing_of_someone_removed_comes_back_with_them(server: Server, account: str, owner: Caller):
    who = address()
    admin = server.person(account, "admin", who)
    sessions = [admin, server.sign_in(who)]
    remove(server, account, admin.user_id, caller=owner)
    assert server.call("POST", "/v1/session", {"email": who, "password": PASSWORD}).code == "unauthenticated"
    anew = invite(server, account, who, role="admin")
    assert anew.json["userId"] == admin.user_id
    assert anew.json["invitationUrl"] is None, "nobody is removed and invited again to be stood in for"
    path = f"/v1/accounts/{account}/credentials"
    for old in sessions:
        assert server.call("GET", path, caller=old).code == "unauthenticated"
    assert server.call("POST", "/v1/session", {"email": who, "password": PASSWORD}).code == "unauthenticated"
    assert accept(server, mailed_path(server, who), "another good password").status == 204
    assert server.call("POST", "/v1/session", {"email": who, "password": PASSWORD}).code == "unauthenticated"
    assert server.call("GET", path, caller=server.sign_in(who, "another good password")).status == 200
    assert server.call("GET", path, caller=sessions[0]).code == "unauthenticated"


def test_removed_at_the_command_line_ends_sessions_too(server: Server, account: str):
    viewer = server.person(account, "viewer")
    done = run_cli("user", "remove", account, viewer.user_id, data_dir=server.data_dir)
    assert done.returncode == 0, done.stderr
    assert server.call("GET", "/v1/accounts", caller=viewer).code == "unauthenticated"


def test_each_account_has_its_own_name_for_someone(server: Server, account: str, owner: Caller):
    who, theirs = address(), server.account()
    other_owner = server.person(theirs, "owner")

    def add(where: str, name: str, caller: Caller) -> Any:
        body = {"email": who, "name": name, "role": "viewer"}
        made = server.call("POST", f"/v1/accounts/{where}/users", body, caller=caller)
        assert made.status == 201, made.text
        return made.json

    mine, foreign = add(account, "Dr. Kim Secret", owner), add(theirs, "Poison", other_owner)
    assert (mine["name"], foreign["name"]) == ("Dr. Kim Secret", "Poison")
    for where, caller, name in ((account, owner, "Dr. Kim Secret"), (theirs, other_owner, "Poison")):
        path = f"/v1/accounts/{where}/users/{mine['userId']}"
        assert server.call("GET", path, caller=caller).json["name"] == name
        listed = server.call("GET", f"/v1/accounts/{where}/users", caller=caller).json["users"]
        assert [each["name"] for each in listed if each["email"] == who] == [name]
        assert server.call("PATCH", path, {"role": "admin"}, caller=caller).json["name"] == name
    remove(server, theirs, mine["userId"], caller=other_owner)
    assert add(theirs, "Kim", other_owner)["name"] == "Kim"


def test_the_command_line_prints_no_link_that_leads_into_another_account(server: Server, account: str):
    who, other = address(), server.account()
    invite(server, account, who)
    command = ("user", "add", other, who, "Kim", "--role", "owner", "--json")
    done = run_cli(*command, data_dir=server.data_dir)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["invitationUrl"] is None
    assert accept(server, mailed_path(server, who)).status == 204


def test_an_owner_invites_by_mail_and_never_holds_the_link(server: Server, account: str, owner: Caller):
    who = address()
    invited = invite(server, account, who, caller=owner)
    assert set(invited.json) == {"userId", "email", "name", "role", "createdAt"}
    (mail,) = mail_to(server, who)
    link = re.search(r"http\S+/invitations/(kwi_[0-9a-f]{64})$", mail.get_content(), re.MULTILINE)
    assert link is not None
    assert link[1] not in server.log
    assert not [name for name, content in data.stored_bytes(server.data_dir) if link[1].encode() in content]
    assert accept(server, f"/v1/invitations/{link[1]}").status == 204
    assert server.sign_in(who)


def test_a_person_in_two_accounts(server: Server):
    mine, theirs, third = server.account(), server.account("partner"), server.account()
    who = address()
    first, second = invite(server, mine, who, role="owner"), invite(server, theirs, who, role="onboarding_agent")
    assert first.json["userId"] == second.json["userId"]
    assert second.json["invitationUrl"] is None, "whoever holds it would enter the first account as well"
    assert accept(server, path_of(first)).code == "not_found", "it was shown, and would enter the second as well"
    assert accept(server, mailed_path(server, who)).status == 204
    for account in (mine, theirs):
        events = server.call("GET", f"/v1/accounts/{account}/audit-events", caller=server.operator).json["events"]
        assert events[0]["action"] == "user.invitation_accepted"
    caller = server.sign_in(who)
    later = invite(server, third, who)
    assert (later.status, later.json["invitationUrl"]) == (201, None)  # they have a password already
    listed = server.call("GET", "/v1/accounts", caller=caller).json
    assert [each["accountId"] for each in listed["accounts"]] == [mine, theirs, third]
    # Each role counts in its own account only.
    statuses = [server.call("GET", f"/v1/accounts/{each}/credentials", caller=caller).status for each in (mine, theirs)]
    assert statuses == [200, 403]
    remove(server, third, later.json["userId"])
    # Session and password hold for the accounts that are left.
    assert server.call("GET", f"/v1/accounts/{third}", caller=caller).code == "not_found"
    assert server.call("GET", f"/v1/accounts/{mine}", caller=caller).status == 200


# --- sessions ------------------------------------------------------------------------------------------


def test_signing_in_sets_a_cookie_that_scripts_and_other_sites_do_not_get(server: Server, owner: Caller):
    answer = server.call("POST", "/v1/session", {"email": owner.email, "password": PASSWORD})
    assert (answer.status, answer.text) == (204, "")
    cookie = SimpleCookie(answer.headers["set-cookie"])["keywright_session"]
    assert re.fullmatch("kws_[0-9a-f]{64}", cookie.value)
    assert cookie["httponly"]
    assert cookie["samesite"].lower() == "lax"
    assert cookie["path"] == "/"
    assert not cookie["domain"]
    assert not cookie["secure"], "the test's server is on loopback without TLS"
    assert int(cookie["max-age"]) == 12 * 3600
    assert cookie.value not in server.log
    assert not [name for name, content in data.stored_bytes(server.data_dir) if cookie.value.encode() in content]


@pytest.mark.parametrize(
    ("settings", "secure"),
    [
        ({"public_url": "https://keys.example.com"}, True),
        ({"public_url": "https://keys.example.com:8443"}, True),
        ({"public_url": "http://keys.example.com"}, True),
        ({"host": "0.0.0.0"}, True),
        ({"host": "::"}, True),
        ({"public_url": "http://localhost:8080"}, False),
        ({"host": "127.0.0.1"}, False),
        ({"host": "127.1.2.3"}, False),
        ({"host": "::1"}, False),
    ],
)
def test_the_cookie_is_secure_off_loopback(settings: dict[str, str], secure: bool, tmp_path: Path):
    cookie = _cookie(Settings(data_dir=tmp_path, **settings), "kws_x", 60)
    assert cookie.secure is secure
    assert ("Secure" in cookie.to_header(header="")) is secure


def test_a_wrong_password_and_an_unknown_address_look_alike(server: Server, account: str, owner: Caller):
    not_yet = address()
    invite(server, account, not_yet)
    answers = [
        server.call("POST", "/v1/session", {"email": who, "password": password})
        for who, password in (
            (owner.email, "correct horse batterY"),
            (owner.email, ""),
            (owner.email, PASSWORD + " "),
            (address(), PASSWORD),
            (not_yet, PASSWORD),
            ("", ""),
            ("\u0000", "\u0000"),
        )
    ]
    assert {(each.status, each.text) for each in answers} == {(401, answers[0].text)}
    assert answers[0].code == "unauthenticated"
    assert not any("set-cookie" in each.headers for each in answers)


@pytest.mark.parametrize("is_known", [True, False])
def test_ten_wrong_passwords_for_an_address_have_to_wait(server: Server, account: str, is_known: bool):
    who = address()
    if is_known:
        server.person(account, "viewer", who)
    body = {"email": who, "password": "correct horse batterY"}
    wrong = [server.call("POST", "/v1/session", body) for _ in range(10)]
    assert {each.code for each in wrong} == {"unauthenticated"}
    for spelling, password in ((who, PASSWORD), (who.upper(), PASSWORD), (who, "wrong")):
        refused = server.call("POST", "/v1/session", {"email": spelling, "password": password})
        assert (refused.status, refused.code) == (429, "too_many_requests")
        assert 1 <= int(refused.headers["retry-after"]) <= 300
        assert "set-cookie" not in refused.headers
        # Alike for someone we do not know.
        assert who not in refused.text
        assert refused.json["detail"] == "too many sign-ins failed for this email address; wait before you try again"
    assert server.person(account, "viewer"), "others sign in as before"


def test_many_guesses_at_once_are_no_way_around(server: Server):
    url, body = f"{server.control}/v1/session", {"email": address(), "password": "guess"}
    with ThreadPoolExecutor(30) as threads:
        answers = list(threads.map(lambda _: httpx2.post(url, json=body).status_code, range(30)))
    assert sorted(answers) == [401] * 10 + [429] * 20


def test_the_right_password_forgets_the_wrong_ones(server: Server, account: str):
    who = server.person(account, "viewer").email
    for _ in range(2):
        for _ in range(9):
            assert server.call("POST", "/v1/session", {"email": who, "password": "wrong"}).code == "unauthenticated"
        assert server.sign_in(who)


def test_upper_and_lower_case_are_one_address(server: Server, account: str):
    who = f"Kim.{os.urandom(4).hex()}@Example.COM"
    invited = invite(server, account, who)
    assert invited.json["email"] == who.lower()
    assert accept(server, path_of(invited)).status == 204
    for spelling in (who, who.lower(), who.upper()):
        assert server.sign_in(spelling)


def test_signing_out_ends_the_session_and_no_other(server: Server, account: str, owner: Caller):
    first, second = server.sign_in(owner.email), server.sign_in(owner.email)
    path = f"/v1/accounts/{account}"
    assert server.call("GET", path, caller=first).status == 200
    out = server.call("DELETE", "/v1/session", caller=first)
    assert out.status == 204
    gone = SimpleCookie(out.headers["set-cookie"])["keywright_session"]
    assert (gone.value, gone["max-age"]) == ("", "0")
    # Also for whoever kept the cookie.
    assert server.call("GET", path, caller=first).code == "unauthenticated"
    assert server.call("GET", path, caller=second).status == 200
    for again in (first, None, Caller({"Cookie": "keywright_session=nonsense"})):
        assert server.call("DELETE", "/v1/session", caller=again).status == 204


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "null", "http://localhost", ""])
def test_a_page_of_another_site_cannot_act_with_the_cookie(server: Server, account: str, owner: Caller, origin: str):
    headers = {"Origin": origin}
    path = f"/v1/accounts/{account}/credentials"
    refused = [
        server.call("POST", path, {"email": "a@example.com"}, caller=owner, headers=headers),
        server.call("PUT", f"/v1/accounts/{account}/api-access", {"enabled": True}, caller=owner, headers=headers),
        server.call("DELETE", f"{path}/ck_x", caller=owner, headers=headers),
        server.call("PATCH", f"/v1/accounts/{account}/users/x", {"role": "viewer"}, caller=owner, headers=headers),
        server.call("DELETE", "/v1/session", caller=owner, headers=headers),
        server.call("POST", "/v1/session", {"email": owner.email, "password": PASSWORD}, headers=headers),
    ]
    assert {(each.status, each.code) for each in refused} == {(403, "forbidden")}
    # Reading is the browser's to forbid (no CORS header lets it), and a token is no cookie.
    read = server.call("GET", path, caller=owner, headers=headers)
    assert read.status == 200
    assert "access-control-allow-origin" not in read.headers
    assert server.call("GET", path, caller=server.operator, headers=headers).status == 200


def test_our_own_pages_act_with_the_cookie(server: Server, account: str, owner: Caller):
    path = f"/v1/accounts/{account}/credentials"
    made = server.call("POST", path, {"email": "a@example.com"}, caller=owner, headers={"Origin": server.control})
    assert made.status == 201
    deleted = server.call("DELETE", f"{path}/{made.json['clientId']}", caller=owner, headers={"Origin": server.control})
    assert deleted.status == 200


def test_an_authorization_header_outranks_the_cookie(server: Server, owner: Caller):
    headers = {"Authorization": "Bearer kwop_" + "0" * 64}
    assert server.call("GET", "/v1/accounts", caller=owner, headers=headers).code == "unauthenticated"


# --- lists ------------------------------------------------------------------------------------------


def paged(server: Server, caller: Caller, limit: int) -> list[list[str]]:
    """The Account IDs of each page."""
    pages: list[list[str]] = []
    cursor = ""
    while True:
        page = server.call("GET", f"/v1/accounts?limit={limit}{cursor}", caller=caller).json
        pages.append([each["accountId"] for each in page["accounts"]])
        if page["nextCursor"] is None:
            return pages
        cursor = f"&cursor={page['nextCursor']}"


def test_accounts_page_by_page(server: Server):
    who = address()
    mine = [server.account(kind, enabled=False) for kind in ("corporate", "partner", "corporate", "corporate")]
    invited = [
        invite(server, account, who, role="owner" if index != 1 else "partner_admin")
        for index, account in enumerate(mine)
    ]
    assert [bool(each.json["invitationUrl"]) for each in invited] == [True, False, False, False]
    assert accept(server, mailed_path(server, who)).status == 204
    caller = server.sign_in(who)
    assert paged(server, caller, 200) == [mine]
    assert paged(server, caller, 3) == [mine[:3], mine[3:]]
    assert paged(server, caller, 4) == [mine], "a full last page is the last"
    assert paged(server, caller, 1) == [[each] for each in mine]

    everything = [each for page in paged(server, server.operator, 200) for each in page]
    assert len(set(everything)) == len(everything)
    assert [each for each in everything if each in mine] == mine, "the oldest first"
    assert [each for page in paged(server, server.operator, 7) for each in page] == everything
    # A cursor is a place, not a permission.
    cursor = server.call("GET", "/v1/accounts?limit=1", caller=server.operator).json["nextCursor"]
    seen = server.call("GET", f"/v1/accounts?limit=200&cursor={cursor}", caller=caller).json["accounts"]
    assert {each["accountId"] for each in seen} <= set(mine)


def test_the_users_of_an_account(server: Server):
    account = server.account("partner")
    admin = server.person(account, "partner_admin")
    user = invite(server, account, address(), caller=admin, role="onboarding_agent").json
    assert server.call("GET", f"/v1/accounts/{account}/users/{user['userId']}", caller=admin).json == user
    listed = server.call("GET", f"/v1/accounts/{account}/users", caller=admin).json["users"]
    assert [each["userId"] for each in listed] == [admin.user_id, user["userId"]]
    assert listed[1] == user
    promoted = server.call(
        "PATCH", f"/v1/accounts/{account}/users/{user['userId']}", {"role": "partner_admin"}, caller=admin
    )
    assert promoted.json == {**user, "role": "partner_admin"}
