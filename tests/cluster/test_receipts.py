"""What a control node takes for the word that a revocation is in force, and what it does not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from keywright.accounts import ApiAccess, set_api_access
from keywright.accounts.store import update_access_request
from keywright.errors import Conflict
from support.leased import OUTBOX, PLATFORM, Deployment
from support.postgresql import PostgresqlServer, shared_postgresql


@pytest.fixture
async def deployment() -> AsyncIterator[Deployment]:
    found = await Deployment.new(shared_postgresql())
    yield found
    await found.close()


async def switch_off_and_never_hear(deployment: Deployment) -> None:
    """What a control node leaves that is killed between commit and receipt."""
    async with deployment.database.write() as session:
        await set_api_access(session, PLATFORM, deployment.account, enabled=False, reason=None, outbox=OUTBOX)
        await session.commit()


async def test_a_server_that_was_replaced_is_not_believed_that_a_verifier_left(deployment: Deployment):
    """It does not have the rows of those who registered since."""
    other = PostgresqlServer().start()
    replaced = await Deployment.new(other)
    try:
        frozen = await deployment.verifier()
        client_id = await deployment.create()
        await frozen.keys.find(client_id)
        frozen.freeze()
        # The control node's connections for reading are from before the fail-over.
        deployment.database._reader, replaced.database._reader = replaced.database._reader, deployment.database._reader
        receipt = await deployment.delete(client_id)
        assert frozen.keys.cached(client_id) is None
        assert (receipt.confirmed, receipt.expired) == (0, 1)
    finally:
        deployment.database._reader, replaced.database._reader = replaced.database._reader, deployment.database._reader
        await replaced.close()
        other.remove()


async def test_access_that_was_asked_for_again_and_declined_is_off_everywhere(deployment: Deployment):
    """The switching off was not answered, and the account asked again before the operator tried again."""
    frozen = await deployment.verifier()
    client_id = await deployment.create()
    await frozen.keys.find(client_id)
    frozen.freeze()
    await switch_off_and_never_hear(deployment)
    async with deployment.database.write() as session:
        await update_access_request(session, deployment.account, None, "Olga")
        await session.commit()
    assert frozen.keys.cached(client_id) is not None, "until its lease is over"
    await deployment.switch(False)
    assert frozen.keys.cached(client_id) is None


async def test_that_access_was_switched_off_meanwhile_is_said_when_it_is_so_everywhere(deployment: Deployment):
    frozen = await deployment.verifier()
    client_id = await deployment.create()
    await frozen.keys.find(client_id)
    frozen.freeze()
    await switch_off_and_never_hear(deployment)
    with pytest.raises(Conflict, match="was switched off"):
        async with deployment.receipts.gone_everywhere(), deployment.database.write() as session:
            await set_api_access(
                session,
                PLATFORM,
                deployment.account,
                enabled=False,
                reason=None,
                outbox=OUTBOX,
                seen=ApiAccess.ENABLED,
            )
    assert frozen.keys.cached(client_id) is None
