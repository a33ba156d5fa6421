"""One verifying process on one database, with the control plane's services beside it; told by scale.py what to time.

Reads one JSON order per line, `{"do": ..., "count": ...}`, and answers each with one line.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from scale_data import KEYS_PER_ACCOUNT, SECRET, account_id, client_id

import keywright
from keywright.accounts import Principal, PrincipalKind
from keywright.accounts.principal import TokenScope
from keywright.app import open_database, random_bytes, verification_service
from keywright.credentials import CreateCredential, create_credential, delete_credential, list_credentials
from keywright.freshness import Receipts
from keywright.keyring import KeyringFile
from keywright.mail import Outbox
from keywright.serving.listener import collect_seldom
from keywright.settings import load_settings
from keywright.signatures import SignedRequest
from keywright.telemetry.logs import configure_logs
from keywright.verification import Accepted, settled

URL = "https://api.example.com/v1/payments"
_AT_A_TIME = 50
_FILLS_AT_ONCE = 8
_PRINCIPAL = Principal(PrincipalKind.OPERATOR_TOKEN, "opt_00000000000000000000", "bench", TokenScope.PLATFORM)


class Worker:
    """Args:
    keys: how many the database has.
    seed: of the choices.
    """

    def __init__(self, keys: int, seed: int) -> None:
        self._settings = load_settings()
        self._keyring = KeyringFile(self._settings.keyring_path, random_bytes)
        self._database = open_database(self._settings)
        self._service, self._keys, self._nonces, _ = verification_service(self._settings, self._database, self._keyring)
        self._outbox = Outbox(self._keyring, "http://keys.example.com", random_bytes)
        self._receipts = Receipts(self._database)
        self._dice = random.Random(seed)
        # Keys of the last tenth of the accounts come and go; those of the others are verified.
        self._changed = max(1, keys // KEYS_PER_ACCOUNT // 10)
        self._accounts = keys // KEYS_PER_ACCOUNT
        self._verified = (self._accounts - self._changed) * KEYS_PER_ACCOUNT

    async def start(self) -> None:
        collect_seldom()  # as a gateway worker does
        self._keys.start()
        while not self._keys.keeper.is_trusted:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        await self._keys.close()
        await self._nonces.close()
        await self._database.close()

    async def fill(self, count: int) -> dict[str, Any]:
        """Fill the cache with so many keys, or all there are; then a tenth more, so that it is as full as it gets."""
        size = min(count, self._verified)
        chosen = self._dice.sample(range(self._verified), min(size + size // 10, self._verified))
        ids = iter([client_id(number) for number in chosen])

        async def work() -> None:
            for each in ids:
                assert await self._keys.find(each) is not None

        await asyncio.gather(*(work() for _ in range(_FILLS_AT_ONCE)))
        cached = len(self._keys)
        assert cached <= count
        return {"cached": cached}

    async def warm(self, count: int) -> list[float]:
        cached = list(self._keys._lease._entries)
        return await self._verify(count, lambda: self._dice.choice(cached), cold=False)

    async def cold(self, count: int) -> list[float]:
        """Keys that are not in the cache: whichever of all there are, taken out of it first if need be."""
        return await self._verify(count, lambda: client_id(self._dice.randrange(self._verified)), cold=True)

    async def _verify(self, count: int, choose: Any, *, cold: bool) -> list[float]:
        took: list[float] = []
        # A few at a time, since a server's request has just been read and is still in the processor's cache.
        while len(took) < count:
            ids = [choose() for _ in range(min(_AT_A_TIME, count - len(took)))]
            requests = [SignedRequest("GET", URL, signed_lines(each), b"") for each in ids]
            for each in ids if cold else ():
                self._keys._lease._evict(each)
            for request in requests:
                started = time.perf_counter()
                verdict = await settled(self._service.judge(request))
                took.append((time.perf_counter() - started) * 1e6)
                assert isinstance(verdict, Accepted), verdict
        return took

    async def change(self, count: int) -> dict[str, list[float]]:
        """List an account's keys, delete one, create one."""
        took: dict[str, list[float]] = {"list": [], "delete": [], "create": []}
        for _ in range(count):
            account = account_id(self._accounts - 1 - self._dice.randrange(self._changed))
            started = time.perf_counter()
            async with self._database.read() as session:
                found = await list_credentials(session, _PRINCIPAL, account)
            took["list"].append((time.perf_counter() - started) * 1e6)
            victim = self._dice.choice(found).client_id
            await self._keys.find(victim)

            started, asked = time.perf_counter(), self._receipts.now()
            async with self._database.write() as session:
                deleted = await delete_credential(session, _PRINCIPAL, account, victim, outbox=self._outbox)
                await session.commit()
            receipt = await self._receipts.wait(deleted.revocation, asked)
            took["delete"].append((time.perf_counter() - started) * 1e6)
            assert receipt.confirmed, receipt

            command = CreateCredential(account, f"{os.urandom(4).hex()}@example.com")
            started = time.perf_counter()
            async with self._database.write() as session:
                await create_credential(
                    session,
                    _PRINCIPAL,
                    command,
                    keyring=self._keyring,
                    environment="live",
                    random_bytes=random_bytes,
                    outbox=self._outbox,
                )
                await session.commit()
            took["create"].append((time.perf_counter() - started) * 1e6)
        return took

    async def memory(self, _count: int) -> dict[str, float]:
        """Resident memory of this process, in MiB."""
        gc.collect()
        return {"mib": resident_mib()}


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def signed_lines(of: str) -> list[tuple[str, str]]:
    headers = [("Host", "api.example.com"), ("User-Agent", "acme-shop/3.2 (linux)"), ("Accept", "application/json")]
    key = keywright.Credential(of, SECRET)
    return [*headers, *keywright.sign(key, method="GET", url=URL, headers=headers).items()]


async def main() -> None:
    configure_logs("error", "json")
    worker = Worker(int(sys.argv[1]), int(sys.argv[2]))
    await worker.start()
    print(json.dumps({"ready": True}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        answer = await getattr(worker, order["do"])(order["count"])
        print(json.dumps(answer), flush=True)
    await worker.stop()


if __name__ == "__main__":
    asyncio.run(main())
