"""What goes to a gateway listener and what comes back from it: secrets, connections, restarts, and nonsense."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

import keywright
from support.guarded import BODY, Guarded, assert_refused, guarded, signed
from support.guarded_apps import APPS
from support.relay import Relay
from support.server import Server, running

ACCEPTED = {
    "outcome": "accepted",
    "clientId": "ck_x",
    "accountId": "acc_x",
    "accountType": "partner",
    "scheme": "bearer",
}


@dataclass
class Apart:
    """An application, and the relay between it and its gateway listener."""

    app: Guarded
    relay: Relay
    server: Server
    key: keywright.Credential


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that these tests may kill."""
    with running(tmp_path_factory.mktemp("apart") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def own_key(own: Server) -> keywright.Credential:
    return own.key(own.account())


@pytest.fixture(scope="module", params=APPS)
def apart(
    request: pytest.FixtureRequest,
    own: Server,
    own_key: keywright.Credential,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Apart]:
    relay = Relay(own.data)
    log = tmp_path_factory.mktemp("app") / "log"
    with guarded(request.param, "gateway", {"gateway": relay.url}, log) as app:
        yield Apart(app, relay, own, own_key)
    relay.close()


def test_secrets_for_others_do_not_leave_the_application(apart: Apart):
    secrets = {
        "Cookie": "session=for-the-application",
        "X-Api-Key": "key-of-another-service",
        "Proxy-Authorization": "Basic cHJveHk6c2VjcmV0",
        "X-Amz-Security-Token": "token-of-another-service",
        "Referer": "https://shop.example.com/reset/secret-in-a-path",
    }
    covered = {"X-Tenant": "tenant-that-is-signed"}
    apart.relay.forget()
    sent = {
        **secrets,
        **covered,
        **keywright.sign(
            apart.key,
            method="POST",
            url=apart.app.origin + "/v1/echo",
            headers=covered,
            body=BODY,
            cover=["x-tenant"],
        ),
    }
    response = apart.app.ask("POST", headers=sent, content=BODY)
    assert response.status_code == 200, response.text
    noted = bytes(apart.relay.requests)
    assert b"tenant-that-is-signed" in noted
    for name, value in secrets.items():
        assert value.encode() not in noted
        assert name.lower().encode() not in noted.lower()
    # Refused or nonsense, nothing more leaves.
    apart.app.ask("POST", headers={**secrets, "Signature-Input": 'sig1=("Cookie"', "Signature": "x"}, content=BODY)
    apart.app.ask("POST", headers=secrets, content=BODY)
    noted = bytes(apart.relay.requests)
    assert not [value for value in secrets.values() if value.encode() in noted]


def test_connections_are_used_again(apart: Apart):
    auth = keywright.SignatureAuth(apart.key)
    apart.relay.cut()
    apart.relay.forget()
    for _ in range(30):
        assert apart.app.ask("POST", content=BODY, auth=auth).status_code == 200
    # One, but for pauses of this machine: idle connections end after five seconds.
    assert apart.relay.connections <= 5

    def several(_: int) -> list[int]:
        return [apart.app.ask("POST", content=BODY, auth=auth).status_code for _ in range(10)]

    apart.relay.forget()
    with ThreadPoolExecutor(4) as pool:
        answers = [status for statuses in pool.map(several, range(4)) for status in statuses]
    assert answers == [200] * 40
    assert apart.relay.connections <= 20


def test_after_a_restart_of_the_gateway_all_is_well(apart: Apart):
    auth = keywright.SignatureAuth(apart.key)
    headers = signed(apart.app, apart.key)
    assert apart.app.ask("POST", headers=headers, content=BODY).status_code == 200
    apart.server.kill()
    apart.server.start()
    apart.relay.target = apart.server.data
    # The connections that were kept have ended meanwhile; nothing was asked in between.
    for _ in range(3):
        assert apart.app.ask("POST", content=BODY, auth=auth).status_code == 200
    assert_refused(apart.app.ask("POST", headers=headers, content=BODY), "nonce_replayed")
    apart.server.kill()
    for _ in range(3):
        assert_refused(apart.app.ask("POST", content=BODY, auth=auth), "verifier_unavailable", 503)
    apart.server.start()
    apart.relay.target = apart.server.data
    for _ in range(3):
        assert apart.app.ask("POST", content=BODY, auth=auth).status_code == 200


def answer(content: bytes, status: str = "200 OK", *lines: str) -> bytes:
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(content)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + content


def said(**changes: object) -> bytes:
    """An accepting verdict with something changed; None leaves it out."""
    return json.dumps({name: value for name, value in {**ACCEPTED, **changes}.items() if value is not None}).encode()


NONSENSE = {
    "a closed connection": b"",
    "no HTTP": b"\x16\x03\x01 hello\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + said(),
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5000\r\n" + said(),
    "no gzip": answer(said(), "200 OK", "Content-Encoding: gzip"),
    "500": answer(said(), "500 Internal Server Error"),
    "502": answer(b"<html>", "502 Bad Gateway"),
    "429": answer(said(), "429 Too Many Requests"),
    "401": answer(said(), "401 Unauthorized"),
    "404": answer(said(), "404 Not Found"),
    "elsewhere": answer(said(), "307 Temporary Redirect", "Location: http://127.0.0.1:9/"),
    "another success": answer(said(), "201 Created"),
    "nothing": answer(b""),
    "no JSON": answer(b"<html>accepted</html>"),
    "no UTF-8": answer(b'{"outcome": "\xff"}'),
    "null": answer(b"null"),
    "a text": answer(b'"accepted"'),
    "a list": answer(b'["accepted"]'),
    "deep": answer(b"[" * 200_000),
    "an empty object": answer(b"{}"),
    "an outcome alone": answer(b'{"outcome": "accepted"}'),
    "nobody": answer(said(clientId=None)),
    "an empty name": answer(said(clientId="")),
    "a number for a name": answer(said(accountId=5)),
    "no scheme": answer(said(scheme=None)),
    "another outcome": answer(said(outcome="perhaps")),
    "an outcome of another kind": answer(said(outcome=True)),
    "an unknown code": answer(b'{"outcome": "refused", "code": "made_up", "detail": "x"}'),
    "no code": answer(b'{"outcome": "refused", "detail": "x"}'),
    "no detail": answer(b'{"outcome": "refused", "code": "signature_invalid"}'),
}


def test_nonsense_from_the_gateway_lets_nothing_through(apart: Apart):
    headers = signed(apart.app, apart.key)
    try:
        for name, sent in NONSENSE.items():
            apart.relay.instead = sent
            apart.relay.cut()
            response = apart.app.ask("POST", headers=headers, content=BODY)
            assert (name, response.status_code) == (name, 503)
            assert_refused(response, "verifier_unavailable", 503)
            assert int(response.headers["retry-after"]) >= 1
        # Itself it says no more than that about a request that it would not read.
        for status in ("400 Bad Request", "413 Content Too Large"):
            apart.relay.instead = answer(said(), status)
            apart.relay.cut()
            assert apart.app.ask("POST", headers=headers, content=BODY).status_code == int(status[:3])
    finally:
        apart.relay.instead = None
        apart.relay.cut()
    # None of it has reached the verifier.
    assert apart.app.ask("POST", headers=headers, content=BODY).status_code == 200


@pytest.mark.parametrize("framework", ["starlette", "flask", "django-asgi"])
def test_a_gateway_that_says_nothing_lets_nothing_through(
    framework: str, own: Server, own_key: keywright.Credential, tmp_path: Path
):
    relay = Relay(own.data)
    relay.is_silent = True
    with guarded(framework, "gateway", {"gateway": relay.url, "timeout_seconds": 1}, tmp_path / "log") as app:
        for sent in ({}, signed(app, own_key)):
            assert_refused(app.ask("POST", headers=sent, content=BODY), "verifier_unavailable", 503)
    relay.close()
    assert "did not answer" in (tmp_path / "log").read_text()


def test_bodies_go_whole_to_the_gateway(apart: Apart):
    """So that it compares the digest itself, and need not believe the application."""
    apart.relay.forget()
    assert apart.app.ask("POST", content=BODY, auth=keywright.SignatureAuth(apart.key)).status_code == 200
    assert base64.b64encode(BODY) in apart.relay.requests
