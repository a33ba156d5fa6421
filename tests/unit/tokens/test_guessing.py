"""Who guesses at Client Secrets is told to go away, and cannot make the counting forget."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keywright.errors import InvalidClient, TooManyRequests
from keywright.formats import new_client_id
from keywright.identity.throttle import Throttle
from keywright.keyring import Keyring
from keywright.storage.migrate import migrate
from keywright.storage.sqlite import SqliteDatabase
from keywright.tokens import AssertionRules, Clients
from keywright.tokens.clients import SecretProof

NOW = 1_800_000_000.0
KEYS = 50
STRANGER, ANOTHER = "192.0.2.66", "192.0.2.67"


async def always(*_arguments: object) -> bool:
    return True


@pytest.fixture
async def clients(tmp_path: Path) -> AsyncIterator[Clients]:
    migrate(f"sqlite:///{tmp_path}/keys.db")
    database = SqliteDatabase(tmp_path / "keys.db", lambda: NOW)
    yield Clients(
        database,
        Keyring("k1", {"k1": os.urandom(32)}),
        Throttle(clock=lambda: 1000.0, max_keys=KEYS),
        is_first_use=always,
        rules=AssertionRules(frozenset(), 300, 30),
        random_bytes=os.urandom,
    )
    await database.close()


async def guess(clients: Clients, client_id: str, address: str = STRANGER) -> type[Exception]:
    with pytest.raises((InvalidClient, TooManyRequests)) as caught:
        await clients.recognise(SecretProof(client_id, "cs_live_x"), address, NOW)
    return caught.type


async def test_guesses_at_many_ids_do_not_push_out_what_was_counted(clients: Clients):
    """Once a network may not go on, its guesses take no place among those that are remembered."""
    target = new_client_id(os.urandom)
    for _ in range(10):
        assert await guess(clients, target, ANOTHER) is InvalidClient
    for _ in range(60 + 3 * KEYS):
        await guess(clients, new_client_id(os.urandom))
    memory = clients._throttle._own["token-client"].storage
    assert len(memory._tried_at) <= KEYS
    # 60 of the stranger's were counted, more than there is room for; after that, none.
    before = list(memory._tried_at)
    for _ in range(KEYS):
        assert await guess(clients, new_client_id(os.urandom)) is TooManyRequests
    assert list(memory._tried_at) == before


@pytest.mark.parametrize("address", ["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "::ffff:192.0.2.66"])
async def test_a_guesser_with_many_addresses_of_one_network_is_one(clients: Clients, address: str):
    target = new_client_id(os.urandom)
    first = "192.0.2.66" if "192" in address else "2001:db8:1:2:abcd::9"
    for _ in range(10):
        assert await guess(clients, target, first) is InvalidClient
    assert await guess(clients, target, address) is TooManyRequests
    assert await guess(clients, target, "2001:db8:1:3::1") is InvalidClient


@pytest.mark.parametrize("client_id", ["", "\0", "ck_\0", "\ud800", "ü", "x" * 10_000, "ck_\n", "'; --"])
async def test_whatever_stands_for_a_client_id_is_only_wrong(clients: Clients, client_id: str):
    assert await guess(clients, client_id) is InvalidClient
