"""The shared memory of nonces: what it answers, and what it does when Valkey loses its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from valkey_world import AGE, LATER, Stores, use

from keywright.errors import Unavailable
from keywright.verification.nonces import ReplayVerdict
from keywright.verification.valkey_buckets import Buckets
from support.valkey import Valkey, caught_up, primary_and_replica, until, valkey

FRESH, REPLAYED, UNPROVABLE = ReplayVerdict.FRESH, ReplayVerdict.REPLAYED, ReplayVerdict.UNPROVABLE


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as found:
        yield found


@pytest.fixture
async def stores(server: Valkey) -> AsyncIterator[Stores]:
    found = Stores(server.url)
    yield found
    await found.close()


async def test_a_nonce_is_fresh_once_for_its_client_id(stores: Stores):
    one, other = stores.open(), stores.open()
    assert await use(one) is FRESH
    assert await use(other) is REPLAYED
    assert await use(one, created=LATER + 7) is REPLAYED, "whatever created says"
    assert await use(one, client_id="ck_two") is FRESH
    assert await use(one, "\ud800\0nonce") is FRESH
    assert await use(other, "\ud800\0nonce") is REPLAYED


async def test_what_could_have_been_used_before_the_memory_began_is_unprovable(stores: Stores):
    store = stores.open()
    assert await use(store, created=0) is UNPROVABLE
    assert await use(store, created=30) is UNPROVABLE
    assert await use(store, created=35) is FRESH
    assert await use(store, created=0) is REPLAYED
    assert await use(store, "mine", created=0, key_age=-1) is UNPROVABLE, "the key's clock may be ahead"
    await store.begin()
    assert await use(store, "mine", created=0, key_age=0) is FRESH
    assert await use(store, "mine", created=0, key_age=0) is REPLAYED
    assert await use(store, "future", created=0, key_age=-60) is UNPROVABLE, "that clock is wrong"


async def test_the_memory_is_told_in_the_statistics(stores: Stores):
    store = stores.open()
    assert not store.statistics().is_known
    await store.check()
    seen = store.statistics()
    assert (seen.buckets, seen.answering, seen.is_known) == (1, 1, False)
    assert 32 < seen.unprovable_through - time.time() < 34
    assert abs(seen.began_at - time.time()) < 2


async def test_without_ahead_the_memory_is_known_after_three_seconds(stores: Stores):
    store = stores.open(ahead=0)
    assert await use(store, "early", created=0) is UNPROVABLE
    await until_known(store)
    assert await use(store, created=0) is FRESH
    assert await use(store, created=0) is REPLAYED
    assert await use(store, "early", created=-10) is UNPROVABLE


@pytest.mark.parametrize("flush", ["FLUSHALL", "FLUSHDB"])
async def test_a_flush_begins_the_memory_anew(stores: Stores, server: Valkey, flush: str):
    store = stores.open()
    assert await use(store, created=40) is FRESH
    await asyncio.sleep(1.1)
    server.call(flush)
    assert await use(store, created=20) is UNPROVABLE
    assert await use(store, "new key", created=20, key_age=-2.5) is UNPROVABLE
    assert await use(store, "later", created=40) is FRESH


async def test_a_flush_is_noticed_without_a_request(stores: Stores, server: Valkey):
    store = stores.open()
    await store.check()
    before = store.statistics().began_at
    server.call("FLUSHALL")
    await until_async(lambda: store.statistics().began_at > before)


async def test_a_restart_without_data_begins_the_memory_anew(stores: Stores, server: Valkey):
    store = stores.open()
    assert await use(store) is FRESH
    server.kill()
    server.start()
    assert await use(store, created=20) is UNPROVABLE


async def test_a_restart_with_data_keeps_what_was_saved_and_vouches_for_nothing_else():
    with valkey(appendonly="yes", appendfsync="always") as server:
        stores = Stores(server.url)
        store = stores.open()
        assert await use(store, "used") is FRESH
        server.kill()
        server.start()
        # The newest created that was remembered is known: up to it, something may have been lost with the last second.
        assert await use(store, "lost", created=LATER - 1) is UNPROVABLE
        assert await use(store, "used") is REPLAYED
        assert await use(store, "later", created=LATER + 9) is FRESH
        await stores.close()


@pytest.mark.parametrize("is_filled", [True, False])
async def test_fail_over_begins_the_memory_anew(*, is_filled: bool):
    with primary_and_replica() as (primary, replica):
        stores = Stores(primary.url)
        before = stores.open()
        assert await use(before, "used", created=40) is FRESH
        caught_up(primary, replica)
        primary.kill()
        if not is_filled:
            replica.stop()
            replica.start()
            replica.call("FLUSHALL")
        replica.call("REPLICAOF", "NO", "ONE")
        after = stores.open(replica.url)
        assert await use(after, "used", created=20) is (REPLAYED if is_filled else UNPROVABLE)
        assert await use(after, "another", created=20) is UNPROVABLE
        await stores.close()


async def test_a_server_that_was_deposed_and_promoted_again_does_not_vouch_for_the_time_between(
    stores: Stores, server: Valkey
):
    """It never ended, and has the marker that it wrote itself; what the other primary accepted it never got."""
    store = stores.open()
    assert await use(store, "before") is FRESH
    server.call("REPLICAOF", "127.0.0.1", 1)
    with pytest.raises(Unavailable):
        await use(store, "meanwhile")
    server.call("REPLICAOF", "NO", "ONE")
    assert await use(store, "elsewhere", created=LATER - 1) is UNPROVABLE
    assert await use(store, "before") is REPLAYED


def race(url: str, count: int) -> list[int]:
    """In a process of its own: which nonces were fresh."""

    async def run() -> list[int]:
        stores = Stores(url)
        found = [stores.open() for _ in range(2)]
        won = []
        for number in range(count):
            verdicts = await asyncio.gather(*(use(store, f"n{number}") for store in found for _ in range(3)))
            won += [number] * verdicts.count(FRESH)
        await stores.close()
        return won

    return asyncio.run(run())


def test_of_many_processes_one_wins_each_nonce(server: Valkey):
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as processes:
        found = [processes.submit(race, server.url, 100) for _ in range(3)]
        won = [number for each in found for number in each.result()]
    assert sorted(won) == list(range(100))


async def test_a_node_that_accepts_older_signatures_is_not_told_that_what_has_ended_is_fresh(stores: Stores):
    narrow = stores.open(age=1, ahead=0)
    await until_known(narrow)
    used = int(time.time())
    assert await narrow.remember("ck_one", "used", used, 0, time.time()) is FRESH
    await asyncio.sleep(3.5)  # longer than a nonce is kept there: 1 s, and 2 s more
    wide = stores.open(age=AGE, ahead=0)
    assert await wide.remember("ck_one", "used", used, 0, time.time()) is UNPROVABLE
    assert await use(wide, "kept", created=0) is FRESH
    assert await use(narrow, "kept too", created=0) is FRESH, "what comes after is kept for all"
    await asyncio.sleep(3.5)
    assert await use(wide, "kept", created=-3) is REPLAYED
    assert await use(wide, "kept too", created=-3) is REPLAYED


async def test_a_node_that_accepts_later_signatures_widens_what_is_unprovable(stores: Stores):
    assert await use(stores.open(ahead=0), "one", created=LATER) is FRESH
    assert await use(stores.open(ahead=120), "two", created=LATER) is UNPROVABLE
    assert await use(stores.open(ahead=120), "three", created=LATER + 90) is FRESH


async def test_an_assertion_that_says_only_its_end_is_used_once_by_nodes_of_different_ages(
    server: Valkey, stores: Stores
):
    """To a node that accepts older ones it is older, and could have been used there before the memory was lost."""
    wide, narrow = stores.open(age=10, ahead=0), stores.open(age=2, ahead=0)
    await until_known(wide)
    end = int(time.time()) + 10
    assert await wide.remember("ck_one", "jti", end - 10, 0, time.time(), is_by_end=True) is FRESH
    server.call("FLUSHALL")
    for each in (wide, narrow):
        await each.check()
    await asyncio.sleep(max(0.0, end - 2 - time.time()))
    assert await narrow.remember("ck_one", "jti", end - 2, 0, time.time(), is_by_end=True) is UNPROVABLE
    assert await narrow.remember("ck_one", "other", end - 2, 0, time.time()) is FRESH, "which says when it was made"


@pytest.mark.parametrize("apart", [-3.0, 3.0])
async def test_a_clock_that_is_apart_is_named_and_uses_up_nothing(stores: Stores, apart: float):
    good, wrong = stores.open(), stores.open(clock=lambda: time.time() + apart)
    await good.check()
    wrong._watch.is_asked = True  # as if its clock had been right when it started
    with pytest.raises(Unavailable, match="clock") as caught:
        await wrong.remember("ck_one", "nonce", int(time.time() + LATER), 0, time.time() + apart)
    assert f"{-apart:+.1f} s" in caught.value.private
    with pytest.raises(Unavailable, match="clock"):
        await wrong.check()
    assert await use(good) is FRESH


async def test_the_clock_set_back_forgets_what_had_ended(stores: Stores, server: Valkey):
    store = stores.open(ahead=0)
    assert await use(store, "one") is FRESH
    # As it is when the clock was an hour ahead and every nonce has ended.
    server.call("HSET", "keywright:{n}:m", "latest", int((time.time() + 3600) * 1000))
    assert await use(store, "two", created=LATER - 1) is UNPROVABLE
    assert await use(store, "three", created=LATER - 1, key_age=-1) is UNPROVABLE, "a new key's nonces ended as well"
    assert await use(store, "four", created=LATER + 5) is FRESH


async def test_a_script_that_was_forgotten_is_sent_again(stores: Stores, server: Valkey):
    store = stores.open()
    assert await use(store, "one") is FRESH
    server.call("SCRIPT", "FLUSH")
    assert await use(store, "two") is FRESH
    assert await use(store, "one") is REPLAYED


async def test_a_nonce_ends_with_its_signature_and_the_marker_by_itself(stores: Stores, server: Valkey):
    store = stores.open()
    assert await use(store) is FRESH
    keys = Buckets(is_cluster=False, max_age_seconds=AGE, max_ahead_seconds=30).keys_of("ck_one", "nonce")
    with server.client() as client:
        assert client.dbsize() == 2
        assert AGE + LATER < client.ttl(keys[1]) <= AGE + LATER + 2
        assert 0 < client.ttl(keys[0]) < 8 * 86400


async def test_a_closed_memory_answers_nothing(stores: Stores):
    store = stores.open()
    assert await use(store) is FRESH
    await store.close()
    with pytest.raises(Unavailable, match="closed"):
        await use(store)


async def until_known(store) -> None:
    async def look() -> bool:
        await store.check()
        return store.statistics().is_known

    for _ in range(1000):
        if await look():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the memory was not known in time")


async def until_async(condition) -> None:
    await asyncio.to_thread(until, condition, "what was waited for")
