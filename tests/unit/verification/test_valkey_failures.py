"""Valkey away, hanging, full, misconfigured: nothing is accepted, and the reason is told without any password."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from valkey_world import Stores, use

from keywright.errors import TooManyRequests, Unavailable
from keywright.identity.throttle import Throttle
from keywright.identity.throttle_valkey import ThrottleValkey
from keywright.valkey.address import parse_valkey_url
from keywright.valkey.client import CONNECTIONS
from keywright.verification.nonces import ReplayVerdict
from support.valkey import Cluster, Valkey, cluster, free_ports, valkey
from support.valkey_relay import certificate, relayed

FRESH, REPLAYED, UNPROVABLE = ReplayVerdict.FRESH, ReplayVerdict.REPLAYED, ReplayVerdict.UNPROVABLE
ROOT = Path(__file__).parents[3]
PASSWORD = "p@ss/w:rd#%?"


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as found:
        yield found


@pytest.fixture
async def stores(server: Valkey) -> AsyncIterator[Stores]:
    found = Stores(server.url)
    yield found
    await found.close()


async def test_killed_and_back(stores: Stores, server: Valkey):
    store = stores.open()
    assert await use(store) is FRESH
    server.kill()
    with pytest.raises(Unavailable, match="does not answer"):
        await use(store, "meanwhile")
    with pytest.raises(Unavailable):
        await store.check()
    assert not store.statistics().is_known
    assert stores.failures >= 2
    server.start()
    await store.check()
    assert await use(store, created=20) is UNPROVABLE
    assert await use(store, "new") is FRESH


async def test_away_from_the_beginning(stores: Stores, server: Valkey):
    server.kill()
    store = stores.open()
    with pytest.raises(Unavailable, match="does not answer"):
        await use(store)
    with pytest.raises(Unavailable, match="does not answer"):
        await store.begin()
    server.start()
    assert await use(store) is FRESH


async def test_hanging_is_noticed_in_time_and_over_when_it_goes_on(stores: Stores, server: Valkey):
    store = stores.open()
    assert await use(store, "one") is FRESH
    server.send(signal.SIGSTOP)
    began = time.monotonic()
    found = await asyncio.gather(*(use(store, f"n{n}") for n in range(50)), return_exceptions=True)
    assert {type(each) for each in found} == {Unavailable}
    assert time.monotonic() - began < 10, "2.5 s, and what the machine takes"
    server.send(signal.SIGCONT)
    assert await use(store, "one") is REPLAYED
    assert await use(store, "two") is FRESH


async def test_an_answer_that_was_lost_is_asked_for_again_by_the_same_attempt(stores: Stores, server: Valkey):
    async with relayed(server.socket) as relay:
        store = stores.open(f"valkey://127.0.0.1:{relay.port}")
        assert await use(store, "before") is FRESH
        await store._watch.close()  # whose answers are not to be lost instead
        store._watch.is_running = True
        relay.lose = 1
        assert await use(store, "lost") is FRESH
        assert relay.lose == 0
        assert await use(store, "lost") is REPLAYED
        relay.lose = 2
        with pytest.raises(Unavailable):
            await use(store, "lost twice")
        assert await use(stores.open(), "lost twice") is REPLAYED, "never accepted, and used up"
        await stores.close()


async def test_many_at_once_share_few_connections(stores: Stores, server: Valkey):
    store = stores.open()
    await store.check()
    found = await asyncio.gather(*(use(store, f"n{n}") for n in range(300)), return_exceptions=True)
    assert set(found) <= {FRESH} or {type(each) for each in found} <= {ReplayVerdict, Unavailable}
    with server.client() as client:
        assert len(client.client_list()) <= CONNECTIONS + 1


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_policy_that_may_forget_is_refused(stores: Stores, server: Valkey, policy: str):
    server.call("CONFIG", "SET", "maxmemory-policy", policy)
    store = stores.open()
    with pytest.raises(Unavailable, match="not set up") as caught:
        await store.check()
    assert f"maxmemory-policy is {policy}" in caught.value.private
    with pytest.raises(Unavailable, match="not set up"):
        await use(store)
    server.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
    await store.check()
    assert await use(store) is FRESH


async def test_what_was_evicted_begins_the_memory_anew(stores: Stores, server: Valkey):
    store = stores.open()
    assert await use(store, created=40) is FRESH
    for number in range(2000):
        server.call("SET", f"other:{number}", "x" * 1000)
    server.call("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    server.call("CONFIG", "SET", "maxmemory", 1_500_000)
    with server.client() as client:
        assert client.info("stats")["evicted_keys"] > 0
    server.call("CONFIG", "SET", "maxmemory", 0)
    server.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
    began = time.time()
    await store.check()
    assert store.statistics().began_at >= began - 0.01
    assert await use(store, "another", created=20) is UNPROVABLE


async def test_a_full_memory_and_too_few_replicas_refuse(stores: Stores, server: Valkey):
    store = stores.open()
    assert await use(store, "one") is FRESH
    server.call("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(Unavailable) as caught:
        await use(store, "two")
    assert "OutOfMemory" in caught.value.private
    server.call("CONFIG", "SET", "maxmemory", 0)
    server.call("CONFIG", "SET", "min-replicas-to-write", 1)
    with pytest.raises(Unavailable) as caught:
        await use(store, "two")
    assert "NOREPLICAS" in caught.value.private
    server.call("CONFIG", "SET", "min-replicas-to-write", 0)
    assert await use(store, "two") is FRESH


async def test_a_replica_is_not_asked(stores: Stores, server: Valkey):
    store = stores.open()
    await store.check()
    server.call("REPLICAOF", "127.0.0.1", 1)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await use(store)


async def test_a_wrong_password_is_told_without_it():
    with valkey(requirepass="right", port=free_ports(1)[0]) as server:
        written = f"someone:{quote(PASSWORD, safe='')}@"
        for url in (f"unix://{written}{server.socket}", f"valkey://{written}127.0.0.1:{server.port}"):
            stores = Stores(url)
            with pytest.raises(Unavailable) as caught:
                await use(stores.open())
            told = [caught.value.message, caught.value.private, *_causes(caught.value)]
            assert not any(PASSWORD in text or quote(PASSWORD, safe="") in text for text in told)
            assert any("WRONGPASS" in text or "invalid username" in text for text in told)
            await stores.close()


NONCES = "+evalsha +eval +info +time +hmget +hset +pexpireat +get +set +ping"
COUNTS = "+script|load +del +lindex +lpush +ltrim +expire"
IN_A_CLUSTER = "+cluster|slots +command +asking"


@pytest.mark.parametrize("is_cluster", [False, True])
async def test_a_user_with_the_rights_that_the_documentation_names(*, is_cluster: bool):
    documentation = (ROOT / "docs/decisions/0010-replay-on-valkey.md").read_text()
    assert all(f"{rights}`" in documentation for rights in (f"~keywright:* {NONCES}", COUNTS, IN_A_CLUSTER))
    rights = f"~keywright:* {NONCES} {COUNTS} {IN_A_CLUSTER if is_cluster else ''}".split()
    with cluster(primaries=2) if is_cluster else valkey() as found:
        for server in found.primaries if isinstance(found, Cluster) else [found]:
            server.call("ACL", "SETUSER", "keywright", "on", f">{PASSWORD}", *rights)
        stores = Stores(found.url.replace("://", f"://keywright:{quote(PASSWORD, safe='')}@"))
        store = stores.open()
        await store.check()
        assert {await use(store, f"n{n}") for n in range(20)} == {FRESH}
        assert await use(store, "n0") is REPLAYED
        counts = ThrottleValkey(parse_valkey_url(stores.url))
        throttle = Throttle(counts, close=counts.close)
        await throttle.begin_proof("usr_1")
        await throttle.proof_given("usr_1")
        for _ in range(10):
            await throttle.begin_proof("usr_1")
        with pytest.raises(TooManyRequests):
            await throttle.begin_proof("usr_1")
        await throttle.close()
        await stores.close()


async def test_tls_with_a_certificate_of_ones_own(server: Valkey, tmp_path: Path):
    context, shown = certificate(tmp_path)
    async with relayed(server.socket, context) as relay:
        stores = Stores(f"valkeys://127.0.0.1:{relay.port}?ca_file={shown}")
        store = stores.open()
        assert await use(store) is FRESH
        assert await use(store) is REPLAYED
        with pytest.raises(Unavailable) as caught:
            await use(stores.open(f"valkeys://127.0.0.1:{relay.port}"))
        assert "certificate" in caught.value.private.lower()
        with pytest.raises(Unavailable):
            await use(stores.open(f"valkey://127.0.0.1:{relay.port}"))
        await stores.close()


async def test_something_else_that_answers_is_no_memory():
    async def nonsense(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
        writer.close()

    listening = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    for scheme in ("valkey", "valkey-cluster"):
        stores = Stores(f"{scheme}://127.0.0.1:{port}")
        with pytest.raises(Unavailable):
            await use(stores.open())
        await stores.close()
    listening.close()


def _causes(error: BaseException) -> list[str]:
    found = []
    while (error := error.__cause__ or error.__context__) is not None:
        found.append(repr(error))
    return found
