"""The middleware in real applications on real servers: each framework, against a database and against a gateway."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket

import keywright
from support.guarded import BODY, HOST, Guarded, assert_refused, body_of, signed
from support.server import Server
from support.tokens import secret_of

WEB_SOCKETS = {"litestar"}


def test_an_accepted_request_reaches_the_application_with_its_caller(
    app: Guarded, key: keywright.Credential, account: str
):
    response = app.ask("POST", content=BODY, auth=keywright.SignatureAuth(key))
    assert response.status_code == 200, response.text
    assert response.json()["caller"] == {
        "client_id": key.client_id,
        "account_id": account,
        "account_type": "partner",
        "scheme": "signature",
    }
    assert body_of(response) == BODY


def test_a_replay_is_refused(app: Guarded, key: keywright.Credential):
    headers = signed(app, key)
    assert app.ask("POST", headers=headers, content=BODY).status_code == 200
    assert_refused(app.ask("POST", headers=headers, content=BODY), "nonce_replayed")


def test_what_is_accepted_here_is_a_replay_at_the_gateway(app: Guarded, key: keywright.Credential, deployment: Server):
    headers = signed(app, key)
    assert app.ask("POST", headers=headers, content=BODY).status_code == 200
    assert deployment.verify(headers, url=app.origin + "/v1/echo", body=BODY).code == "nonce_replayed"


def test_what_was_changed_on_the_way_is_refused(app: Guarded, key: keywright.Credential):
    tampered = BODY.replace(b"12.50", b"99.50")
    assert_refused(app.ask("POST", headers=signed(app, key), content=tampered), "digest_mismatch")
    assert_refused(app.ask("POST", headers=signed(app, key), content=b""), "digest_mismatch")
    digest = base64.b64encode(hashlib.sha256(tampered).digest()).decode()
    swapped = {**signed(app, key), "Content-Digest": f"sha-256=:{digest}:"}
    assert_refused(app.ask("POST", headers=swapped, content=tampered), "signature_invalid")
    assert_refused(app.ask("PUT", headers=signed(app, key), content=BODY), "signature_invalid")
    assert_refused(app.ask("POST", "/v1/echo?a=1", headers=signed(app, key), content=BODY), "signature_invalid")
    host = {**signed(app, key), "Host": "elsewhere.example.com"}
    assert_refused(app.ask("POST", headers=host, content=BODY), "signature_invalid")
    # A body where none was signed.
    bare = signed(app, key, "GET", b"")
    assert_refused(app.ask("GET", headers=bare, content=BODY), "coverage_insufficient")


def test_the_unsigned_are_told_how_to_sign(app: Guarded):
    response = app.ask("POST", content=BODY)
    assert_refused(response, "signature_missing")
    assert response.headers["accept-signature"] == 'sig1=("@method" "@target-uri" "content-digest");created'
    assert 'error="signature_missing"' in response.headers["www-authenticate"]
    assert "Bearer" in response.headers["www-authenticate"]
    head = app.ask("HEAD")
    assert (head.status_code, head.content) == (401, b"")
    assert "content-digest" not in head.headers["accept-signature"]
    assert_refused(app.ask("GET", "/v1/not/there"), "signature_missing")


def test_refusals_are_those_of_forward_auth(app: Guarded, key: keywright.Credential, deployment: Server):
    malformed = {**signed(app, key), "Signature": "sig1=:AAAA:"}
    invalid = {**signed(app, key), "Content-Digest": signed(app, key, body=b"other")["Content-Digest"]}
    for sent in (
        {},
        malformed,
        invalid,
        signed(app, key, body=b"other"),
        {"Authorization": "Basic eDp5"},
        {"Authorization": "Bearer x"},
    ):
        ours = app.ask("POST", headers=sent, content=BODY)
        original = {"X-Original-Method": "POST", "X-Original-URL": app.origin + "/v1/echo"}
        theirs = deployment.ask("POST", "/v1/forward-auth", headers={**sent, **original}, content=BODY)
        assert (ours.status_code, ours.text) == (theirs.status, theirs.text)
        assert ("signatureBase" in ours.json()) == (ours.json()["code"] == "signature_invalid")
        for name in ("www-authenticate", "accept-signature", "content-type", "cache-control", "retry-after"):
            assert ours.headers.get(name) == theirs.headers.get(name)


def test_a_deleted_key_and_a_closed_account_are_out_at_once(app: Guarded, deployment: Server):
    account = deployment.account()
    key, other = deployment.key(account), deployment.key(account)
    client = keywright.SignatureAuth(key)
    assert app.ask("POST", content=BODY, auth=client).status_code == 200
    deployment.set_access(account, False)
    assert_refused(app.ask("POST", content=BODY, auth=client), "api_access_disabled", 403)
    deployment.set_access(account, True)
    assert app.ask("POST", content=BODY, auth=client).status_code == 200
    deployment.delete_key(account, key.client_id)
    assert_refused(app.ask("POST", content=BODY, auth=client), "credential_unknown")
    assert app.ask("POST", content=BODY, auth=keywright.SignatureAuth(other)).status_code == 200


def test_a_bearer_token_is_a_way_in_until_its_key_is_deleted(app: Guarded, deployment: Server):
    account = deployment.account()
    key = deployment.key(account)
    asked = {"clientId": key.client_id, "clientSecret": secret_of(key)}
    token = deployment.call("POST", "/auth/token", asked).json["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    response = app.ask("POST", headers=bearer, content=BODY)
    assert response.status_code == 200, response.text
    assert (response.json()["caller"]["client_id"], response.json()["caller"]["scheme"]) == (key.client_id, "bearer")
    deployment.delete_key(account, key.client_id)
    assert_refused(app.ask("POST", headers=bearer, content=BODY), "token_invalid")


def test_a_web_socket_is_verified_at_its_handshake(app: Guarded, key: keywright.Credential):
    if app.framework not in WEB_SOCKETS:
        assert_refused(app.ask("GET", "/v1/talk", headers=handshake()), "signature_missing")
        return
    status, rest = shake_hands(app, signed(app, key, "GET", b"", "/v1/talk"))
    assert status == 101
    assert key.client_id.encode() in rest
    assert shake_hands(app, {})[0] in {401, 403}
    old = signed(app, key, "GET", b"", "/v1/talk", clock=lambda: 0)
    assert shake_hands(app, old)[0] in {401, 403}


def handshake() -> dict[str, str]:
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }


def shake_hands(app: Guarded, headers: dict[str, str]) -> tuple[int, bytes]:
    lines = [f"{name}: {value}" for name, value in {"Host": f"{HOST}:{app.port}", **handshake(), **headers}.items()]
    with socket.create_connection((HOST, app.port), timeout=10) as connection:
        connection.sendall("\r\n".join(["GET /v1/talk HTTP/1.1", *lines, "", ""]).encode())
        received = connection.recv(65536)
        if received.startswith(b"HTTP/1.1 101"):
            with contextlib.suppress(TimeoutError):
                connection.settimeout(5)
                while piece := connection.recv(65536):
                    received += piece
    return int(received.split()[1]), received
