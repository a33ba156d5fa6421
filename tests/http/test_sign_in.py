"""Signing in at the real server: throttled, rotated, with a second factor, and proved anew for what matters."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pyotp
import pytest
from argon2 import PasswordHasher

from keywright.identity import authenticate_session, begin_totp, confirm_totp, reset_password
from keywright.keyring import KeyringFile
from keywright.mail import Outbox
from keywright.storage import open_database
from support import data
from support.server import PASSWORD, Caller, Server, run_cli, running, signed

ResultT = TypeVar("ResultT")


def address() -> str:
    return f"kim.{os.urandom(4).hex()}@example.com"


@pytest.fixture
def account(server: Server) -> str:
    return server.account()


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server behind a proxy on this machine, which tells the client's address."""
    folder = tmp_path_factory.mktemp("proxied") / "data"
    with running(folder, KEYWRIGHT_TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8") as found:
        yield found


def sign_in(server: Server, email: str, password: str = PASSWORD, *, headers: Any = None, **more: Any) -> Any:
    return server.call("POST", "/v1/session", {"email": email, "password": password, **more}, headers=headers)


def in_database(server: Server, work: Callable[[Any], Awaitable[ResultT]]) -> ResultT:
    """Run services in the server's own database, as its pages do."""

    async def run() -> ResultT:
        database = open_database(data.url_of(server.data_dir), time.time)
        try:
            async with database.write() as session:
                result = await work(session)
                await session.commit()
            return result
        finally:
            await database.close()

    return asyncio.run(run())


def outbox_of(server: Server) -> Outbox:
    return Outbox(KeyringFile(server.data_dir / "keyring.json", os.urandom), server.control, os.urandom)


def set_up_app(server: Server, caller: Caller) -> tuple[pyotp.TOTP, list[str]]:
    """Give someone an app for one-time codes; the app and their recovery codes."""
    keyring = KeyringFile(server.data_dir / "keyring.json", os.urandom)
    token = caller.headers["Cookie"].partition("=")[2]

    async def work(session: Any) -> tuple[pyotp.TOTP, list[str]]:
        principal = await authenticate_session(session, token)
        setup = await begin_totp(session, principal, keyring=keyring, random_bytes=os.urandom)
        app = pyotp.parse_uri(setup.uri)
        tools = {"keyring": keyring, "random_bytes": os.urandom, "outbox": outbox_of(server)}
        codes = await confirm_totp(session, principal, app.now(), **tools)
        return app, codes

    return in_database(server, work)


def next_code(app: pyotp.TOTP) -> str:
    """The code after the one that set the app up; it counts already, and a little later still does."""
    return app.at(time.time() + 30)


def make_old(server: Server, caller: Caller, seconds: int = 601) -> None:
    """Let a session's last proof be older."""
    token = caller.headers["Cookie"].partition("=")[2]

    async def find(session: Any) -> str:
        return (await authenticate_session(session, token)).session_id

    session_id = in_database(server, find)
    statement = "UPDATE sessions SET proved_at = proved_at - ? WHERE id = ?"
    assert data.change(server.data_dir, statement, seconds * 1000, session_id) == 1


# --- throttling ------------------------------------------------------------------------------------------


def test_sixty_sign_ins_from_a_network_have_to_wait(proxied: Server):
    here = {"X-Forwarded-For": "198.51.100.7"}
    wrong = [sign_in(proxied, address(), headers=here) for _ in range(60)]
    assert {each.code for each in wrong} == {"unauthenticated"}
    # What the client itself wrote stands further left, and is no way around.
    for forwarded in ("198.51.100.7", "203.0.113.1, 198.51.100.7", "203.0.113.1, 198.51.100.7, 10.1.2.3"):
        refused = sign_in(proxied, address(), headers={"X-Forwarded-For": forwarded})
        assert (refused.status, refused.code) == (429, "too_many_requests")
        assert 1 <= int(refused.headers["retry-after"]) <= 300
        assert "network" in refused.json["detail"]
    assert sign_in(proxied, address(), headers={"X-Forwarded-For": "198.51.100.8"}).code == "unauthenticated"


def test_an_ipv6_network_counts_as_one(proxied: Server):
    codes = [
        sign_in(proxied, address(), headers={"X-Forwarded-For": f"2001:db8:0:7::{number:x}"}).code
        for number in range(1, 62)
    ]
    assert codes == ["unauthenticated"] * 60 + ["too_many_requests"]


def test_the_right_password_has_to_wait_too_and_elsewhere_it_is_let_in(proxied: Server):
    account = proxied.account()
    who = proxied.person(account, "viewer").email
    here = {"X-Forwarded-For": "198.51.100.9"}
    for _ in range(60):
        sign_in(proxied, address(), headers=here)
    assert sign_in(proxied, who, headers=here).status == 429
    assert sign_in(proxied, who, headers={"X-Forwarded-For": "198.51.100.10"}).status == 204


# --- sessions --------------------------------------------------------------------------------------------


def test_signing_in_ends_the_session_that_came_along(server: Server, account: str):
    first = server.person(account, "viewer")
    bystander = server.sign_in(first.email)
    answer = sign_in(server, first.email, headers=first.headers)
    assert answer.status == 204
    second = Caller({"Cookie": answer.headers["set-cookie"].partition(";")[0]})
    assert second.headers != first.headers
    path = f"/v1/accounts/{account}"
    statuses = [server.call("GET", path, caller=each).status for each in (first, second, bystander)]
    assert statuses == [401, 200, 200]


def test_a_sign_in_that_fails_ends_nothing(server: Server, account: str):
    first = server.person(account, "viewer")
    assert sign_in(server, first.email, "wrong", headers=first.headers).status == 401
    assert server.call("GET", f"/v1/accounts/{account}", caller=first).status == 200


def test_creating_deleting_and_changing_users_take_a_fresh_proof(server: Server, account: str):
    owner = server.person(account, "owner")
    viewer = server.person(account, "viewer")
    path = f"/v1/accounts/{account}"
    key = server.key(account, caller=owner)
    changes: list[tuple[str, str, Any]] = [
        ("POST", f"{path}/credentials", {"email": "a@example.com"}),
        ("DELETE", f"{path}/credentials/{key.client_id}", None),
        ("POST", f"{path}/users", {"email": address(), "name": "A", "role": "viewer"}),
        ("PATCH", f"{path}/users/{viewer.user_id}", {"role": "admin"}),
        ("DELETE", f"{path}/users/{viewer.user_id}", None),
    ]
    make_old(server, owner)
    for method, where, body in changes:
        refused = server.call(method, where, body, caller=owner)
        assert (refused.status, refused.code) == (401, "insufficient_user_authentication"), (method, where)
        assert "10 minutes" in refused.json["detail"]
    for where in (path, f"{path}/credentials", f"{path}/users", f"{path}/audit-events"):
        assert server.call("GET", where, caller=owner).status == 200
    assert [each["clientId"] for each in server.call("GET", f"{path}/credentials", caller=owner).json["credentials"]]
    # Signing in anew is a proof; tokens prove it with every call.
    anew = server.sign_in(owner.email)
    for method, where, body in changes:
        assert server.call(method, where, body, caller=anew).status in {200, 201, 204}, (method, where)
    assert server.call("POST", changes[0][1], changes[0][2], caller=server.platform).status == 201


def test_deciding_on_customers_takes_a_fresh_proof(server: Server, account: str):
    """A stolen session of a relationship manager must not be enough to switch everyone off."""
    email = address()
    set_password(server, operator_command(server, "add", email, "Maria")["setPasswordUrl"])
    maria = server.sign_in(email)
    key, asking = server.key(account), server.account(enabled=False)
    owner = server.person(asking, "owner")
    assert server.call("POST", f"/v1/accounts/{asking}/api-access/requests", {}, caller=owner).status == 202
    changes: list[tuple[str, str, Any]] = [
        ("PUT", f"/v1/accounts/{account}/api-access", {"enabled": False, "reason": "x"}),
        ("PUT", f"/v1/accounts/{account}/api-access", {"enabled": True}),
        ("PUT", f"/v1/accounts/{asking}/api-access", {"enabled": False}),
        ("POST", "/v1/accounts", {"name": "Never", "type": "partner"}),
    ]
    make_old(server, maria)
    for method, where, body in changes:
        refused = server.call(method, where, body, caller=maria)
        assert (refused.status, refused.code) == (401, "insufficient_user_authentication"), (method, where)
    assert server.verify(signed(key)).code == "accepted"
    status = server.call("GET", f"/v1/accounts/{asking}", caller=maria).json["apiAccess"]["status"]
    assert status == "requested"
    for caller in (server.sign_in(email), server.operator, server.platform):
        for method, where, body in changes:
            assert server.call(method, where, body, caller=caller).status in {200, 201}, (method, where)


def test_a_proof_of_nine_minutes_is_fresh(server: Server, account: str):
    owner = server.person(account, "owner")
    make_old(server, owner, 540)
    assert server.key(account, caller=owner)


# --- the second factor -----------------------------------------------------------------------------------


@pytest.fixture
def kim(server: Server, account: str) -> tuple[str, pyotp.TOTP, list[str]]:
    """Email, app, recovery codes."""
    caller = server.person(account, "owner", address())
    return (caller.email, *set_up_app(server, caller))


def test_password_and_code_are_both_needed(server: Server, account: str, kim: tuple[str, pyotp.TOTP, list[str]]):
    email, app, codes = kim
    without = sign_in(server, email)
    assert (without.status, without.code) == (401, "unauthenticated")
    assert "`code`" in without.json["detail"]
    wrong = sign_in(server, email, code="000000" if next_code(app) != "000000" else "000001")
    assert (wrong.status, wrong.code) == (401, "unauthenticated")
    code = next_code(app)
    wrong_password = sign_in(server, email, "wrong", code=code)
    nobody = sign_in(server, address(), code=code)
    assert wrong_password.text == nobody.text, "the code is not looked at before the password"
    assert not any("set-cookie" in each.headers for each in (without, wrong, wrong_password))
    inside = sign_in(server, email, code=code)
    assert inside.status == 204
    caller = Caller({"Cookie": inside.headers["set-cookie"].partition(";")[0]})
    assert server.call("GET", f"/v1/accounts/{account}/credentials", caller=caller).status == 200
    assert sign_in(server, email, code=code).status == 401, "a code works once"
    assert [sign_in(server, email, code=codes[3]).status for _ in range(2)] == [204, 401]
    stored = dict(data.stored_bytes(server.data_dir))
    for secret in (app.secret, *codes):
        assert secret not in server.log
        assert not [name for name, content in stored.items() if secret.encode() in content]


def test_codes_cannot_be_guessed_for_long(server: Server, kim: tuple[str, pyotp.TOTP, list[str]]):
    email, app, _ = kim
    guesses = [code for code in (f"{number:06}" for number in range(20)) if code != next_code(app)][:10]
    assert {sign_in(server, email, code=guess).status for guess in guesses} == {401}
    assert sign_in(server, email, code=next_code(app)).status == 429


def test_someone_without_a_second_factor_signs_in_as_before(server: Server, account: str):
    who = server.person(account, "viewer").email
    assert sign_in(server, who).status == 204
    assert sign_in(server, who, code=None).status == 204
    assert sign_in(server, who, code="123456").status == 204


def test_secrets_of_apps_are_sealed_anew_and_a_foreign_keyring_is_found_at_the_start(data_dir: Path, engine: str):
    with running(data_dir) as server:
        caller = server.person(server.account(), "owner")
        app, _ = set_up_app(server, caller)
        assert server.stop() == 0
        assert run_cli("keyring", "add-key", data_dir=data_dir).returncode == 0
        done = run_cli("keyring", "reseal", "--json", data_dir=data_dir)
        assert json.loads(done.stdout)["resealed"] == 1
        file = data_dir / "keyring.json"
        keyring = json.loads(file.read_text())
        del keyring["keys"]["k1"]
        file.write_text(json.dumps(keyring))
        server.start()
        assert sign_in(server, caller.email).status == 401
        assert sign_in(server, caller.email, code=next_code(app)).status == 204
        assert server.stop() == 0
        file.rename(data_dir / "elsewhere.json")
        told = {"sqlite": "does not open the secrets", "postgresql": "this node has no keyring"}
        with pytest.raises(AssertionError, match=told[engine]):
            server.start()
        assert server.process is not None
        server.process.wait(30)


# --- relationship managers -------------------------------------------------------------------------------


def operator_command(server: Server, *arguments: str) -> Any:
    done = run_cli("operator", *arguments, "--json", data_dir=server.data_dir)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def set_password(server: Server, url: str) -> None:
    """Follow a link to set a password."""
    token = url.rpartition("/")[2]
    password_hash = PasswordHasher().hash(PASSWORD)

    async def work(session: Any) -> None:
        await reset_password(session, token, password_hash=password_hash, outbox=outbox_of(server))

    in_database(server, work)


def test_a_relationship_manager_signs_in_with_the_rights_of_an_operator_token(server: Server, account: str):
    email = address()
    added = operator_command(server, "add", email.upper(), "Maria")
    assert (added["email"], added["name"], added["hasPassword"]) == (email, "Maria", False)
    assert re.search("/reset-password/kwr_[0-9a-f]{64}$", added["setPasswordUrl"])
    assert sign_in(server, email).status == 401
    set_password(server, added["setPasswordUrl"])
    maria = server.sign_in(email)
    assert email in {each["email"] for each in operator_command(server, "list") if each["hasPassword"]}

    made = server.call("POST", "/v1/accounts", {"name": "Maria's", "type": "corporate"}, caller=maria)
    assert made.status == 201
    path = f"/v1/accounts/{made.json['accountId']}"
    assert server.call("GET", "/v1/accounts", caller=maria).status == 200
    assert server.call("PUT", f"{path}/api-access", {"enabled": True}, caller=maria).status == 200
    invited = server.call("POST", f"{path}/users", {"email": address(), "name": "O", "role": "owner"}, caller=maria)
    assert (invited.status, "/invitations/kwi_" in invited.json["invitationUrl"]) == (201, True)
    # A relationship manager never sees a secret: no creating, but deleting in an incident.
    refused = server.call("POST", f"{path}/credentials", {"email": "a@example.com"}, caller=maria)
    assert (refused.status, refused.code) == (403, "forbidden")
    key = server.key(account)
    assert server.delete_key(account, key.client_id, caller=maria).status == 200
    events = server.call("GET", f"{path}/audit-events", caller=maria).json["events"]
    assert {each["actor"]["name"] for each in events} == {email}
    make_old(server, maria)
    key = server.key(account)
    assert server.delete_key(account, key.client_id, caller=maria).code == "insufficient_user_authentication"
    assert server.call("GET", "/v1/accounts", caller=maria).status == 200

    for who in (email, email.upper()):
        body = {"email": who, "name": "M", "role": "viewer"}
        both = server.call("POST", f"/v1/accounts/{account}/users", body, caller=server.operator)
        assert (both.status, both.code) == (409, "conflict")
    assert operator_command(server, "remove", email) == {"removed": email}
    assert server.call("GET", "/v1/accounts", caller=maria).code == "unauthenticated"
    assert sign_in(server, email).code == "unauthenticated"


def test_faults_at_the_command_line_are_told(server: Server, account: str):
    user = server.person(account, "viewer").email
    for arguments, told in (
        (("add", "nonsense", "Maria"), "EMAIL"),
        (("add", address(), "\x07"), "NAME"),
        (("add", user, "Maria"), "user of an account"),
        (("remove", address()), "no relationship manager"),
    ):
        done = run_cli("operator", *arguments, data_dir=server.data_dir)
        assert (done.returncode, told in done.stderr) == (1, True), done.stderr
    assert "Relationship managers" in run_cli("--help").stdout
