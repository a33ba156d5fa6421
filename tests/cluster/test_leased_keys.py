"""Keys cached under a lease, and the receipts of deletions, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from keywright.credentials import delete_credential
from keywright.errors import NotFound, Unavailable
from keywright.formats import new_client_id
from keywright.freshness import boot_seconds
from keywright.verification import leased_keys
from support.leased import OUTBOX, PLATFORM, Deployment, Verifier, until
from support.postgresql import PostgresqlServer, shared_postgresql
from support.server import choose_engine, environment_of, run_cli, running, signed, wait_until

_KILL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keywright verifier' AND datname = $1
"""


@pytest.fixture
async def deployment() -> AsyncIterator[Deployment]:
    found = await Deployment.new(shared_postgresql())
    yield found
    await found.close()


@pytest.fixture
async def alone() -> AsyncIterator[Deployment]:
    """On a server of its own, to be stopped; with a lease that outlasts a restart."""
    server = PostgresqlServer().start()
    found = await Deployment.new(server, lease_seconds=20.0)
    yield found
    if server._process is None:
        server.start()
    await found.close()
    server.remove()


@pytest.fixture
def engine_of_servers() -> Iterator[None]:
    choose_engine("postgresql")
    yield
    choose_engine("sqlite")


async def test_a_found_key_is_had_without_the_database_until_it_is_deleted(deployment: Deployment):
    one, two = await deployment.verifier(), await deployment.verifier()
    client_id = await deployment.create()
    assert one.keys.cached(client_id) is None
    for each in (one, two):
        assert (await each.keys.find(client_id)).client_id == client_id
        assert each.keys.cached(client_id).client_id == client_id
    receipt = await deployment.delete(client_id)
    assert (receipt.confirmed, receipt.expired) == (2, 0)
    for each in (one, two):
        assert each.keys.cached(client_id) is None
        assert await each.keys.find(client_id) is None
        assert len(each.keys) == 0


async def test_an_account_switched_off_loses_its_keys_and_gets_them_back(deployment: Deployment):
    verifier = await deployment.verifier()
    ids = [await deployment.create() for _ in range(3)]
    for each in ids:
        await verifier.keys.find(each)
    receipt = await deployment.switch(False)
    assert (receipt.confirmed, receipt.expired) == (1, 0)
    assert [verifier.keys.cached(each) for each in ids] == [None] * 3
    assert not (await verifier.keys.find(ids[0])).api_access_enabled
    assert verifier.keys.cached(ids[0]) is None, "only keys that work are cached"
    # Whoever switches it off again waits again: the first may never have had a receipt.
    assert (await deployment.switch(False)).confirmed == 1
    await deployment.switch(True)
    assert (await verifier.keys.find(ids[0])).api_access_enabled
    assert verifier.keys.cached(ids[0]) is not None


async def test_a_deletion_waits_for_a_verifier_that_is_cut_off_and_not_twice(deployment: Deployment):
    well, frozen = await deployment.verifier(), await deployment.verifier()
    first, second = await deployment.create(), await deployment.create()
    for each in (well, frozen):
        await each.keys.find(first)
        await each.keys.find(second)
    frozen.freeze()
    receipt = await deployment.delete(first)
    assert (receipt.confirmed, receipt.expired) == (1, 1)
    assert receipt.took_ms <= 60_000
    assert frozen.keys.cached(first) is None, "its lease is over"
    assert frozen.keys.cached(second) is None
    states = await deployment.sql("SELECT state FROM verifiers ORDER BY state")
    assert [row["state"] for row in states] == ["expired", "live"]
    receipt = await deployment.delete(second)
    assert (receipt.confirmed, receipt.expired) == (1, 0)


async def test_not_found_is_said_of_a_deleted_key_only_when_no_verifier_accepts_it(deployment: Deployment):
    """The first deletion's answer was lost; the second is a promise all the same."""
    frozen = await deployment.verifier()
    client_id = await deployment.create()
    await frozen.keys.find(client_id)
    frozen.freeze()
    async with deployment.database.write() as session:
        await delete_credential(session, PLATFORM, deployment.account, client_id, outbox=OUTBOX)
        await session.commit()
    assert frozen.keys.cached(client_id) is not None, "until its lease is over"
    with pytest.raises(NotFound):
        await deployment.delete(client_id)
    assert frozen.keys.cached(client_id) is None


async def test_a_fill_that_was_read_before_the_deletion_does_not_bring_the_key_back(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    verifier = await deployment.verifier()
    client_id, account_wide = await deployment.create(), await deployment.create()
    read, go_on = asyncio.Event(), asyncio.Event()
    find = leased_keys.find_verification_key

    async def slow(*arguments):
        found = await find(*arguments)
        read.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(leased_keys, "find_verification_key", slow)
    for each, revoke in (
        (client_id, lambda: deployment.delete(client_id)),
        (account_wide, lambda: deployment.switch(False)),
    ):
        read.clear()
        go_on.clear()
        fill = asyncio.create_task(verifier.keys.find(each))
        await read.wait()
        assert (await revoke()).confirmed == 1
        go_on.set()
        assert await fill is not None, "this request began before"
        assert verifier.keys.cached(each) is None


async def test_no_order_of_fills_and_deletions_serves_a_key_after_its_deletion_returned(deployment: Deployment):
    verifiers = [await deployment.verifier(size=3) for _ in range(3)]
    ids = [await deployment.create() for _ in range(5)]
    gone: set[str] = set()
    is_over = False

    async def hammer(seed: int) -> int:
        choose, served = random.Random(seed), 0
        verifier = verifiers[seed % 3]
        while not is_over:
            client_id = choose.choice(ids)
            was_gone = client_id in gone
            found = verifier.keys.cached(client_id) or await verifier.keys.find(client_id)
            served += found is not None
            assert not (was_gone and found is not None)
            await asyncio.sleep(0)
        return served

    hammers = [asyncio.create_task(hammer(seed)) for seed in range(9)]
    for turn in range(60):
        at = turn % 5
        receipt = await deployment.delete(ids[at])
        assert receipt.confirmed + receipt.expired == 3
        gone.add(ids[at])
        ids[at] = await deployment.create()
    is_over = True
    assert all(await asyncio.gather(*hammers))


async def test_a_connection_that_is_killed_costs_the_cache_and_nothing_else(deployment: Deployment):
    verifier = await deployment.verifier()
    client_id = await deployment.create()
    await verifier.keys.find(client_id)
    before = verifier.lease.registration
    await deployment.sql(_KILL, deployment.name)
    await until(lambda: verifier.lease.registration not in {before, None} and verifier.keeper.is_trusted)
    assert len(verifier.keys) == 0
    rows = await deployment.sql("SELECT id FROM verifiers")
    assert [row["id"] for row in rows] == [verifier.lease.registration], "nobody waits for the row before"
    await verifier.keys.find(client_id)
    receipt = await deployment.delete(client_id)
    assert (receipt.confirmed, receipt.expired) == (1, 0)


async def test_a_restart_of_the_database_is_ridden_out_within_the_lease(alone: Deployment):
    verifier = await alone.verifier()
    client_id = await alone.create()
    await verifier.keys.find(client_id)
    await asyncio.to_thread(alone.server.stop)
    assert verifier.keys.cached(client_id) is not None
    with pytest.raises(Unavailable):
        await verifier.keys.find(new_client_id(lambda count: b"n" * count))
    await asyncio.to_thread(alone.server.start)
    await until(lambda: verifier.connections > 1 and verifier.keeper.is_trusted and not verifier.keeper._is_told)
    assert (await verifier.keys.find(client_id)).client_id == client_id
    with contextlib.suppress(Unavailable):
        await alone.switch(True)  # finds out that the control node's own connections are gone
    receipt = await alone.delete(client_id)
    assert receipt.confirmed == 1
    assert verifier.keys.cached(client_id) is None


async def test_without_a_database_the_cache_ends_with_the_lease(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    verifier = await deployment.verifier(lease_seconds=0.5)
    client_id = await deployment.create()
    await verifier.keys.find(client_id)
    verifier.is_cut_off = True
    cut_at = boot_seconds()
    await deployment.sql(_KILL, deployment.name)
    await until(lambda: not verifier.keeper.is_trusted)
    assert boot_seconds() - cut_at < 60
    assert verifier.keys.cached(client_id) is None
    with pytest.raises(Unavailable):
        # The database still answers; but nobody can say that it has not been replaced.
        await verifier.keys.find(client_id)
    monkeypatch.setattr(leased_keys, "_READ_SECONDS", 60)  # a slow machine is no reason to be told to come again
    finding = asyncio.create_task(verifier.keys.find(client_id))
    verifier.is_cut_off = False
    assert await finding is not None, "whoever asks while a lease is got waits for it"


async def test_a_primary_that_was_replaced_and_still_answers_is_not_believed(deployment: Deployment):
    other = PostgresqlServer().start()
    successor = await Deployment.new(other)
    verifier = await deployment.verifier()
    client_id = await deployment.create()
    try:
        assert await verifier.keys.find(client_id) is not None
        # The lease is kept by the successor from now on, and connections to the old one are still there.
        verifier.keeper_url = successor.url
        await deployment.sql(_KILL, deployment.name)
        await until(lambda: verifier.keeper.is_trusted and len(verifier.keys) == 0)
        with pytest.raises(Unavailable, match="another database server"):
            await verifier.keys.find(client_id)
        assert verifier.keys.cached(client_id) is None
        verifier.keeper_url = deployment.url
        await successor.sql(_KILL, successor.name)
        await until(lambda: _finds(verifier, client_id))
    finally:
        await verifier.close()
        deployment.verifiers.remove(verifier)
        await successor.close()
        other.remove()


async def _finds(verifier: Verifier, client_id: str) -> bool:
    with contextlib.suppress(Unavailable):
        return await verifier.keys.find(client_id) is not None
    return False


async def test_a_receipt_is_had_without_the_database(alone: Deployment):
    verifier = await alone.verifier(lease_seconds=1.0)
    client_id = await alone.create()
    await verifier.keys.find(client_id)
    verifier.freeze()
    started = boot_seconds()
    deleting = asyncio.create_task(alone.delete(client_id))
    await until(lambda: alone.sql("SELECT 1 FROM revocations"))
    await asyncio.to_thread(alone.server.stop)
    receipt = await deleting
    assert (receipt.confirmed, receipt.expired) == (0, 1)
    assert boot_seconds() - started >= 1.0
    assert verifier.keys.cached(client_id) is None


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE verifiers SET renewals = renewals - 1",  # an older row, from a backup
        "DELETE FROM verifiers",
        "UPDATE verifiers SET state = 'expired'",
        "UPDATE revocation_counter SET number = number - 1",  # an older database, with the row as it was
    ],
)
async def test_a_database_that_is_not_as_it_was_empties_the_cache(deployment: Deployment, change: str):
    verifier = await deployment.verifier()
    await deployment.delete(await deployment.create())
    client_id = await deployment.create()
    await verifier.keys.find(client_id)
    before = verifier.lease.registration
    await deployment.sql(change)
    await until(lambda: verifier.lease.registration not in {before, None} and verifier.keeper.is_trusted)
    assert verifier.keys.cached(client_id) is None
    assert len(verifier.keys) == 0


async def test_revocations_that_are_no_longer_listed_empty_the_cache_and_the_lease_goes_on(deployment: Deployment):
    verifier = await deployment.verifier()
    client_id = await deployment.create()
    await verifier.keys.find(client_id)
    before = verifier.lease.registration
    await deployment.sql("UPDATE revocation_counter SET number = number + 5")
    await until(lambda: verifier.keeper.applied == 5)
    assert len(verifier.keys) == 0
    assert verifier.lease.registration == before


async def test_made_up_client_ids_do_not_starve_the_lease(deployment: Deployment):
    verifier = await deployment.verifier()
    client_id = await deployment.create()
    await verifier.keys.find(client_id)
    is_over = False

    async def make_up() -> None:
        while not is_over:
            with contextlib.suppress(Unavailable):  # they may have to wait too long for each other
                assert await verifier.keys.find(new_client_id(random.randbytes)) is None

    crowd = [asyncio.create_task(make_up()) for _ in range(100)]
    end = time.monotonic() + 3 * deployment.lease_seconds
    expired = 0
    while time.monotonic() < end:
        receipt = await deployment.delete(await deployment.create())
        expired += receipt.expired
    assert expired == 0
    assert len(verifier.keys) == 1
    is_over = True
    await asyncio.gather(*crowd)


async def test_who_takes_leave_is_not_waited_for(deployment: Deployment):
    verifier = await deployment.verifier()
    client_id = await deployment.create()
    await verifier.keys.find(client_id)
    await verifier.keys.close()
    assert verifier.keys.cached(client_id) is None
    assert await deployment.sql("SELECT id FROM verifiers") == []
    receipt = await deployment.delete(client_id)
    assert (receipt.confirmed, receipt.expired) == (0, 0)


async def test_a_database_that_hangs_does_not_hang_the_keeper(deployment: Deployment):
    verifier = await deployment.verifier(lease_seconds=0.5)
    client_id = await deployment.create()
    await verifier.keys.find(client_id)
    async with deployment.database.write() as session:
        await session.execute(text("LOCK TABLE verifiers"))
        await until(lambda: not verifier.keeper.is_trusted)
        with pytest.raises(Unavailable):
            await verifier.keys.find(client_id)
        started = boot_seconds()
        await verifier.keys.close()
        assert boot_seconds() - started < 30


def test_servers_confirm_in_api_and_command_line_and_show_their_leases(data_dir: Path, engine_of_servers: None):
    with running(data_dir, workers=2, KEYWRIGHT_LEASE_SECONDS="5") as server:
        account = server.account()
        keys = [server.key(account) for _ in range(2)]

        def metric(listener: str, name: str) -> list[str]:
            text = server._send("GET", listener + "/metrics", {}, None).text
            return [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(name)]

        wait_until(lambda: metric(server.data, "keywright_lease_trusted") == ["1.0"], what="leases in both workers")
        for key in keys:
            assert server.verify(signed(key)).code == "accepted"
        deleted = server.delete_key(account, keys[0].client_id)
        assert deleted.json["receipt"]["confirmed"] == 2
        assert server.verify(signed(keys[0])).code == "credential_unknown"
        assert server.set_access(account, False).json["receipt"]["confirmed"] == 2
        assert server.verify(signed(keys[1])).code == "api_access_disabled"
        done = run_cli("credential", "delete", account, keys[1].client_id, "--yes", "--json", data_dir=data_dir)
        assert '"confirmed": 2' in done.stdout, done.stderr
        assert float(metric(server.data, "keywright_lease_remaining_seconds")[0]) > 0
        wait_until(lambda: metric(server.data, "keywright_revocations_applied") == ["3.0"], what="the other worker's")
        wait_until(lambda: metric(server.control, 'keywright_verifiers{state="live"}') == ["2.0"], what="the census")
        assert metric(server.control, "keywright_receipt_seconds_count") == ["2.0"]


def test_a_control_node_that_is_told_to_end_finishes_its_waits(data_dir: Path, engine_of_servers: None):
    """One of two verifiers is stopped; SIGTERM comes while the deletion waits for its lease."""
    with running(data_dir, workers=2, KEYWRIGHT_LEASE_SECONDS="5") as server, ThreadPoolExecutor() as threads:
        account = server.account()
        key = server.key(account)
        postgresql = shared_postgresql()
        database = environment_of(data_dir)["KEYWRIGHT_DATABASE_URL"].rpartition("/")[2].partition("?")[0]
        wait_until(lambda: postgresql.sql("SELECT count(*) FROM verifiers WHERE renewals > 0", database) == "2")
        stopped = int(postgresql.sql("SELECT node FROM verifiers LIMIT 1", database).split()[-1])
        os.kill(stopped, signal.SIGSTOP)
        try:
            deleting = threads.submit(server.delete_key, account, key.client_id)
            wait_until(lambda: postgresql.sql("SELECT count(*) FROM revocations", database) == "1")
            server.process.terminate()
            receipt = deleting.result(60).json["receipt"]
        finally:
            os.kill(stopped, signal.SIGCONT)
        assert (receipt["confirmed"], receipt["expired"]) in {(1, 1), (0, 1)}, "the other one may have left first"
        status = server.process.wait(60)
        server._ended()
        assert status == 0
        assert postgresql.sql("SELECT count(*) FROM verifiers WHERE state = 'live'", database) == "0"
