"""Access tokens for tests: fetched in every way there is, and forged with the server's own keys."""

from __future__ import annotations

import base64
import hmac
import json
import os
import time
from typing import Any
from urllib.parse import urlencode

import keywright
from keywright.formats import format_client_secret, new_client_id
from keywright.tokens.compact import encode_base64url, write_compact
from support.server import Answer, Server

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GRANT = {"grant_type": "client_credentials"}
PLANES = ("control", "data")
ORIGINAL = {"X-Original-Method": "GET", "X-Original-URL": "https://api.example.com/v1/payments"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def secret_of(key: keywright.Credential) -> str:
    """The Client Secret of a key that `Server.key` made, on a sandbox server or not."""
    return format_client_secret(key._secret, "live")


def basic(client_id: str, client_secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def post_json(server: Server, base: str, client_id: Any, client_secret: Any) -> Answer:
    body = json.dumps({"clientId": client_id, "clientSecret": client_secret}).encode()
    return server._send("POST", base + "/auth/token", {"Content-Type": "application/json"}, body)


def post_form(
    server: Server, base: str, fields: Any = (), *, path: str = "/oauth2/token", headers: dict[str, str] | None = None
) -> Answer:
    return server._send("POST", base + path, {**FORM, **(headers or {})}, urlencode(fields).encode())


def introspect(server: Server, base: str, token: str, headers: dict[str, str], **fields: str) -> Answer:
    return post_form(server, base, {"token": token, **fields}, path="/oauth2/introspect", headers=headers)


def token_of(server: Server, key: keywright.Credential) -> str:
    """A fresh access token of a key."""
    answer = post_json(server, server.control, key.client_id, secret_of(key))
    assert answer.status == 200, answer.text
    return str(answer.json["access_token"])


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".", maxsplit=2)[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def header_of(token: str) -> dict[str, Any]:
    header = token.split(".", maxsplit=1)[0]
    return dict(json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))))


def server_seed(server: Server) -> tuple[str, bytes]:
    """The server's first signing key: its name and its seed."""
    first = json.loads((server.data_dir / "token-keys.json").read_text())["keys"][0]
    return first["kid"], base64.b64decode(first["seed"])


def forged(server: Server, of: str, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token with the server's own signature that says what a test wants; None leaves a claim out."""
    now = int(time.time())
    kid, seed = server_seed(server)
    said = {
        "iss": server.control,
        "sub": of,
        "aud": server.control,
        "client_id": of,
        "account_id": "acc_forged",
        "iat": now,
        "exp": now + 3600,
        "jti": "tok_forged",
        **claims,
    }
    said = {name: value for name, value in said.items() if value is not None}
    return write_compact({"typ": "at+jwt", "kid": kid, **(header or {})}, said, seed)


def assertion(key: keywright.Credential, audience: Any, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A JWT by which a client says who it is; None leaves a claim out."""
    now = int(time.time())
    said = {
        "iss": key.client_id,
        "sub": key.client_id,
        "aud": audience,
        "iat": now,
        "exp": now + 60,
        "jti": f"{time.monotonic_ns()}",
        **claims,
    }
    said = {name: value for name, value in said.items() if value is not None}
    return write_compact({"typ": "JWT", **(header or {})}, said, key._secret)


def assertion_fields(text: str, **more: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": text,
        **more,
    }


def damaged(secret: str) -> str:
    return secret[:-1] + ("0" if secret[-1] != "0" else "1")


def wrong_pairs(server: Server, account: str, *, delete: bool = True) -> dict[str, tuple[str, str]]:
    """Client ID and Client Secret, wrong in every way; the keys that they are wrong for are deleted again or not."""
    key, gone = server.key(account), server.key(account)
    server.delete_key(account, gone.client_id)
    hmac_key = server.key(account, algorithm="hmac-sha256")
    pairs = {
        "unknown": (new_client_id(os.urandom), secret_of(key)),
        "made up": ("ck_" + "0" * 26, secret_of(key)),
        "no ID": ("somebody", secret_of(key)),
        "very long": ("ck_" + "0" * 150, secret_of(key)),
        "wrong": (key.client_id, secret_of(gone)),
        "wrong for hmac": (hmac_key.client_id, secret_of(gone)),
        "damaged": (key.client_id, damaged(secret_of(key))),
        "nonsense": (key.client_id, "x"),
        "deleted": (gone.client_id, secret_of(gone)),
    }
    if delete:
        server.delete_key(account, key.client_id)
        server.delete_key(account, hmac_key.client_id)
    return pairs


def now_plus(seconds: float) -> int:
    return int(time.time() + seconds)


def hs256(header: dict[str, str], payload: str, secret: bytes) -> str:
    text = f"{encode_base64url(json.dumps({'alg': 'HS256', **header}).encode())}.{payload}"
    return f"{text}.{encode_base64url(hmac.digest(secret, text.encode(), 'sha256'))}"


def assert_oauth_error(answer: Answer, error: str, status: int = 400) -> None:
    assert (answer.status, answer.json["error"]) == (status, error), answer.text
    assert set(answer.json) == {"error", "error_description"}
    assert answer.headers["cache-control"] == "no-store"
    # RFC 6749 section 5.2: these characters only.
    assert all(" " <= each <= "~" and each not in '"\\' for each in answer.json["error_description"])
