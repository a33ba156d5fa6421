"""Whatever the database answers, or does not, a keeper goes on: a verifier is never restarted by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from keywright.errors import Unavailable
from keywright.freshness import keeper, store
from support.leased import Deployment, until
from support.postgresql import PostgresqlServer, shared_postgresql

_KILL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keywright verifier'"


@pytest.fixture
async def deployment() -> AsyncIterator[Deployment]:
    found = await Deployment.new(shared_postgresql())
    yield found
    await found.close()


async def test_registrations_that_were_not_answered_are_no_end_however_many(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    """As while a synchronous standby is away: each is committed here, and none is confirmed."""
    verifier = await deployment.verifier(lease_seconds=0.5)
    register, tries = store.register, 0

    async def unanswered(*arguments: Any, **more: Any) -> int:
        nonlocal tries
        tries += 1
        await register(*arguments, **more)
        raise TimeoutError

    monkeypatch.setattr(store, "register", unanswered)
    await deployment.sql(_KILL + " AND datname = $1", deployment.name)
    await until(lambda: tries > keeper._MOST_ROWS + 3)
    monkeypatch.setattr(store, "register", register)
    await until(lambda: verifier.keeper.is_trusted)
    assert not verifier.keeper._task.done()
    # The rows that were dropped from mind are waited for once.
    await deployment.delete(await deployment.create())
    assert (await deployment.delete(await deployment.create())).expired == 0


@pytest.mark.parametrize(
    "error", [asyncpg.InternalClientError("out of step"), UnicodeError("no such name"), KeyError(1)]
)
async def test_what_the_driver_raises_is_no_end(deployment: Deployment, error: Exception):
    verifier = await deployment.verifier()
    verifier.fault = error
    await deployment.sql(_KILL + " AND datname = $1", deployment.name)
    await until(lambda: verifier.connections > 3)
    verifier.fault = None
    before = verifier.connections
    await until(lambda: verifier.connections > before and verifier.keeper.is_trusted)


async def test_a_farewell_whose_connection_is_still_open_is_no_end(deployment: Deployment):
    """The server says that it ends the connection, and a round begins before it has: the driver is out of step then."""
    verifier = await deployment.verifier(lease_seconds=0.5)
    before = verifier.keeper._connection
    fields = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
    # As the server sends it, though that would close the connection in the next moment, and here it stays open.
    before._protocol.data_received(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
    assert not before.is_closed()
    await until(lambda: verifier.keeper._connection not in {before, None} and verifier.keeper.is_trusted)
    assert before.is_closed()
    assert not verifier.keeper._task.done()


async def test_an_address_that_leads_to_a_standby_for_a_while_is_no_end():
    primary = PostgresqlServer().start()
    deployment = await Deployment.new(primary)
    standby = await asyncio.to_thread(lambda: PostgresqlServer(standby_of=primary).start())
    try:
        verifier = await deployment.verifier()
        verifier.keeper_url = standby.url(deployment.name)
        await deployment.sql(_KILL)
        await until(lambda: verifier.connections > 3)
        verifier.keeper_url = deployment.url
        before = verifier.connections
        await until(lambda: verifier.connections > before and verifier.keeper.is_trusted)
        await deployment.close()
    finally:
        standby.remove()
        primary.remove()


async def test_who_is_told_to_end_in_the_middle_of_a_round_takes_leave_all_the_same(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    verifier = await deployment.verifier()
    renew, ending = store.renew, None

    async def at_last(*arguments: Any) -> int:
        nonlocal ending
        ending = ending or asyncio.create_task(verifier.keeper.stop())
        await asyncio.sleep(0)
        return await renew(*arguments)

    monkeypatch.setattr(store, "renew", at_last)
    await until(lambda: ending is not None)
    await ending
    assert await deployment.sql("SELECT id FROM verifiers") == []


async def test_while_a_synchronous_standby_is_away_no_lease_is_kept_and_afterwards_it_is():
    """What only this server has may be lost, a lease as much as a deletion."""
    server = PostgresqlServer().start()
    deployment = await Deployment.new(server, lease_seconds=0.5)
    try:
        verifier = await deployment.verifier()
        client_id = await deployment.create()
        assert await verifier.keys.find(client_id) is not None
        server.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        server.sql("SELECT pg_reload_conf()")
        await until(lambda: not verifier.keeper.is_trusted)
        with pytest.raises(Unavailable):
            await verifier.keys.find(client_id)
        with pytest.raises(Unavailable, match="no lease"):
            await verifier.keys.check()
        server.sql("ALTER SYSTEM RESET synchronous_standby_names")
        server.sql("SELECT pg_reload_conf()")
        await until(lambda: verifier.keeper.is_trusted)
        await verifier.keys.check()
        assert await verifier.keys.find(client_id) is not None
    finally:
        await deployment.close()
        server.remove()
