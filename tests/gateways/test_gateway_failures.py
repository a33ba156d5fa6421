"""A verifier that is away, hangs or comes back: nothing is let through without a verdict, and connections are kept."""

from __future__ import annotations

import json
import time

from support.server import wait_until
from support.ways import Way

PATH = "/v1/payments?currency=EUR"


def passes(way: Way) -> bool:
    return way.gateway.send("GET", PATH, way.signed("GET", PATH)).status == 200


def assert_unavailable(way: Way, *arguments: object) -> None:
    answer = way.stopped(*arguments)
    assert answer.status in {500, 502, 503, 504}, answer
    assert answer.all("Content-Type") == ["application/problem+json"]
    problem = json.loads(answer.body)
    assert problem["status"] == answer.status
    assert problem["code"] in {"verifier_unavailable", "unavailable"}


def test_without_keywright_nothing_is_let_through(way: Way):
    with way.wire.being_cut():
        for headers in (way.signed("GET", PATH), [], [("Authorization", "Bearer x")]):
            assert_unavailable(way, "GET", PATH, headers)
        assert_unavailable(way, "POST", PATH, way.signed("POST", PATH, b"{}"), b"{}")
    wait_until(lambda: passes(way), what="the gateway asks again")


def test_a_keywright_that_hangs_is_not_waited_for_without_end(way: Way):
    with way.wire.hanging():
        started = time.monotonic()
        assert_unavailable(way, "GET", PATH, way.signed("GET", PATH))
        assert 1 < time.monotonic() - started < 15
    wait_until(lambda: passes(way), what="the gateway asks again")


def test_kept_connections_that_broke_are_made_anew(way: Way):
    way.passed("GET", PATH, way.signed("GET", PATH))
    way.wire.drop()
    wait_until(lambda: passes(way), what="the gateway asks again")


def test_connections_to_keywright_are_kept(way: Way):
    wait_until(lambda: passes(way), what="the gateway asks again")
    before = way.wire.connections
    for _ in range(40):
        way.passed("GET", PATH, way.signed("GET", PATH))
    # Each worker or thread of a gateway may have its own.
    assert way.wire.connections - before <= 4
