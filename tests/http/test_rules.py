"""The rules of the product, each by its name, against a real server."""

from __future__ import annotations

import json
import re

import pytest

from support import data
from support.mail import mail_to
from support.server import PASSWORD, Server, run_cli, signed, wait_until

ALGORITHMS = ["ed25519", "hmac-sha256"]


def test_access_is_off_until_an_operator_enables_it(server: Server):
    account = server.account(enabled=False)
    owner = server.person(account, "owner")
    assert server.call("GET", f"/v1/accounts/{account}", caller=owner).json["apiAccess"]["status"] == "not_requested"
    for caller in (owner, server.platform):
        refused = server.call("POST", f"/v1/accounts/{account}/credentials", {"email": "a@example.com"}, caller=caller)
        assert (refused.status, refused.code) == (403, "api_access_not_enabled")
        assert "request" in refused.json["detail"]
    assert server.call("GET", f"/v1/accounts/{account}/credentials", caller=owner).json["credentials"] == []
    server.set_access(account, True)
    assert server.key(account, caller=owner)


def test_key_managers_ask_for_access_and_operators_decide(server: Server):
    account = server.account(enabled=False)
    admin, viewer = server.person(account, "admin"), server.person(account, "viewer")
    path = f"/v1/accounts/{account}/api-access/requests"
    assert server.call("POST", path, {}, caller=viewer).code == "forbidden"
    asked = server.call("POST", path, {"message": "We go live in May.\nPlease."}, caller=admin)
    assert (asked.status, asked.json["apiAccess"]["status"]) == (202, "requested")
    assert server.call("POST", path, {}, caller=admin).code == "conflict"

    pending = server.call("GET", "/v1/api-access/requests?limit=200", caller=server.operator).json["requests"]
    (mine,) = [each for each in pending if each["accountId"] == account]
    assert (mine["message"], mine["requestedBy"]) == ("We go live in May.\nPlease.", admin.email)

    declined = server.call(
        "PUT", f"/v1/accounts/{account}/api-access", {"enabled": False, "reason": "Not yet"}, caller=server.operator
    )
    assert (declined.json["status"], declined.json["reason"]) == ("declined", "Not yet")
    pending = server.call("GET", "/v1/api-access/requests?limit=200", caller=server.operator).json["requests"]
    assert account not in [each["accountId"] for each in pending]
    assert server.call("POST", path, {}, caller=admin).status == 202  # they may ask again
    assert server.set_access(account, True).json["status"] == "enabled"
    assert server.call("POST", path, {}, caller=admin).code == "conflict"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_creation_shows_client_id_secret_and_account_id(server: Server, algorithm: str):
    account = server.account()
    made = server.call(
        "POST",
        f"/v1/accounts/{account}/credentials",
        {"email": "dev@example.com", "label": "shop", "algorithm": algorithm},
        caller=server.platform,
    )
    assert made.status == 201
    assert made.headers["cache-control"] == "no-store"
    assert set(made.json) == {
        *("clientId", "clientSecret", "accountId", "email", "label", "algorithm", "createdAt", "createdBy")
    }
    assert re.fullmatch(r"ck_[0-9a-hjkmnp-tv-z]{26}", made.json["clientId"])
    assert re.fullmatch(r"cs_sandbox_[0-9a-f]{72}", made.json["clientSecret"])
    assert made.json["accountId"] == account
    assert made.json["algorithm"] == algorithm


def test_a_key_needs_an_email(server: Server):
    account = server.account()
    for body in ({}, {"email": ""}, {"email": "nobody"}, {"email": None}, {"email": "a@b"}):
        refused = server.call("POST", f"/v1/accounts/{account}/credentials", body, caller=server.platform)
        assert (refused.status, refused.code) == (400, "invalid_request")
        assert [fault["field"] for fault in refused.json["errors"]] == ["email"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_secret_is_shown_once_and_is_nowhere_else(server: Server, algorithm: str):
    account = server.account()
    owner = server.person(account, "owner")
    made = server.call(
        "POST",
        f"/v1/accounts/{account}/credentials",
        {"email": "dev@example.com", "algorithm": algorithm},
        caller=owner,
    )
    client_id, secret = made.json["clientId"], made.json["clientSecret"]
    shown = len(server.answers)
    key = server.key(account, algorithm=algorithm)  # another one, to see that keys do not show each other's
    # Everything that may be called, by everyone who may call it.
    for caller in (owner, server.operator, server.platform):
        for path in ("", "/credentials", "/users", "/audit-events", f"/credentials/{client_id}"):
            server.call("GET", f"/v1/accounts/{account}{path}", caller=caller)
        server.call("GET", "/v1/accounts?limit=200", caller=caller)
    server.verify(signed(key))
    server.verify(signed(key, body=b"{}"))  # refused: without its body
    for path in ("/metrics", "/healthz", "/readyz"):
        server.call("GET", path)
        server.ask("GET", path)
    server.delete_key(account, client_id, caller=owner)

    hex_secret = secret.rpartition("_")[2][:64]
    forms = [secret.encode(), hex_secret.encode(), bytes.fromhex(hex_secret)]
    others = server.answers[: shown - 1] + server.answers[shown:]
    assert not [text for text in others if secret in text or hex_secret in text]
    files = {str(file): file.read_bytes() for file in server.data_dir.rglob("*") if file.is_file()}
    files |= {"the server's log": server.log_file.read_bytes(), **dict(data.stored_bytes(server.data_dir))}
    assert any("wal" in name for name in files), "the write-ahead log is among what is searched"
    assert any(client_id.encode() in content for content in files.values()), "what is stored can be found"
    for name, content in files.items():
        assert not [form for form in forms if form in content], f"{name} holds the secret"


def test_no_signature_and_no_authorization_reaches_the_logs(server: Server):
    account = server.account()
    key = server.key(account)
    headers = signed(key)
    server.verify(headers)
    server.verify(headers)
    server.call("GET", "/v1/accounts", headers={"Authorization": "Bearer kwop_" + "ab" * 32})
    log = server.log
    assert headers["Signature"].partition(":")[2][:40] not in log
    assert "ab" * 32 not in log
    assert server.token() not in log
    assert '"code": "nonce_replayed"' in log


def test_the_list_shows_active_keys_only(server: Server):
    account = server.account()
    owner = server.person(account, "owner")
    first, second = server.key(account, caller=owner, label="one"), server.key(account, caller=owner, label="two")
    listed = server.call("GET", f"/v1/accounts/{account}/credentials", caller=owner).json
    assert listed["limit"] == 10
    assert {row["clientId"] for row in listed["credentials"]} == {first.client_id, second.client_id}
    for row in listed["credentials"]:
        assert set(row) == {"clientId", "email", "label", "algorithm", "createdAt", "createdBy", "lastUsedAt"}
        assert row["createdBy"] == owner.email
        assert row["lastUsedAt"] is None
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["createdAt"])
    server.delete_key(account, first.client_id, caller=owner)
    listed = server.call("GET", f"/v1/accounts/{account}/credentials", caller=owner).json
    assert [row["label"] for row in listed["credentials"]] == ["two"]


def test_the_list_tells_when_a_key_was_last_used(server: Server):
    account = server.account()
    key = server.key(account)
    assert server.verify(signed(key)).code == "accepted"

    def last_used() -> str | None:
        listed = server.call("GET", f"/v1/accounts/{account}/credentials", caller=server.operator)
        return listed.json["credentials"][0]["lastUsedAt"]

    wait_until(last_used, what="lastUsedAt")


def test_delete_stops_the_key_at_once_and_for_good(server: Server):
    account = server.account()
    owner = server.person(account, "owner")
    key = server.key(account, caller=owner)
    assert server.verify(signed(key)).code == "accepted"
    prepared = [signed(key) for _ in range(20)]
    deleted = server.delete_key(account, key.client_id, caller=owner)
    assert deleted.status == 200
    assert set(deleted.json) == {"clientId", "deletedAt", "receipt"}
    assert set(deleted.json["receipt"]) == {"confirmed", "expired", "tookMs"}
    assert {server.verify(headers).code for headers in prepared} == {"credential_unknown"}
    assert server.delete_key(account, key.client_id, caller=owner).status == 404
    assert server.verify(signed(key)).code == "credential_unknown"


def test_switching_access_off_stops_all_keys_at_once_and_on_again_revives_them(server: Server):
    account = server.account()
    keys = [server.key(account, algorithm=algorithm) for algorithm in ALGORITHMS]
    assert {server.verify(signed(key)).code for key in keys} == {"accepted"}
    off = server.set_access(account, False)
    assert off.json["status"] == "disabled"
    assert set(off.json["receipt"]) == {"confirmed", "expired", "tookMs"}
    for key in keys:
        assert server.verify(signed(key)).code == "api_access_disabled"
        forward = {
            **signed(key, method="GET"),
            "X-Original-Method": "GET",
            "X-Original-URL": "https://api.example.com/v1/payments?currency=EUR",
        }
        assert server.ask("GET", "/v1/forward-auth", headers=forward).status == 403
    server.set_access(account, True)
    assert {server.verify(signed(key)).code for key in keys} == {"accepted"}


def test_there_is_no_rotate_and_no_regenerate(server: Server):
    account = server.account()
    key = server.key(account)
    for verb in ("rotate", "regenerate", "renew", "reset", "secret"):
        for method in ("POST", "PUT", "PATCH", "GET"):
            path = f"/v1/accounts/{account}/credentials/{key.client_id}/{verb}"
            assert server.call(method, path, caller=server.platform).status == 404
    for method in ("POST", "PUT", "PATCH", "GET"):
        path = f"/v1/accounts/{account}/credentials/{key.client_id}"
        refused = server.call(method, path, caller=server.platform)
        assert (refused.status, refused.code) == (405, "method_not_allowed")
    described = json.dumps(server.call("GET", "/v1/openapi.json").json)
    assert not re.search("rotat|regenerat", described, re.IGNORECASE)
    for arguments in (["--help"], ["credential", "--help"]):
        assert not re.search("rotat|regenerat", run_cli(*arguments).stdout, re.IGNORECASE)


def test_the_eleventh_key_is_refused_and_deleting_one_makes_room(server: Server):
    account = server.account()
    keys = [server.key(account) for _ in range(10)]
    body = {"email": "a@example.com"}
    refused = server.call("POST", f"/v1/accounts/{account}/credentials", body, caller=server.platform)
    assert (refused.status, refused.code) == (409, "credential_limit_reached")
    assert "delete" in refused.json["detail"]
    server.delete_key(account, keys[0].client_id)
    assert server.key(account)
    assert server.call("POST", f"/v1/accounts/{account}/credentials", body, caller=server.platform).status == 409


def test_corporate_and_partner_accounts_differ_in_roles_only(server: Server):
    corporate, partner = server.account("corporate"), server.account("partner")
    for account, role, foreign in ((corporate, "owner", "partner_admin"), (partner, "partner_admin", "owner")):
        refused = server.call(
            "POST",
            f"/v1/accounts/{account}/users",
            {"email": "x@example.com", "name": "X", "role": foreign},
            caller=server.operator,
        )
        assert [fault["field"] for fault in refused.json["errors"]] == ["role"]
        manager = server.person(account, role)
        key = server.key(account, caller=manager)
        verdict = server.verify(signed(key))
        assert verdict.code == "accepted"
        assert verdict.json["accountType"] == ("corporate" if account == corporate else "partner")
        assert server.delete_key(account, key.client_id, caller=manager).status == 200


@pytest.mark.parametrize(
    ("kind", "role", "other"), [("corporate", "owner", "viewer"), ("partner", "partner_admin", "onboarding_agent")]
)
def test_an_account_keeps_its_last_manager(server: Server, kind: str, role: str, other: str):
    account = server.account(kind)
    manager = server.person(account, role)
    path = f"/v1/accounts/{account}/users/{manager.user_id}"
    for caller in (manager, server.operator):
        assert server.call("DELETE", path, caller=caller).code == "last_manager"
        assert server.call("PATCH", path, {"role": other}, caller=caller).code == "last_manager"
    second = server.person(account, role)
    assert server.call("PATCH", path, {"role": other}, caller=second).status == 200
    assert server.call("DELETE", path, caller=second).status == 204
    assert server.call("GET", path, caller=second).code == "not_found"
    assert server.call("GET", f"/v1/accounts/{account}/credentials", caller=manager).code == "unauthenticated"
    # Someone who was here before is let in again by mail alone: whoever invites them does not see the link.
    body = {"email": manager.email, "name": "Again", "role": "viewer"}
    path_of_users = f"/v1/accounts/{server.account()}/users"
    assert server.call("POST", path_of_users, body, caller=server.operator).json["invitationUrl"] is None
    texts = [mail.get_content() for mail in mail_to(server, manager.email)]
    token = re.findall(r"/invitations/(kwi_\w+)", "\n".join(texts))[-1]
    assert server.call("POST", f"/v1/invitations/{token}", {"password": PASSWORD}).status == 204
    again = server.sign_in(manager.email)
    assert server.call("GET", f"/v1/accounts/{account}/credentials", caller=again).code == "not_found"


def test_a_platform_names_the_person_it_acts_for(server: Server):
    account = server.account()
    acting = {"Keywright-On-Behalf-Of": "kim@customer.example"}
    path = f"/v1/accounts/{account}/credentials"
    made = server.call("POST", path, {"email": "dev@example.com"}, caller=server.platform, headers=acting)
    assert made.json["createdBy"] == "kim@customer.example"
    event = server.call("GET", f"/v1/accounts/{account}/audit-events", caller=server.operator).json["events"][0]
    assert event["action"] == "credential.created"
    assert event["actor"]["name"] == "test-platform"
    assert event["actor"]["onBehalfOf"] == "kim@customer.example"
    assert server.call("GET", path, caller=server.operator, headers=acting).code == "forbidden"
    nonsense = {"Keywright-On-Behalf-Of": "not an email"}
    assert server.call("GET", path, caller=server.platform, headers=nonsense).code == "invalid_request"


def test_every_change_is_in_the_audit_trail(server: Server):
    account = server.account()
    owner = server.person(account, "owner")
    key = server.key(account, caller=owner)
    server.delete_key(account, key.client_id, caller=owner)
    second = server.person(account, "viewer")
    server.call("PATCH", f"/v1/accounts/{account}/users/{second.user_id}", {"role": "admin"}, caller=owner)
    server.call("DELETE", f"/v1/accounts/{account}/users/{second.user_id}", caller=owner)
    server.set_access(account, False)
    trail = server.call("GET", f"/v1/accounts/{account}/audit-events?limit=200", caller=owner).json
    assert trail["nextCursor"] is None
    assert [event["action"] for event in reversed(trail["events"])] == [
        "account.created",
        "api_access.enabled",
        "user.added",
        "user.invitation_accepted",
        "credential.created",
        "credential.deleted",
        "user.added",
        "user.invitation_accepted",
        "user.role_changed",
        "user.removed",
        "api_access.disabled",
    ]
    # Page by page, it is the same.
    paged, cursor = [], ""
    while cursor is not None:
        page = server.call("GET", f"/v1/accounts/{account}/audit-events?limit=3{cursor}", caller=owner).json
        paged += page["events"]
        cursor = f"&cursor={page['nextCursor']}" if page["nextCursor"] else None
    assert paged == trail["events"]
