"""What the ASGI middleware judges is what it hands on, whatever stands around it; outer layers keep theirs."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest

from keywright.errors import Refused
from keywright.integrations.asgi import Keywright, KeywrightMiddleware
from keywright.integrations.caller import Caller
from keywright.signatures import SignedRequest

CALLER = Caller("ck_1", "acc_1", "corporate", "signature")


class Verifier:
    """Accepts everything, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[SignedRequest] = []

    def judge(
        self, request: SignedRequest, fields: dict[str, str] | None = None
    ) -> Caller | Refused | Awaitable[Caller | Refused]:
        assert fields is None or list(fields.items()) == list(request.headers)
        self.asked.append(request)
        return CALLER


async def pass_through(scope: dict[str, Any], receive: Any) -> tuple[SignedRequest, dict[str, Any], dict[str, Any]]:
    """Send a request through the middleware; what was judged, and scope and first message that the application got."""
    got: list[Any] = []

    async def app(scope: Any, receive: Any, _send: Any) -> None:
        got.extend([scope, await receive()])

    async def send(message: Any) -> None:
        raise AssertionError(f"nothing is to be answered: {message}")

    middleware = KeywrightMiddleware(app, Keywright(gateway="http://127.0.0.1:1"))
    verifier = Verifier()
    middleware._verifier = verifier  # type: ignore[assignment]
    await middleware(scope, receive, send)
    return verifier.asked[0], got[0], got[1]


def scope_with(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    lines = [(b"host", b"api.example.com"), *headers]
    return {"type": "http", "method": "POST", "path": "/a", "raw_path": b"/a", "query_string": b"", "headers": lines}


async def whole() -> dict[str, Any]:
    return {"type": "http.request", "body": b"body", "more_body": False}


async def test_headers_that_change_while_the_body_is_read_are_judged_as_they_are_handed_on():
    scope = scope_with()

    async def receive() -> dict[str, Any]:
        scope["headers"] = [*scope["headers"], (b"x-user", b"root")]
        return await whole()

    judged, handed_on, _ = await pass_through(scope, receive)
    told = [(name.decode(), value.decode()) for name, value in handed_on["headers"]]
    assert list(judged.headers) == told == [("host", "api.example.com"), ("x-user", "root")]


@pytest.mark.parametrize("claim", [b"keywright-client-id", b"Keywright_Account_Id", b"KEYWRIGHT-X"])
async def test_claims_are_taken_away_and_the_outer_scope_stays_as_it_is(claim: bytes):
    scope = scope_with((claim, b"ck_other"), (b"x-keywright-note", b"stays"), (b"keywright", b"stays"))
    before = [*scope["headers"]]
    _, handed_on, _ = await pass_through(scope, whole)
    assert [name for name, _ in handed_on["headers"]] == [b"host", b"x-keywright-note", b"keywright"]
    assert (handed_on["keywright"], handed_on["state"]) == (CALLER, {"keywright": CALLER})
    assert (scope["headers"], "state" in scope, "keywright" in scope) == (before, False, False)


async def test_an_application_that_edits_its_headers_edits_nobody_elses():
    scope = scope_with()
    _, handed_on, _ = await pass_through(scope, whole)
    handed_on["headers"].append((b"x-inner", b"1"))
    assert scope["headers"] == [(b"host", b"api.example.com")]


async def test_a_body_that_the_server_could_change_is_copied():
    body = bytearray(b"body")

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    judged, _, message = await pass_through(scope_with(), receive)
    body[:] = b"evil"
    assert (judged.body, message["body"], type(message["body"])) == (b"body", b"body", bytes)


async def test_a_body_in_pieces_is_put_together():
    pieces = [b"one", b"", b"two"]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    judged, _, message = await pass_through(scope_with((b"content-length", b"6")), receive)
    assert judged.body == message["body"] == b"onetwo"
