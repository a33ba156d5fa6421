"""What must not be read in a log cannot be."""

from __future__ import annotations

import io
import json
import logging
import os
import sys

import pytest
import structlog

from keywright.formats import format_client_secret
from keywright.telemetry import configure_logs, masked

SECRET = format_client_secret(os.urandom(32), "live")
TOKEN = "kwop_" + os.urandom(32).hex()
SIGNATURE = "sig1=:" + "QUJD" * 20 + "==:"


@pytest.mark.parametrize(
    "event",
    [
        {"event": f"created {SECRET} for someone"},
        {"event": "x", "authorization": f"Bearer {TOKEN}"},
        {"event": "x", "Authorization": "Basic dXNlcjpwYXNzd29yZA=="},
        {"event": "x", "headers": {"Signature": SIGNATURE, "Cookie": f"keywright_session=kws_{'ab' * 32}"}},
        {"event": "x", "headers": [["signature", SIGNATURE], ["authorization", "Bearer abc"]]},
        {"event": "x", "detail": [SECRET, {"deep": (TOKEN, {"password": "hunter22hunter22"})}]},
        {"event": f"failed: {SIGNATURE}"},
        {"event": "x", "raw": os.urandom(32)},
        {"event": f"key {os.urandom(32).hex()}"},
        {"event": "the header was Authorization: bearer eyJhbGciOi.J9.abc-_"},
    ],
)
def test_secrets_are_masked_wherever_they_stand(event: dict):
    text = repr(masked(event))
    for secret in (
        SECRET[20:60],
        TOKEN[10:40],
        "QUJDQUJDQUJD",
        "hunter22",
        "dXNlcjpw",
        "abab" * 8,
        "eyJhbGci",
        "Bearer abc",
    ):
        assert secret not in text
    assert "[masked]" in text


def test_what_is_no_secret_stays():
    event = {"event": "answered", "method": "GET", "ms": 1.5, "caller": {"kind": "person", "id": "usr_1"}, "n": None}
    assert masked(event) == event


def test_a_traceback_is_masked_too(monkeypatch: pytest.MonkeyPatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    before = logging.getLogger().handlers[:]
    try:
        configure_logs("info", "json")
        try:
            raise RuntimeError(f"cannot use {SECRET}")
        except RuntimeError:
            structlog.get_logger("keywright.test").exception("failed")
            logging.getLogger("some.library").exception("failed with %s", TOKEN)
    finally:
        logging.getLogger().handlers[:] = before
        structlog.reset_defaults()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"].split()[0] for line in lines] == ["failed", "failed"]
    assert "RuntimeError" in stream.getvalue()
    assert SECRET[20:60] not in stream.getvalue()
    assert TOKEN[10:40] not in stream.getvalue()


@pytest.mark.parametrize("kind", ["kwop", "kws", "kwi", "kwr", "kwc"])
def test_every_kind_of_token_is_known_by_its_beginning(kind: str):
    assert masked(f"GET /somewhere/{kind}_{'5e' * 32} now") == "GET /somewhere/[masked] now"
