"""What is judged and what is let through: paths, hosts, exclusions, and headers that only a verifier may say."""

from __future__ import annotations

import pytest

import keywright
from keywright.integrations.asgi import Keywright, KeywrightMiddleware
from support.guarded import BODY, HOST, Guarded, assert_refused, body_of, raw, signed


@pytest.mark.parametrize("path", ["/v1/echo", "/v1/%65cho", "/v1/ech%6f?x=%2F"])
def test_the_path_is_judged_as_it_was_sent(app: Guarded, key: keywright.Credential, path: str):
    # wsgiref keeps no path as it was sent (docs/integrations/flask.md): what was escaped without need is refused then.
    is_lost = app.framework == "flask-wsgiref" and "%" in path.partition("?")[0]
    assert raw(app, "GET", path, signed(app, key, "GET", b"", path))[0] == (401 if is_lost else 200)


def test_nobody_says_for_themselves_who_they_are(app: Guarded, key: keywright.Credential):
    claims = {
        "Keywright-Client-Id": "ck_someone",
        "keywright-account-id": "acc_someone",
        "Keywright_Account_Id": "acc_someone",
        "Keywright": "someone",
        "X-Keywright": "someone",
    }
    assert_refused(app.ask("POST", headers=claims, content=BODY), "signature_missing")
    response = app.ask("POST", headers={**signed(app, key), **claims}, content=BODY)
    assert response.json()["caller"]["client_id"] == key.client_id
    assert response.json()["claims"] == []
    response = app.ask("POST", "/open/x", headers=claims, content=BODY)
    assert (response.json()["caller"], response.json()["claims"]) == (None, [])


def test_excluded_paths_are_open_and_nothing_beside_them(app: Guarded):
    response = app.ask("POST", "/open/form", content=BODY)
    assert (response.status_code, response.json()["caller"], body_of(response)) == (200, None, BODY)
    for path in (
        "/open",
        "/open/",
        "/open/%2e",
        "/open/..%2fv1/echo",
        "/open/%2e%2e%2fv1%2fecho",
        "/open/..\\v1\\echo",
        "/open;/x",
        "/open//../v1/echo",
        "//v1/echo",
        "/openx",
        "/open/../v1/echo",
        "/open/%2e%2e/v1/echo",
        "/open//v1/echo",
        "/OPEN/x",
    ):
        assert raw(app, "GET", path, {})[0] == 401, path


def test_a_host_that_reaches_into_the_path_is_refused(app: Guarded, key: keywright.Credential):
    """Signed for /v1/echo/v1/stream, asked for /v1/stream: the signed URL must not be put together from both."""
    path = "/v1/echo/v1/stream"
    headers = {**signed(app, key, "GET", b"", path), "Host": f"{HOST}:{app.port}/v1/echo"}
    status, _ = raw(app, "GET", "/v1/stream", headers)
    assert status in {400, 404}


@pytest.mark.parametrize(
    ("root_path", "path", "is_open"),
    [
        ("", "/open/x", True),
        ("/shop", "/shop/open/x", False),
        ("/shop", "/open/x", True),
        ("/shop", "/open/x/shop/v1/echo", False),
    ],
)
async def test_a_root_path_within_an_excluded_path_is_no_way_past(root_path: str, path: str, is_open: bool):
    """Litestar takes it out wherever it stands, and would route /open/x/v1/echo or less."""
    reached, said = [], []

    async def application(scope: dict, _receive: object, _send: object) -> None:
        reached.append(scope["path"])

    async def receive() -> dict:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict) -> None:
        said.append(message.get("status"))

    # Nobody listens there: whatever is to be verified is refused.
    guard = KeywrightMiddleware(application, Keywright(gateway="http://127.0.0.1:9", exclude=["/open/*"]))
    scope = {"type": "http", "method": "GET", "scheme": "http", "path": path, "raw_path": path.encode()}
    await guard(
        {**scope, "root_path": root_path, "query_string": b"", "headers": [(b"host", b"a.example")]}, receive, send
    )
    assert (reached, said[:1]) == (([path], []) if is_open else ([], [503]))
