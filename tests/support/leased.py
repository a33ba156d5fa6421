"""Verifiers and a control node on a real PostgreSQL, in the test's own process."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import time
from typing import Any

import asyncpg

from keywright.accounts import AccountType, Principal, PrincipalKind, create_account, set_api_access
from keywright.accounts.principal import TokenScope
from keywright.credentials import CreateCredential, create_credential, delete_credential
from keywright.freshness import Lease, Receipts, boot_seconds
from keywright.freshness.keeper import Keeper
from keywright.keyring import Keyring
from keywright.mail import Outbox
from keywright.revocation import Receipt
from keywright.storage.postgresql import PostgresqlDatabase, connect
from keywright.verification.leased_keys import LeasedKeys
from support.postgresql import PostgresqlServer

PLATFORM = Principal(PrincipalKind.OPERATOR_TOKEN, "opt_1", "tests", TokenScope.PLATFORM)
KEYRING = Keyring("k1", {"k1": b"k" * 32})
OUTBOX = Outbox(KEYRING, "https://keys.example.com", os.urandom)


class Verifier:
    """One verifying process, as it would be wired."""

    def __init__(self, url: str, *, lease_seconds: float, size: int = 100) -> None:
        self.database = PostgresqlDatabase(url, time.time)
        self.lease: Lease[Any] = Lease(lease_seconds=lease_seconds, size=size)
        self.is_cut_off = False
        self.fault: Exception | None = None
        self.connections = 0
        self.keeper_url = url
        self.keeper = Keeper(self.lease, self._connect, boot_seconds, os.urandom, node="test 1", version="0")
        self.keys = LeasedKeys(self.database, KEYRING, self.lease, self.keeper, boot_seconds)

    async def _connect(self) -> Any:
        self.connections += 1
        if self.is_cut_off:
            raise OSError("cut off")
        if self.fault is not None:
            raise self.fault
        return await connect(self.keeper_url, application_name="keywright verifier")

    async def trusted(self) -> Verifier:
        """Start, and wait until the cache may be used."""
        if self.keeper._task is None:
            self.keys.start()
        await until(lambda: self.keeper.is_trusted)
        return self

    def freeze(self) -> None:
        """Stop keeping the lease, without a word to anybody: what a process does that is stopped or cut off."""
        self.keeper._task.cancel()

    async def close(self) -> None:
        try:
            await self.keys.close()
        finally:
            # Or the connections would be found, and blamed on, whichever test runs when they are collected.
            await self.database.close()


class Deployment:
    """A database with one account, a control node and its verifiers."""

    def __init__(self, server: PostgresqlServer, name: str, *, lease_seconds: float = 2.0) -> None:
        self.server = server
        self.name = name
        self.url = server.url(name)
        self.lease_seconds = lease_seconds
        self.database = PostgresqlDatabase(self.url, time.time)
        self.receipts = Receipts(self.database)
        self.verifiers: list[Verifier] = []
        self.account = ""

    @classmethod
    async def new(cls, server: PostgresqlServer, *, lease_seconds: float = 2.0) -> Deployment:
        # In a thread, since the migration has an event loop of its own.
        name = await asyncio.to_thread(server.new_database)
        return await cls(server, name, lease_seconds=lease_seconds).open()

    async def open(self) -> Deployment:
        async with self.database.write() as session:
            account = await create_account(
                session, PLATFORM, name="A", account_type=AccountType.CORPORATE, random_bytes=os.urandom
            )
            self.account = account.account_id
            await session.commit()
        await self.switch(True)
        return self

    async def close(self) -> None:
        async with contextlib.AsyncExitStack() as closing:
            for each in (self.database, *self.verifiers):
                closing.push_async_callback(each.close)

    async def verifier(self, **more: Any) -> Verifier:
        made = Verifier(self.url, **{"lease_seconds": self.lease_seconds, **more})
        self.verifiers.append(made)
        return await made.trusted()

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

    async def delete(self, client_id: str) -> Receipt:
        started = self.receipts.now()
        async with self.receipts.gone_everywhere(), self.database.write() as session:
            deleted = await delete_credential(session, PLATFORM, self.account, client_id, outbox=OUTBOX)
            await session.commit()
        return await self.receipts.wait(deleted.revocation, started)

    async def switch(self, enabled: bool) -> Receipt:
        started = self.receipts.now()
        async with self.database.write() as session:
            _, revocation = await set_api_access(
                session, PLATFORM, self.account, enabled=enabled, reason=None, outbox=OUTBOX
            )
            await session.commit()
        return await self.receipts.wait(revocation, started)

    async def sql(self, statement: str, *values: Any) -> list[Any]:
        connection = await asyncpg.connect(self.url)
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()


async def until(condition: Any, *, seconds: float = 60) -> None:
    """Wait until something holds, for a bounded time."""
    deadline = time.monotonic() + seconds
    while True:
        holds = condition()
        if await holds if inspect.isawaitable(holds) else holds:
            return
        assert time.monotonic() < deadline, f"did not happen within {seconds} s"
        await asyncio.sleep(0.005)
