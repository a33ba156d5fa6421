"""The guarded cache of keys: never a stale one, however reads and commits interleave."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

import keywright.verification.keys as keys_module
from keywright.accounts import AccountType, Principal, PrincipalKind, create_account, set_api_access
from keywright.accounts.principal import TokenScope
from keywright.credentials import CreateCredential, create_credential, delete_credential
from keywright.errors import Unavailable
from keywright.keyring import Keyring
from keywright.mail import Outbox
from keywright.storage.change_signal import ChangeSignal
from keywright.storage.migrate import migrate
from keywright.storage.sqlite import SqliteDatabase
from keywright.verification.keys import CachedKeys

PLATFORM = Principal(PrincipalKind.OPERATOR_TOKEN, "opt_1", "tests", TokenScope.PLATFORM)
KEYRING = Keyring("k1", {"k1": b"k" * 32})
OUTBOX = Outbox(KEYRING, "https://keys.example.com", os.urandom)


class World:
    """A database with one account, and two verifiers that share it."""

    def __init__(self, file: Path) -> None:
        self.database = SqliteDatabase(file, time.time)
        self.keys, self.others = (CachedKeys(self.database, ChangeSignal(file), KEYRING, size=3) for _ in range(2))
        self.account = ""

    async def open(self) -> World:
        async with self.database.write() as session:
            account = await create_account(
                session, PLATFORM, name="A", account_type=AccountType.CORPORATE, random_bytes=os.urandom
            )
            self.account = account.account_id
            await set_api_access(session, PLATFORM, self.account, enabled=True, reason=None, outbox=OUTBOX)
            await session.commit()
        return self

    async def create(self) -> str:
        async with self.database.write() as session:
            made = await create_credential(
                session,
                PLATFORM,
                CreateCredential(self.account, "a@example.com"),
                keyring=KEYRING,
                environment="live",
                random_bytes=os.urandom,
                outbox=OUTBOX,
            )
            await session.commit()
        return made.credential.client_id

    async def delete(self, client_id: str) -> None:
        async with self.database.write() as session:
            await delete_credential(session, PLATFORM, self.account, client_id, outbox=OUTBOX)
            await session.commit()

    async def switch(self, enabled: bool) -> None:
        async with self.database.write() as session:
            await set_api_access(session, PLATFORM, self.account, enabled=enabled, reason=None, outbox=OUTBOX)
            await session.commit()


@pytest.fixture
async def world(tmp_path: Path):
    migrate(f"sqlite:///{tmp_path}/keys.db")
    found = await World(tmp_path / "keys.db").open()
    yield found
    await found.keys.close()
    await found.others.close()
    await found.database.close()


async def test_a_found_key_is_cached_until_anything_is_committed(world: World):
    key = await world.create()
    assert world.keys.cached(key) is None
    assert await world.keys.find(key) is not None
    assert world.keys.cached(key) is not None
    await world.create()  # takes nothing away, but cannot be told from what does without a look
    assert world.keys.cached(key) is None
    assert await world.keys.find(key) is not None
    assert world.keys.cached(key) is not None


async def test_a_deleted_key_is_not_had_from_any_cache(world: World):
    key, kept = await world.create(), await world.create()
    for keys in (world.keys, world.others):
        assert await keys.find(key)
        assert await keys.find(kept)
    await world.delete(key)
    for keys in (world.keys, world.others):
        assert keys.cached(key) is None
        assert await keys.find(key) is None
        assert await keys.find(kept) is not None
        assert keys.cached(key) is None


async def test_a_fill_that_was_read_before_the_delete_does_not_bring_the_key_back(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    key, kept = await world.create(), await world.create()
    has_read, may_go_on = asyncio.Event(), asyncio.Event()
    original = keys_module.find_verification_key

    async def slow(session, client_id, keyring):
        found = await original(session, client_id, keyring)
        if client_id == key and not may_go_on.is_set():
            has_read.set()
            await may_go_on.wait()
        return found

    monkeypatch.setattr(keys_module, "find_verification_key", slow)
    slow_fill = asyncio.create_task(world.keys.find(key))
    await has_read.wait()
    await world.delete(key)
    assert await world.keys.find(kept) is not None  # this task has seen the later state
    may_go_on.set()
    assert await slow_fill is not None  # it was asked before the delete
    assert world.keys.cached(key) is None
    assert await world.keys.find(key) is None
    assert await world.keys.find(kept) is not None


async def test_the_same_without_anyone_who_saw_the_later_state(world: World, monkeypatch: pytest.MonkeyPatch):
    key = await world.create()
    has_read, may_go_on = asyncio.Event(), asyncio.Event()
    original = keys_module.find_verification_key

    async def slow(session, client_id, keyring):
        found = await original(session, client_id, keyring)
        has_read.set()
        await may_go_on.wait()
        return found

    monkeypatch.setattr(keys_module, "find_verification_key", slow)
    slow_fill = asyncio.create_task(world.keys.find(key))
    await has_read.wait()
    await world.delete(key)
    may_go_on.set()
    await slow_fill
    assert world.keys.cached(key) is None
    assert await world.keys.find(key) is None


async def test_an_account_switched_off_is_told_and_on_again_works(world: World):
    key = await world.create()
    assert (await world.keys.find(key)).api_access_enabled
    await world.switch(False)
    assert world.keys.cached(key) is None
    assert not (await world.keys.find(key)).api_access_enabled
    assert world.keys.cached(key) is None  # what does not work is not kept
    await world.switch(True)
    assert (await world.keys.find(key)).api_access_enabled
    assert world.keys.cached(key).api_access_enabled


async def test_the_cache_is_bounded(world: World):
    made = [await world.create() for _ in range(5)]
    for key in made:
        assert await world.keys.find(key)
    assert len(world.keys) == 3
    assert [world.keys.cached(key) is not None for key in made] == [False, False, True, True, True]


async def test_random_interleavings_never_serve_a_key_deleted_before_they_were_asked(world: World):
    """Many tasks ask through both caches while keys come and go; each answer is held against the time of the delete."""
    alive = [await world.create() for _ in range(4)]
    known, deleted, faults = list(alive), set(), []
    done = asyncio.Event()

    async def ask(keys: CachedKeys, turn: int) -> None:
        while not done.is_set():
            turn += 1
            client_id = known[turn % len(known)]
            was_deleted = client_id in deleted
            found = keys.cached(client_id) or await keys.find(client_id)
            if found is not None and was_deleted:
                faults.append(client_id)
            await asyncio.sleep(0)

    askers = [asyncio.create_task(ask(keys, n)) for n in range(3) for keys in (world.keys, world.others)]
    for _ in range(40):
        victim = alive.pop(0)
        await world.delete(victim)
        deleted.add(victim)
        alive.append(await world.create())
        known = [*list(deleted)[-2:], *alive]
    done.set()
    await asyncio.gather(*askers)
    assert faults == []


async def test_a_database_that_was_replaced_by_hand_is_not_trusted(world: World, tmp_path: Path):
    key = await world.create()
    assert await world.keys.find(key)
    assert world.keys.cached(key)
    file = world.database.file
    file.rename(tmp_path / "moved.db")
    world.keys.recheck()
    assert world.keys.cached(key) is None
    with pytest.raises(Unavailable, match="restart"):
        await world.keys.find(key)
    with pytest.raises(Unavailable, match="restart"):
        await world.database.check()
    (tmp_path / "moved.db").rename(file)
    assert await world.keys.find(key)
    await world.database.check()


async def test_a_backup_that_is_put_back_online_leaves_no_key_in_the_cache(world: World, tmp_path: Path):
    """The number of revocations goes back with the database; a cache that trusted it would serve deleted keys."""
    first, second = await world.create(), await world.create()
    assert await world.keys.find(first)
    copy(world.database.file, tmp_path / "backup.db")
    await world.delete(second)
    assert await world.keys.find(first)
    younger = await world.create()
    assert await world.keys.find(younger)
    copy(tmp_path / "backup.db", world.database.file)
    assert world.keys.cached(younger) is None
    assert await world.keys.find(younger) is None  # the backup does not know it
    await world.delete(first)
    assert world.keys.cached(first) is None
    assert await world.keys.find(first) is None
    assert await world.others.find(second) is not None  # back with the backup, as docs/keys.md says


def copy(source: Path, target: Path) -> None:
    """SQLite's own online backup, into a database that may be in use."""
    with closing(sqlite3.connect(source)) as reading, closing(sqlite3.connect(target)) as writing:
        reading.backup(writing)
