"""Attempts counted in Valkey: by all processes together, and refused with 503 while nobody can count."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from urllib.parse import quote

import pytest

from keywright.errors import TooManyRequests, Unavailable
from keywright.identity.throttle import Throttle
from keywright.identity.throttle_valkey import ThrottleValkey
from keywright.valkey.address import parse_valkey_url
from support.valkey import Valkey, cluster, free_ports, valkey

HERE = "192.0.2.1"
PASSWORD = "p@ss/w:rd#%?"


def throttle_on(url: str) -> Throttle:
    shared = ThrottleValkey(parse_valkey_url(url))
    return Throttle(shared, close=shared.close)


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as found:
        yield found


@pytest.fixture
async def pair(server: Valkey) -> AsyncIterator[tuple[Throttle, Throttle]]:
    found = throttle_on(server.url), throttle_on(server.url)
    yield found
    for each in found:
        await each.close()


async def test_two_processes_count_together(pair: tuple[Throttle, Throttle]):
    for number in range(10):
        await pair[number % 2].begin_sign_in("a@example.com", HERE)
    for each in pair:
        with pytest.raises(TooManyRequests) as caught:
            await each.begin_sign_in("A@example.com", HERE)
        assert 290 <= caught.value.retry_after_seconds <= 300
    await pair[0].signed_in("a@example.com", HERE)
    await pair[1].begin_sign_in("a@example.com", HERE)


async def test_many_at_once_are_no_way_around(pair: tuple[Throttle, Throttle]):
    found = await asyncio.gather(
        *(pair[number % 2].begin_proof("usr_1") for number in range(40)), return_exceptions=True
    )
    assert found.count(None) == 10
    assert sum(isinstance(each, TooManyRequests) for each in found) == 30


async def test_counts_have_our_prefix_end_by_themselves_and_name_nobody(
    pair: tuple[Throttle, Throttle], server: Valkey
):
    await pair[0].begin_sign_in("a@example.com", HERE)
    await pair[0].may_mail_reset("a@example.com", HERE)
    with server.client() as client:
        keys = client.keys("*")
        assert len(keys) == 5
        for key in keys:
            assert key.startswith("keywright:throttle:")
            assert "example" not in key
            assert 0 < client.ttl(key) <= 3600


async def test_valkey_away_is_unavailable_and_back_it_counts(pair: tuple[Throttle, Throttle], server: Valkey):
    throttle = pair[0]
    await throttle.begin_proof("usr_1")
    server.kill()
    with pytest.raises(Unavailable, match="memory of attempts does not answer"):
        await throttle.begin_proof("usr_1")
    with pytest.raises(Unavailable):
        await throttle.proof_given("usr_1")
    with pytest.raises(Unavailable):
        await throttle.may_mail_reset("a@example.com", HERE)
    server.start()
    await throttle.begin_proof("usr_1")


async def test_no_error_holds_the_password():
    port = free_ports(1)[0]
    escaped = quote(PASSWORD, safe="")
    with valkey(port=port, requirepass=PASSWORD) as server:
        right = [
            throttle_on(f"unix://:{escaped}@{server.socket}"),
            throttle_on(f"valkey://:{escaped}@127.0.0.1:{port}"),
        ]
        for throttle in right:
            await throttle.begin_proof("usr_1")
            await throttle.close()
    for scheme in ("valkey", "valkey-cluster"):
        throttle = throttle_on(f"{scheme}://:{escaped}@127.0.0.1:{port}")
        with pytest.raises(Unavailable) as caught:
            await throttle.begin_proof("usr_1")
        error: BaseException | None = caught.value
        while error is not None:
            assert PASSWORD not in repr(error)
            assert escaped not in repr(error)
            error = error.__cause__ or error.__context__
        assert PASSWORD not in caught.value.private
        await throttle.close()


async def test_counts_in_a_cluster_and_a_lost_node():
    with cluster(cluster_require_full_coverage="no") as found:
        one, other = throttle_on(found.url), throttle_on(found.url)
        for number in range(60):
            await (one, other)[number % 2].begin_sign_in(f"{number}@example.com", HERE)
        with pytest.raises(TooManyRequests):
            await one.begin_sign_in("next@example.com", HERE)
        found.primaries[0].kill()
        outcomes = set()
        for number in range(40):
            try:
                await other.begin_proof(f"usr_{number}")
                outcomes.add("counted")
            except Unavailable:
                outcomes.add("unavailable")
        assert outcomes == {"counted", "unavailable"}
        for node in found.primaries[1:]:
            node.kill()
        with pytest.raises(Unavailable):
            await one.begin_proof("usr_0")
        await one.close()
        await other.close()
