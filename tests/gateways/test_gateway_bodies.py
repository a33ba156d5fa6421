"""No gateway reads the body, so the backend compares it with the signed digest, in the lines that the page shows."""

from __future__ import annotations

import pytest

import keywright
from keywright.signatures import content_digest
from support.backends import body_is_genuine
from support.ways import Way

PATH = "/v1/payments"
BODY = b'{"amount":"12.50"}'
SWAPPED = b'{"amount":"99.50"}'


@pytest.mark.parametrize("swapped", [SWAPPED, b"", BODY + b"\n", BODY[:-1]])
def test_a_swapped_body_is_caught_at_the_backend(way: Way, swapped: bytes):
    before = len(way.backend.seen)
    for body in (swapped, [swapped] if swapped else []):
        answer = way.gateway.send("POST", PATH, way.signed("POST", PATH, BODY), body)
        assert (answer.status, answer.body) == (400, b'{"code": "digest_mismatch"}')
        assert way.backend.seen[-1].body == swapped
        assert way.backend.seen[-1].all("Keywright-Body-Verified") == ["false"]
    assert len(way.backend.seen) == before + 2


def test_a_digest_that_was_swapped_with_the_body_is_stopped_by_keywright(way: Way):
    headers = [
        (name, keywright.sign(way.key, method="POST", url="https://x.example", body=SWAPPED)["Content-Digest"])
        if name == "Content-Digest"
        else (name, value)
        for name, value in way.signed("POST", PATH, BODY)
    ]
    assert way.stopped("POST", PATH, headers, SWAPPED).status == 401


def test_a_body_that_was_added_to_a_bodyless_request_is_caught(way: Way):
    """The gateway's question tells nothing of a body in chunks, so a GET may pass Keywright with one."""
    for body in (SWAPPED, [SWAPPED]):
        for method in ("GET", "DELETE"):
            answer = way.gateway.send(method, PATH, way.signed(method, PATH), body)
            assert answer.status in {400, 401}


def test_the_lines_of_the_page():
    signed = 'sig1=("@method");created=1'
    for algorithm in ("sha-256", "sha-512"):
        digest = content_digest(BODY, algorithm)
        assert body_is_genuine(signed, digest, BODY)
        assert not body_is_genuine(signed, digest, SWAPPED)
        assert not body_is_genuine(None, digest, SWAPPED)
    both = f"{content_digest(BODY, 'sha-256')}, {content_digest(BODY, 'sha-512')}"
    mixed = f"{content_digest(BODY, 'sha-256')}, {content_digest(SWAPPED, 'sha-512')}"
    assert body_is_genuine(signed, both, BODY)
    assert not body_is_genuine(signed, mixed, BODY)
    assert not body_is_genuine(signed, mixed, SWAPPED)
    assert not body_is_genuine(signed, "md5=:AAAA:", BODY)
    assert not body_is_genuine(signed, "", b"")
    assert not body_is_genuine(signed, None, BODY)
    assert body_is_genuine(signed, None, b"")
    assert body_is_genuine(None, None, BODY)
