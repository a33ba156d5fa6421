"""Two control nodes on one PostgreSQL, asked at the same moment for what only one can have."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx2
import pyotp
import pytest

from keywright.identity import authenticate_session, begin_totp, confirm_totp
from keywright.keyring import KeyringFile
from keywright.mail import Outbox
from keywright.storage import open_database
from support import data
from support.server import PASSWORD, Caller, Server, run_cli, running, signed, wait_until
from support.visit import Visit

pytestmark = pytest.mark.engines("postgresql")
# A race is won by chance, so each is run a few times.
TIMES = 4


@pytest.fixture(scope="module")
def nodes(chosen_engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    folder = tmp_path_factory.mktemp("nodes") / "data"
    with running(folder) as first, running(folder) as second:
        second._tokens = first._tokens  # one deployment has each token once
        yield first, second


@pytest.fixture(autouse=True)
def chains_hold(nodes: tuple[Server, Server]) -> Iterator[None]:
    """Whatever was raced for, each account's history is one chain without gaps or forks."""
    yield
    checked = run_cli("audit", "verify", "--json", data_dir=nodes[0].data_dir)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert json.loads(checked.stdout)["holds"]


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Do all of this at the same moment."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait(60)
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def ask(node: Server, method: str, path: str, body: Any = None, *, caller: Caller | None = None) -> tuple[int, Any]:
    """Call a node over a connection of its own."""
    headers = caller.headers if caller else {}
    answer = httpx2.request(method, node.control + path, json=body, headers=headers, timeout=60)
    return answer.status_code, answer.json() if answer.text else None


def both(nodes: tuple[Server, Server], *call: Any, caller: Caller | None = None) -> list[tuple[int, Any]]:
    """The same call to both nodes at once."""
    return at_once(*(partial(ask, node, *call, caller=caller) for node in nodes))


def statuses(answers: list[tuple[int, Any]]) -> list[int]:
    return sorted(status for status, _ in answers)


def actions(node: Server, account: str) -> list[str]:
    path = f"/v1/accounts/{account}/audit-events?limit=200"
    return [event["action"] for event in node.call("GET", path, caller=node.operator).json["events"]]


def test_a_hundred_creates_at_once_give_exactly_ten(nodes: tuple[Server, Server]):
    account, path = nodes[0].account(), "/v1/accounts/{}/credentials"
    caller, each = nodes[0].platform, itertools.cycle(nodes)

    def create(node: Server) -> list[tuple[int, Any]]:
        body = {"email": "a@example.com"}
        return [ask(node, "POST", path.format(account), body, caller=caller) for _ in range(5)]

    answers = list(itertools.chain(*at_once(*(partial(create, next(each)) for _ in range(20)))))
    assert statuses(answers) == [201] * 10 + [409] * 90
    assert {said["code"] for status, said in answers if status == 409} == {"credential_limit_reached"}
    made = {said["clientId"] for status, said in answers if status == 201}
    for node in nodes:
        listed = node.call("GET", path.format(account), caller=node.operator).json["credentials"]
        assert {row["clientId"] for row in listed} == made
    assert actions(nodes[0], account).count("credential.created") == 10


def test_of_two_deletions_of_one_key_one_finds_it(nodes: tuple[Server, Server]):
    account = nodes[0].account()
    for _ in range(TIMES):
        key = nodes[0].key(account)
        path = f"/v1/accounts/{account}/credentials/{key.client_id}"
        assert statuses(both(nodes, "DELETE", path, caller=nodes[0].platform)) == [200, 404]
        assert {node.verify(signed(key)).code for node in nodes} == {"credential_unknown"}
    assert actions(nodes[0], account).count("credential.deleted") == TIMES
    for _ in range(10):
        nodes[1].key(account)  # each place was given back once


def test_two_owners_who_remove_each_other_at_once_leave_one(nodes: tuple[Server, Server]):
    for _ in range(TIMES):
        account = nodes[0].account()
        owners = [nodes[0].person(account, "owner") for _ in range(2)]
        path = f"/v1/accounts/{account}/users/"
        answers = at_once(
            partial(ask, nodes[0], "DELETE", path + owners[0].user_id, caller=nodes[0].operator),
            partial(ask, nodes[1], "DELETE", path + owners[1].user_id, caller=nodes[0].operator),
        )
        assert statuses(answers) == [204, 409]
        assert [said["code"] for status, said in answers if status == 409] == ["last_manager"]
        left = nodes[0].call("GET", path.rstrip("/"), caller=nodes[0].operator).json["users"]
        assert [each["role"] for each in left] == ["owner"]


def test_an_invitation_is_accepted_once(nodes: tuple[Server, Server]):
    account = nodes[0].account()
    for number in range(TIMES):
        body = {"email": f"{os.urandom(6).hex()}@example.com", "name": "Kim", "role": "viewer"}
        invited = nodes[number % 2].call("POST", f"/v1/accounts/{account}/users", body, caller=nodes[0].operator)
        path = "/v1/invitations/" + invited.json["invitationUrl"].rpartition("/")[2]
        passwords = ("the first long password", "the second long password")
        answers = at_once(
            partial(ask, nodes[0], "POST", path, {"password": passwords[0]}),
            partial(ask, nodes[1], "POST", path, {"password": passwords[1]}),
        )
        assert statuses(answers) == [204, 404]
        won = [status for status, _ in answers].index(204)
        signing = [{"email": body["email"], "password": each} for each in passwords]
        inside = [nodes[0].call("POST", "/v1/session", each).status == 204 for each in signing]
        assert inside == [won == 0, won == 1]
    assert actions(nodes[0], account).count("user.invitation_accepted") == TIMES


def test_one_request_for_access_is_decided_once(nodes: tuple[Server, Server]):
    for _ in range(TIMES):
        account = nodes[0].account(enabled=False)
        admin = nodes[0].person(account, "admin")
        path = f"/v1/accounts/{account}/api-access"
        assert statuses(both(nodes, "POST", f"{path}/requests", {}, caller=admin)) == [202, 409]
        answers = at_once(
            partial(ask, nodes[0], "PUT", path, {"enabled": True}, caller=nodes[0].operator),
            partial(ask, nodes[1], "PUT", path, {"enabled": False, "reason": "no"}, caller=nodes[0].operator),
        )
        # One after the other, each on what the other left: enabled and then off again, or declined and then enabled.
        assert statuses(answers) == [200, 200]
        told = [each for each in actions(nodes[0], account) if each.startswith("api_access.")]
        assert told[::-1] in (
            ["api_access.requested", "api_access.enabled", "api_access.disabled"],
            ["api_access.requested", "api_access.declined", "api_access.enabled"],
        )
        now = {
            node.call("GET", f"/v1/accounts/{account}", caller=node.operator).json["apiAccess"]["status"]
            for node in nodes
        }
        assert now == {told[0].removeprefix("api_access.")}


def test_a_one_time_code_works_once(nodes: tuple[Server, Server]):
    account = nodes[0].account()
    for _ in range(3):
        caller = nodes[0].person(account, "admin")
        app, recovery = set_up_app(nodes[0], caller)
        # The code after the one that set the app up; it counts already.
        for code in (app.at(time.time() + 30), *recovery[:3]):
            body = {"email": caller.email, "password": PASSWORD, "code": code}
            assert statuses(both(nodes, "POST", "/v1/session", body)) == [204, 401], "a code works once"


def test_a_form_that_is_sent_to_both_nodes_makes_one_key_and_one_account(nodes: tuple[Server, Server]):
    account = nodes[0].account()
    owner = nodes[0].person(account, "owner")
    visits = [Visit(node, owner) for node in nodes]
    for number in range(TIMES):
        here = f"/accounts/{account}/api-keys"
        forms = [visit.get(f"{here}/new").form(here) for visit in visits]
        pages = at_once(
            partial(visits[0].submit, forms[0], email="a@example.com", request_id=f"{number:032x}"),
            partial(visits[1].submit, forms[1], email="a@example.com", request_id=f"{number:032x}"),
        )
        shown = ["client-secret" in visit.answer.text for visit in visits]
        assert sorted(shown) == [False, True]
        told = pages[shown.index(False)]
        assert "was created already" in told.text
        listed = (
            nodes[0].call("GET", f"/v1/accounts/{account}/credentials", caller=nodes[0].operator).json["credentials"]
        )
        assert len(listed) == 1
        nodes[0].delete_key(account, listed[0]["clientId"])
    for visit in visits:
        visit.client.close()


def test_last_uses_noted_by_both_nodes_stand_in_no_ones_way(nodes: tuple[Server, Server]):
    """Bookkeeping goes beside the write lock, on the rows that deletions change."""
    account = nodes[0].account()
    keys = [nodes[0].key(account) for _ in range(6)]
    for key in keys:
        assert {node.verify(signed(key)).code for node in nodes} == {"accepted"}
    gone = keys[:3]
    for key in gone:
        nodes[1].delete_key(account, key.client_id)

    def used() -> list[bool]:
        path = f"/v1/accounts/{account}/credentials"
        rows = nodes[0].call("GET", path, caller=nodes[0].operator).json["credentials"]
        return [row["lastUsedAt"] is not None for row in rows]

    wait_until(lambda: used() == [True] * 3, what="last uses are noted")


def set_up_app(server: Server, caller: Caller) -> tuple[pyotp.TOTP, list[str]]:
    """Give someone an app for one-time codes; the app and their recovery codes."""
    keyring = KeyringFile(server.data_dir / "keyring.json", os.urandom)

    async def work() -> tuple[pyotp.TOTP, list[str]]:
        database = open_database(data.url_of(server.data_dir), time.time)
        async with database.write() as session:
            principal = await authenticate_session(session, caller.headers["Cookie"].partition("=")[2])
            setup = await begin_totp(session, principal, keyring=keyring, random_bytes=os.urandom)
            app = pyotp.parse_uri(setup.uri)
            outbox = Outbox(keyring, server.control, os.urandom)
            tools = {"keyring": keyring, "random_bytes": os.urandom, "outbox": outbox}
            codes = await confirm_totp(session, principal, app.now(), **tools)
            await session.commit()
        await database.close()
        return app, list(codes)

    return asyncio.run(work())
