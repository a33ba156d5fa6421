"""Who may call what: every call of the control plane by every kind of caller, for both types of account."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from support import data
from support.data import Data
from support.server import Answer, Caller, Server, run_cli

# What each caller is answered. 401 is `unauthenticated`, 403 `forbidden`, 404 `not_found`.
# 404, not 403, for whoever has no part in the account: they must not learn that there is such an account.
TABLE = """
call                                  owner admin executor preparer viewer partner_admin onboarding_agent | other_corporate other_partner removed | operator platform | nobody unknown_token deleted_token not_bearer ended_session expired_session unknown_session removed_session

POST   /accounts                      403   403   403      403      403    403           403              | 403             403           403     | 201      201      | 401    401           401           401        401           401             401             401
GET    /accounts                      200   200   200      200      200    200           200              | 200             200           200     | 200      200      | 401    401           401           401        401           401             401             401
GET    /accounts/A                    200   200   200      200      200    200           200              | 404             404           404     | 200      200      | 401    401           401           401        401           401             401             401
PUT    /accounts/A/api-access         403   403   403      403      403    403           403              | 404             404           404     | 200      200      | 401    401           401           401        401           401             401             401
POST   /accounts/A/api-access/requests 202  202   403      403      403    202           403              | 404             404           404     | 403      202      | 401    401           401           401        401           401             401             401
GET    /api-access/requests           403   403   403      403      403    403           403              | 403             403           403     | 200      200      | 401    401           401           401        401           401             401             401
GET    /nodes                         403   403   403      403      403    403           403              | 403             403           403     | 200      200      | 401    401           401           401        401           401             401             401
POST   /accounts/A/users              201   403   403      403      403    201           403              | 404             404           404     | 201      201      | 401    401           401           401        401           401             401             401
GET    /accounts/A/users              200   403   403      403      403    200           403              | 404             404           404     | 200      200      | 401    401           401           401        401           401             401             401
GET    /accounts/A/users/U            200   403   403      403      403    200           403              | 404             404           404     | 200      200      | 401    401           401           401        401           401             401             401
PATCH  /accounts/A/users/U            200   403   403      403      403    200           403              | 404             404           404     | 200      200      | 401    401           401           401        401           401             401             401
DELETE /accounts/A/users/U            204   403   403      403      403    204           403              | 404             404           404     | 204      204      | 401    401           401           401        401           401             401             401
POST   /accounts/A/credentials        201   201   403      403      403    201           403              | 404             404           404     | 403      201      | 401    401           401           401        401           401             401             401
GET    /accounts/A/credentials        200   200   403      403      403    200           403              | 404             404           404     | 200      200      | 401    401           401           401        401           401             401             401
DELETE /accounts/A/credentials/C      200   200   403      403      403    200           403              | 404             404           404     | 200      200      | 401    401           401           401        401           401             401             401
GET    /accounts/A/audit-events       200   200   403      403      403    200           403              | 404             404           404     | 200      200      | 401    401           401           401        401           401             401             401
"""  # noqa: E501 - a table is read across
# What needs no caller: signing in and out, accepting an invitation, and what monitors ask.
OPEN = {
    ("POST", "/auth/token"),
    ("POST", "/v1/session"),
    ("DELETE", "/v1/session"),
    ("GET", "/v1/invitations/{token}"),
    ("POST", "/v1/invitations/{token}"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
}
CODES = {401: "unauthenticated", 403: "forbidden", 404: "not_found"}
ROLES = {
    "corporate": ("owner", "admin", "executor", "preparer", "viewer"),
    "partner": ("partner_admin", "onboarding_agent"),
}
LEAST = {"corporate": "viewer", "partner": "onboarding_agent"}
OTHER_ROLE = {"corporate": "executor", "partner": "partner_admin"}


def read_table() -> dict[tuple[str, str], dict[str, int]]:
    header, *rows = [line.replace("|", " ").split() for line in TABLE.strip().splitlines() if line.strip()]
    callers = header[1:]
    return {(method, path): dict(zip(callers, map(int, statuses), strict=True)) for method, path, *statuses in rows}


EXPECTED = read_table()
ALL_ROLES = {role for roles in ROLES.values() for role in roles}
CELLS = [
    pytest.param(kind, method, path, name, status, id=f"{kind}-{method} {path}-{name}")
    for kind in ROLES
    for (method, path), row in EXPECTED.items()
    for name, status in row.items()
    if name not in ALL_ROLES or name in ROLES[kind]
]


@dataclass
class Place:
    """An account with someone in every role, and everyone else who might call."""

    server: Server
    kind: str
    account: str
    callers: dict[str, Caller | None]
    database: Data = field(repr=False)
    spare: dict[str, str] = field(default_factory=dict)

    def events(self) -> int:
        """How much has ever been changed, in any account."""
        return int(self.database.rows("SELECT count(*) FROM audit_events")[0][0])

    def add_user(self) -> str:
        """Someone without a password yet."""
        body = {"email": f"{os.urandom(6).hex()}@example.com", "name": "Kim", "role": LEAST[self.kind]}
        made = self.server.call("POST", f"/v1/accounts/{self.account}/users", body, caller=self.server.operator)
        assert made.status == 201, made.text
        return str(made.json["userId"])

    def target(self, folder: str) -> str:
        """A user or key for the call to be about; the same one until somebody succeeds."""
        if folder not in self.spare:
            self.spare[folder] = self.add_user() if folder == "users" else self.server.key(self.account).client_id
        return self.spare[folder]


def _signed_out(server: Server, caller: Caller) -> Caller:
    assert server.call("DELETE", "/v1/session", caller=caller).status == 204
    return caller


def _expired(server: Server, caller: Caller) -> Caller:
    token = caller.headers["Cookie"].partition("=")[2]
    token_hash = hashlib.sha256(token.encode()).digest()
    statement = "UPDATE sessions SET expires_at = created_at WHERE token_hash = ?"
    assert data.change(server.data_dir, statement, token_hash) == 1
    return caller


@pytest.fixture(scope="module")
def database(server: Server) -> Iterator[Data]:
    with data.looking_into(server.data_dir) as found:
        yield found


@pytest.fixture(scope="module")
def places(server: Server, database: Data):
    accounts = {kind: server.account(kind) for kind in ROLES}
    people = {kind: {role: server.person(accounts[kind], role) for role in ROLES[kind]} for kind in ROLES}
    strangers = {
        "other_corporate": server.person(server.account("corporate"), "owner"),
        "other_partner": server.person(server.account("partner"), "partner_admin"),
        "operator": server.operator,
        "platform": server.platform,
        "nobody": None,
        "unknown_token": Caller({"Authorization": "Bearer kwop_" + "5e" * 32}),
        "not_bearer": Caller({"Authorization": "Basic " + server.token("platform")}),
        "unknown_session": Caller({"Cookie": "keywright_session=kws_" + "5e" * 32}),
    }
    name = f"short-lived-{os.urandom(4).hex()}"
    made = run_cli("operator-token", "create", name, "--scope", "platform", data_dir=server.data_dir)
    strangers["deleted_token"] = Caller({"Authorization": f"Bearer {made.stdout.strip()}"})
    assert server.call("GET", "/v1/accounts", caller=strangers["deleted_token"]).status == 200
    assert run_cli("operator-token", "delete", name, data_dir=server.data_dir).returncode == 0
    found, elsewhere = {}, server.account()
    for kind, account in accounts.items():
        manager = ROLES[kind][0]
        removed, gone = server.person(account, manager), server.person(account, manager)
        server.person(elsewhere, "viewer", removed.email)  # so their session goes on, elsewhere
        for each in (removed, gone):
            path = f"/v1/accounts/{account}/users/{each.user_id}"
            assert server.call("DELETE", path, caller=server.operator).status == 204
        callers: dict[str, Caller | None] = {
            **people[kind],
            **strangers,
            "removed": removed,
            "removed_session": gone,
            "ended_session": _signed_out(server, server.sign_in(people[kind][manager].email)),
            "expired_session": _expired(server, server.sign_in(people[kind][manager].email)),
        }
        found[kind] = Place(server, kind, account, callers, database)
    return found


@pytest.mark.parametrize(("kind", "method", "path", "name", "status"), CELLS)
def test_every_call_by_every_caller(
    places: dict[str, Place], *, kind: str, method: str, path: str, name: str, status: int
):
    place = places[kind]
    server, account = place.server, place.account
    prepared, body = _prepare(place, method, path, granted=status < 300)
    before = place.events()
    answer = server.call(method, "/v1" + prepared, body, caller=place.callers[name])
    changed = place.events() - before
    if status < 300 and method != "GET":
        _tidy(place, path, answer)

    assert answer.status == status, answer.text
    if status >= 400:
        assert answer.code == CODES[status]
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(answer.json) == {"type", "title", "status", "detail", "code"}
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    # Refused is without effect, and done leaves its trace.
    assert changed == (1 if method != "GET" and status < 300 else 0)
    if (method, path) == ("GET", "/accounts") and status == 200 and not answer.json["nextCursor"]:
        listed = {each["accountId"] for each in answer.json["accounts"]}
        assert (account in listed) is (name in {*ROLES[kind], "operator", "platform"}), "people see their own"


def _prepare(place: Place, method: str, path: str, *, granted: bool) -> tuple[str, Any]:
    """Make what the call is about; its path and body."""
    prepared = path.replace("/A", f"/{place.account}")
    for letter, folder in (("/U", "users"), ("/C", "credentials")):
        if path.endswith(letter):
            prepared = prepared.removesuffix(letter) + "/" + place.target(folder)
    if granted and path.endswith("/A/api-access/requests"):
        place.server.set_access(place.account, False)
    newcomer = {"email": f"{os.urandom(6).hex()}@example.com", "name": "Kim", "role": LEAST[place.kind]}
    return prepared, {
        "POST /accounts": {"name": "Acme Ltd", "type": place.kind},
        "PUT /accounts/A/api-access": {"enabled": False, "reason": "Paused"},
        "POST /accounts/A/api-access/requests": {"message": "Please"},
        "POST /accounts/A/users": newcomer,
        "PATCH /accounts/A/users/U": {"role": OTHER_ROLE[place.kind]},
        "POST /accounts/A/credentials": {"email": "dev@example.com"},
    }.get(f"{method} {path}")


def _tidy(place: Place, path: str, answer: Answer) -> None:
    """Put back what a granted call changed."""
    place.spare.pop(path.split("/")[-2], None)
    if "/api-access" in path:
        place.server.set_access(place.account, True)
    if path.endswith("/A/credentials") and answer.status == 201:
        place.server.delete_key(place.account, answer.json["clientId"])


def test_the_table_covers_every_call_that_needs_a_caller(server: Server):
    described = server.call("GET", "/v1/openapi.json").json["paths"]
    offered = {
        (method.upper(), path)
        for path, calls in described.items()
        for method in calls
        if method in {"get", "put", "post", "delete", "patch", "head", "options"}
    }
    names = {"/A": "/{account_id}", "/U": "/{user_id}", "/C": "/{client_id}"}
    tabled = set()
    for method, path in EXPECTED:
        full = "/v1" + path.replace("/A/", "/{account_id}/")
        for short, long in names.items():
            full = full.removesuffix(short) + long if full.endswith(short) else full
        tabled.add((method, full))
    assert offered - OPEN == tabled


def test_every_role_has_a_column():
    from keywright.accounts import Role  # noqa: PLC0415 - the only use of the product's own code here

    columns = set(next(iter(EXPECTED.values())))
    assert {role.value for role in Role} == ALL_ROLES
    assert columns >= ALL_ROLES


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PUT", "/api-access", {"enabled": True}),
        ("POST", "/api-access/requests", {}),
        ("POST", "/users", {"email": "kim@example.com", "name": "Kim", "role": "viewer"}),
        ("GET", "/users", None),
        ("GET", "/users/usr_00000000000000000000", None),
        ("PATCH", "/users/usr_00000000000000000000", {"role": "viewer"}),
        ("DELETE", "/users/usr_00000000000000000000", None),
        ("POST", "/credentials", {"email": "kim@example.com"}),
        ("GET", "/credentials", None),
        ("DELETE", "/credentials/ck_00000000000000000000000000", None),
        ("GET", "/audit-events", None),
    ],
)
def test_an_account_that_is_not_there_and_one_that_is_not_yours_look_alike(
    places: dict[str, Place], method: str, path: str, body: Any
):
    server = places["corporate"].server
    made_up = "/v1/accounts/acc_00000000000000000000" + path
    for caller in (server.operator, server.platform):
        absent = server.call(method, made_up, body, caller=caller)
        assert (absent.status, absent.code) == (404, "not_found")
    for kind, other in (("corporate", "other_partner"), ("partner", "other_corporate")):
        caller = places[kind].callers[other]
        foreign = server.call(method, f"/v1/accounts/{places[kind].account}{path}", body, caller=caller)
        mine_not = server.call(method, made_up, body, caller=caller)
        assert (foreign.status, foreign.code) == (404, "not_found")
        assert foreign.json == mine_not.json == absent.json


def test_users_and_keys_of_another_account_look_like_none(places: dict[str, Place]):
    mine, theirs = places["corporate"], places["partner"]
    server, owner = mine.server, mine.callers["owner"]
    their_key, their_user = server.key(theirs.account).client_id, theirs.add_user()
    for caller in (owner, server.operator, server.platform):
        for folder, foreign, absent in (
            ("credentials", their_key, "ck_00000000000000000000000000"),
            ("users", their_user, "usr_00000000000000000000"),
        ):
            there = f"/v1/accounts/{mine.account}/{folder}/"
            answers = [server.call("DELETE", there + each, caller=caller) for each in (foreign, absent, "junk")]
            assert {(each.status, each.text) for each in answers} == {(404, answers[0].text)}
            assert answers[0].code == "not_found"
    listed = server.call("GET", f"/v1/accounts/{theirs.account}/credentials", caller=server.operator).json
    assert their_key in [each["clientId"] for each in listed["credentials"]]
    server.delete_key(theirs.account, their_key)


def test_a_deleted_key_looks_like_none(places: dict[str, Place]):
    place = places["corporate"]
    client_id = place.server.key(place.account).client_id
    assert place.server.delete_key(place.account, client_id).status == 200
    path = f"/v1/accounts/{place.account}/credentials/"
    for caller in (place.callers["owner"], place.server.operator):
        again = place.server.call("DELETE", path + client_id, caller=caller)
        never = place.server.call("DELETE", path + "ck_00000000000000000000000000", caller=caller)
        assert (again.status, again.text) == (never.status, never.text)
        assert again.code == "not_found"


def test_an_owner_who_becomes_a_viewer_loses_the_keys_at_once(server: Server):
    account = server.account()
    first, second = server.person(account, "owner"), server.person(account, "owner")
    path = f"/v1/accounts/{account}/credentials"
    assert server.call("GET", path, caller=second).status == 200
    server.call("PATCH", f"/v1/accounts/{account}/users/{second.user_id}", {"role": "viewer"}, caller=first)
    assert server.call("GET", path, caller=second).code == "forbidden"
