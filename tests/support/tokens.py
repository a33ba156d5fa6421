"""Access tokens for tests: fetched in every way there is, and forged with the server's own keys."""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from urllib.parse import urlencode

import keywright
from keywright.formats import format_client_secret
from keywright.tokens.compact import write_compact
from support.server import Answer, Server

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
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
