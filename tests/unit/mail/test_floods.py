"""Nobody is flooded with our mail, whoever names their address."""

from __future__ import annotations

import os
import time
from pathlib import Path

from keywright.keyring import load_or_create_keyring
from keywright.mail import Letter, Outbox, store
from keywright.mail.outbox import MOST_PER_HOUR
from keywright.storage.migrate import migrate
from keywright.storage.sqlite import SqliteDatabase


async def test_letters_to_one_address_are_bounded_within_an_hour(tmp_path: Path):
    migrate(f"sqlite:///{tmp_path}/a.db")
    now = time.time()
    database = SqliteDatabase(tmp_path / "a.db", lambda: now)
    outbox = Outbox(load_or_create_keyring(tmp_path / "keyring.json", os.urandom), "http://localhost", os.urandom)

    async def leave(address: str, *, is_warning: bool = False) -> int:
        async with database.write() as session:
            before = await store.count_mail(session)
            await outbox.put(session, Letter(address, "Subject", "Text", is_warning))
            left = await store.count_mail(session) - before
            await session.commit()
        return left

    assert [await leave("Kim@example.com") for _ in range(MOST_PER_HOUR)] == [1] * MOST_PER_HOUR
    assert await leave("kim@EXAMPLE.com") == 0
    assert await leave("kim@example.com", is_warning=True) == 1, "nobody keeps a warning from someone by flooding them"
    assert await leave("lee@example.com") == 1
    now += 3601
    assert await leave("kim@example.com") == 1
    await database.close()
