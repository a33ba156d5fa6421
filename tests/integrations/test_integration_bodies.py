"""Bodies on their way through the middleware: read, bounded, verified, and handed on whole."""

from __future__ import annotations

import base64
import json
import os

import pytest

import keywright
from support.guarded import LIMIT, Guarded, assert_refused, body_of, chunked, signed
from support.guarded_apps import PIECES

# Without Content-Length there is no body for a server of HTTP/1.0.
CHUNKLESS = {"flask-wsgiref"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_requests_without_a_body(app: Guarded, key: keywright.Credential, method: str):
    if method == "DELETE" and app.framework == "litestar":
        method = "PUT"  # Litestar's DELETE answers without content
    path = "/v1/echo?q=a%20b&q=%C3%A4"
    response = app.ask(method, path, headers=signed(app, key, method, b"", path))
    assert response.status_code == 200, response.text
    if method == "HEAD":
        assert response.content == b""
    else:
        assert response.json()["caller"]["client_id"] == key.client_id
        assert body_of(response) == b""


def test_a_chunked_body_is_read_verified_and_handed_on_whole(app: Guarded, key: keywright.Credential):
    pieces = [os.urandom(7000) for _ in range(9)]
    body = b"".join(pieces)
    headers = {**signed(app, key, body=body), "Transfer-Encoding": "chunked"}
    status, answer = chunked(app, headers, pieces)
    if app.framework in CHUNKLESS:
        assert (status, json.loads(answer)["code"]) == (411, "invalid_request")
        return
    assert status == 200, answer
    assert base64.b64decode(json.loads(answer)["body"]) == body
    headers = {**signed(app, key, body=body), "Transfer-Encoding": "chunked"}
    status, answer = chunked(app, headers, [*pieces, b"more"])
    assert (status, json.loads(answer)["code"]) == (401, "digest_mismatch")


def test_a_body_of_the_most_bytes_passes_and_one_more_is_too_large(app: Guarded, key: keywright.Credential):
    body = os.urandom(LIMIT)
    response = app.ask("POST", content=body, auth=keywright.SignatureAuth(key))
    assert response.status_code == 200, response.text
    assert body_of(response) == body
    assert_refused(
        app.ask("POST", headers=signed(app, key, body=body + b"."), content=body + b"."), "payload_too_large", 413
    )
    if app.framework not in CHUNKLESS:
        headers = {**signed(app, key, body=body + b"."), "Transfer-Encoding": "chunked"}
        status, answer = chunked(app, headers, [body, b"."])
        assert (status, json.loads(answer)["code"]) == (413, "payload_too_large")


def test_a_streamed_answer_comes_through_unharmed(app: Guarded, key: keywright.Credential):
    with app.client.stream("GET", app.origin + "/v1/stream", auth=keywright.SignatureAuth(key)) as response:
        assert response.status_code == 200
        pieces = [piece for piece in response.iter_raw() if piece]
    assert b"".join(pieces) == b"".join(PIECES)
    assert len(pieces) > 1
