"""A database with an outbox, and a clock that tests set."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from keywright.keyring import Keyring
from keywright.mail import Letter, Outbox
from keywright.storage.migrate import migrate
from keywright.storage.sqlite import SqliteDatabase


class Post:
    def __init__(self, file: Path) -> None:
        self.now = 1_000_000.0
        self.database = SqliteDatabase(file, lambda: self.now)
        self.keyring = Keyring("k1", {"k1": b"k" * 32})
        self.outbox = Outbox(self.keyring, "https://keys.example.com", os.urandom)

    async def put(self, *letters: Letter) -> None:
        async with self.database.write() as session:
            await self.outbox.put(session, *letters)
            await session.commit()


@pytest.fixture
async def post(tmp_path: Path):
    migrate(f"sqlite:///{tmp_path}/mail.db")
    found = Post(tmp_path / "mail.db")
    yield found
    await found.database.close()
