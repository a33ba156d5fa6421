"""The shared memory of nonces on a real Valkey Cluster."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from random import Random

import pytest
from valkey_world import Stores, use

from keywright.errors import Unavailable
from keywright.verification.nonces import ReplayVerdict
from keywright.verification.valkey_buckets import CLUSTER_BUCKETS, Buckets
from keywright.verification.valkey_nonces import ValkeyNonceStore
from support.valkey import Cluster, Valkey, cluster, free_ports, until, valkey

FRESH, REPLAYED, UNPROVABLE = ReplayVerdict.FRESH, ReplayVerdict.REPLAYED, ReplayVerdict.UNPROVABLE


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    """Three primaries, for tests that leave them as they found them."""
    with cluster() as found:
        yield found


@pytest.fixture
async def stores(shared: Cluster) -> AsyncIterator[Stores]:
    found = Stores(shared.url)
    yield found
    await found.close()


async def test_nonces_are_spread_over_all_nodes_and_remembered_by_all(stores: Stores, shared: Cluster):
    one, other = stores.open(), stores.open()
    run = str(time.time())
    assert {await use(one, f"{run}-{n}") for n in range(300)} == {FRESH}
    assert {await use(other, f"{run}-{n}") for n in range(300)} == {REPLAYED}
    sizes = [int(node.call("DBSIZE")) for node in shared.primaries]
    assert sum(sizes) >= 300 + CLUSTER_BUCKETS
    assert min(sizes) > 40
    seen = one.statistics()
    assert (seen.buckets, seen.answering) == (CLUSTER_BUCKETS, CLUSTER_BUCKETS)
    assert 39 < seen.unprovable_through - seen.began_at < 41


async def test_every_node_forgets_for_itself(stores: Stores, shared: Cluster):
    store = stores.open()
    await store.check()
    assert {await use(store, f"before-{n}", created=60) for n in range(60)} == {FRESH}
    shared.primaries[1].call("FLUSHALL")
    again = [await use(store, f"before-{n}", created=20) for n in range(60)]
    assert set(again) == {REPLAYED, UNPROVABLE}


async def test_one_url_for_the_other_kind_is_refused(stores: Stores, shared: Cluster):
    with pytest.raises(Unavailable):
        await stores.open(f"valkey://127.0.0.1:{shared.primaries[0].port}").check()
    with valkey(port=free_ports(1)[0]) as single, pytest.raises(Unavailable) as caught:
        await stores.open(f"valkey-cluster://127.0.0.1:{single.port}").check()
    assert "Cluster mode is not enabled" in caught.value.private
    with cluster(primaries=1) as alone:
        store = stores.open(alone.url)
        await store.check()  # so that the first question does not wait for the first look, long on a busy machine
        assert await use(store) is FRESH
        with pytest.raises(Unavailable, match="not set up") as caught:
            await use(stores.open(f"valkey://127.0.0.1:{alone.primaries[0].port}"))
        assert "valkey-cluster://" in caught.value.private


@pytest.mark.parametrize("in_pieces", [True, False])
async def test_a_slot_that_moves_begins_its_memory_anew(stores: Stores, shared: Cluster, *, in_pieces: bool):
    """Key by key, or as Valkey 9 does it, at once."""
    store = stores.open()
    run = f"moves-{time.time()}"
    nonces = [f"{run}-{n}" for n in range(2000)]
    window = {"max_age_seconds": 300, "max_ahead_seconds": 30}
    keys = Buckets(is_cluster=True, **window)
    slots = {nonce: _slot(shared, keys.keys_of("ck_one", nonce)[0]) for nonce in nonces[:40]}
    source = next(node for node in shared.primaries if _has(node, slots[nonces[0]]))
    target = next(node for node in shared.primaries if node is not source)
    moving = [nonce for nonce in slots if slots[nonce] == slots[nonces[0]]]
    assert await use(store, moving[0]) is FRESH
    if in_pieces:
        await _move_in_pieces(source, target, slots[moving[0]], shared)
        outcomes: dict[bool, set[object]] = {True: set(), False: set()}
        for nonce in (f"{run}-during-{n}" for n in range(100)):
            is_moved = _slot(shared, keys.keys_of("ck_one", nonce)[0]) == slots[moving[0]]
            outcomes[is_moved].add(await _outcome(store, nonce))
        assert outcomes[False] <= {FRESH, Unavailable}
        # What is created in the second of the latest that the slot remembers, or before, the new memory cannot prove.
        assert outcomes[True] <= {FRESH, UNPROVABLE, Unavailable}
    else:
        name = target.call("CLUSTER", "MYID")
        slot = slots[moving[0]]
        source.call("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", name)
    await asyncio.to_thread(until, lambda: _has(target, slots[moving[0]]), "the slot has moved")
    await asyncio.sleep(0.2)
    assert await _patiently(store, moving[0], created=20) is REPLAYED
    other = next(nonce for nonce in nonces[40:] if _slot(shared, keys.keys_of("ck_one", nonce)[0]) == slots[moving[0]])
    assert await _patiently(store, other, created=20) is UNPROVABLE


async def test_a_lost_primary_stops_what_it_had_and_nothing_else():
    with cluster(cluster_require_full_coverage="no") as found:
        stores = Stores(found.url)
        store = stores.open()
        assert {await use(store, f"n{n}") for n in range(60)} == {FRESH}
        found.primaries[2].kill()
        outcomes = [await _outcome(store, f"n{n}") for n in range(60)]
        assert {REPLAYED, Unavailable} == set(outcomes)
        await store.check()
        seen = store.statistics()
        assert 0 < seen.answering < CLUSTER_BUCKETS
        assert not seen.is_known
        await stores.close()


async def test_a_replica_that_is_promoted_begins_its_memory_anew():
    with cluster(replicas=3) as found:
        stores = Stores(found.url)
        store = stores.open()
        assert {await use(store, f"n{n}") for n in range(60)} == {FRESH}
        await asyncio.sleep(0.5)
        found.primaries[0].kill()
        await asyncio.to_thread(until, lambda: found.replicas[0].call("ROLE")[0] == "master", "it is promoted")
        outcomes = {await _patiently(store, f"n{n}", created=20) for n in range(60)}
        assert outcomes == {REPLAYED}, "what the replica has is known"
        others = {await _patiently(store, f"other-{n}", created=20) for n in range(200)}
        assert others == {UNPROVABLE}
        later = {await _patiently(store, f"later-{n}", created=100) for n in range(200)}
        assert later == {FRESH}
        await stores.close()


async def test_under_load_while_a_primary_dies_no_nonce_is_accepted_twice():
    with cluster(replicas=3) as found:
        stores = Stores(found.url)
        pair = [stores.open(ahead=0) for _ in range(2)]
        await _known(pair[0])
        used: list[tuple[str, int]] = []
        accepted: Counter[str] = Counter()
        unexpected: list[BaseException] = []
        is_over = False
        random = Random(1)

        async def client(number: int) -> None:
            for count in itertools.count():
                if is_over:
                    return
                if used and random.random() < 0.5:
                    nonce, created = random.choice(used)
                else:
                    nonce, created = f"{number}-{count}", int(time.time())
                    used.append((nonce, created))
                try:
                    verdict = await pair[number % 2].remember("ck_one", nonce, created, 0, time.time())
                    accepted[nonce] += verdict is FRESH
                except Unavailable:
                    await asyncio.sleep(0.02)
                except Exception as error:  # noqa: BLE001 - what the library raises must not come through
                    unexpected.append(error)

        clients = [asyncio.ensure_future(client(number)) for number in range(12)]
        await asyncio.to_thread(until, lambda: accepted.total() > 300, "some are accepted")
        found.primaries[1].kill()
        await asyncio.to_thread(until, lambda: found.replicas[1].call("ROLE")[0] == "master", "it is promoted")
        await _known(pair[0])
        before = accepted.total()
        await asyncio.to_thread(until, lambda: accepted.total() > before + 300, "all is well again")
        is_over = True
        await asyncio.gather(*clients)
        assert unexpected == []
        assert max(accepted.values()) == 1
        await stores.close()


async def _known(store: ValkeyNonceStore) -> None:
    deadline = time.monotonic() + 60
    while not store.statistics().is_known:
        assert time.monotonic() < deadline
        with contextlib.suppress(Unavailable):
            await store.check()
        await asyncio.sleep(0.1)


async def _outcome(store, nonce: str) -> object:
    try:
        return await use(store, nonce)
    except Unavailable:
        return Unavailable


async def _patiently(store, nonce: str, *, created: float) -> ReplayVerdict:
    deadline = time.monotonic() + 60
    while True:
        try:
            return await use(store, nonce, created=created)
        except Unavailable:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)


async def _move_in_pieces(source: Valkey, target: Valkey, slot: int, found: Cluster) -> None:
    names = {id(node): node.call("CLUSTER", "MYID") for node in (source, target)}
    target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", names[id(source)])
    source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", names[id(target)])
    with source.client() as client:
        while keys := client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100, NEVER_DECODE=True):
            client.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
    for node in (target, source, *found.primaries):
        node.call("CLUSTER", "SETSLOT", slot, "NODE", names[id(target)])


def _slot(found: Cluster, key: bytes) -> int:
    return int(found.primaries[0].call("CLUSTER", "KEYSLOT", key))


def _has(node: Valkey, slot: int) -> bool:
    mine = next(line for line in str(node.call("CLUSTER", "NODES")).splitlines() if "myself" in line)
    for part in mine.split()[8:]:
        first, _, last = part.partition("-")
        if not part.startswith("[") and int(first) <= slot <= int(last or first):
            return True
    return False
