"""A database with an account and people in it, and a clock that tests set."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from keywright.accounts import AccountType, Principal, PrincipalKind, Role, create_account
from keywright.accounts.principal import TokenScope
from keywright.audit import PLATFORM_CHAIN, events_newest_first
from keywright.identity import (
    Invited,
    Opening,
    SignIn,
    accept_invitation,
    authenticate_session,
    find_sign_in,
    invite,
    open_session,
)
from keywright.keyring import Keyring
from keywright.mail import Letter, Outbox
from keywright.mail.outbox import read_message
from keywright.storage import WriteSession
from keywright.storage.sqlite import SqliteDatabase

ResultT = TypeVar("ResultT")
OPERATOR = Principal(PrincipalKind.OPERATOR_TOKEN, "opt_1", "tests", TokenScope.OPERATOR)
KIM = "kim@example.com"
OPENING = Opening("192.0.2.1", "tests", 43200)
RANDOM = {"random_bytes": os.urandom}


class PeopleWorld:
    """Each method is a transaction of its own, as an edge would make it."""

    def __init__(self, file: Path) -> None:
        self.now = 1_800_000_000.0
        self.file = file
        self.database = SqliteDatabase(file, lambda: self.now)
        self.keyring = Keyring("k1", {"k1": b"k" * 32})
        self.outbox = Outbox(self.keyring, "https://keys.example.com", os.urandom)
        self.account = ""
        self._seen = 0

    async def write(self, work: Callable[..., Awaitable[ResultT]], *arguments: Any, **more: Any) -> ResultT:
        """Run a service in a transaction of its own; committed unless it raises."""
        async with self.database.write() as session:
            result = await work(session, *arguments, **more)
            await session.commit()
        return result

    async def read(self, work: Callable[..., Awaitable[ResultT]], *arguments: Any, **more: Any) -> ResultT:
        async with self.database.read() as session:
            return await work(session, *arguments, **more)

    async def begin(self) -> None:
        made = await self.write(
            create_account, OPERATOR, name="Acme", account_type=AccountType.CORPORATE, random_bytes=os.urandom
        )
        self.account = made.account_id

    async def another_account(self, kind: AccountType = AccountType.CORPORATE) -> str:
        made = await self.write(create_account, OPERATOR, name="Other", account_type=kind, random_bytes=os.urandom)
        return made.account_id

    async def invite_to(
        self, account: str, email: str, role: Role = Role.VIEWER, *, by: Principal = OPERATOR
    ) -> Invited:
        """What whoever invites gets to see."""
        more = {"random_bytes": os.urandom, "outbox": self.outbox, "lasts_seconds": 3600}
        return await self.write(invite, by, account, email=email, name="Kim", role=role, **more)

    async def invite(self, email: str = KIM, role: Role = Role.OWNER) -> tuple[str, str | None]:
        """The person's ID, and their invitation's token as it was mailed; None if they need none."""
        invited = await self.invite_to(self.account, email, role)
        person_id = invited.member.person.person_id
        return person_id, None if invited.has_come else self.invitations(email)[-1]

    async def person(self, email: str = KIM) -> str:
        """Someone with a password; their ID."""
        person_id, token = await self.invite(email)
        await self.write(accept_invitation, token, password_hash=f"hash of {email}")
        return person_id

    async def sign_in(self, email: str = KIM) -> SignIn:
        found = await self.read(find_sign_in, email)
        assert found is not None
        return found

    async def open(self, email: str = KIM, opening: Opening = OPENING) -> str:
        """A session's token, with the password alone."""
        return await self.write(open_session, await self.sign_in(email), opening, **RANDOM)

    async def visitor(self, token: str) -> Principal:
        return await self.read(authenticate_session, token)

    async def signed_in(self, email: str = KIM) -> Principal:
        """Someone with a session, as `authenticate_session` finds them."""
        return await self.visitor(await self.open(email))

    async def history(self, chain: str = PLATFORM_CHAIN) -> list[str]:
        """Actions of a chain, the platform's unless told otherwise, oldest first."""

        async def work(session: WriteSession) -> list[str]:
            found = await events_newest_first(session, chain, before_seq=None, limit=100)
            return [event.action for event in reversed(found)]

        return await self.read(work)

    def rows(self, table: str) -> int:
        with sqlite3.connect(self.file) as connection:
            count = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        connection.close()
        return int(count)

    def letters(self) -> list[Letter]:
        """The mail that waits, oldest first."""
        with sqlite3.connect(self.file) as connection:
            found = connection.execute("SELECT id, recipient, sealed_message FROM outgoing_mail ORDER BY rowid")
            letters = [(to, self.keyring.open(sealed, key)) for key, to, sealed in found.fetchall()]
        connection.close()
        return [read_message(to, message) for to, message in letters]

    def mail(self) -> list[tuple[str, str]]:
        """Address and text of the mail that waits, oldest first."""
        return [(letter.to, letter.text) for letter in self.letters()]

    def subjects(self) -> list[tuple[str, str]]:
        """Address and subject of the mail that came since this was last asked, by address."""
        new = self.letters()[self._seen :]
        self._seen += len(new)
        return sorted((letter.to, letter.subject) for letter in new)

    def invitations(self, email: str) -> list[str]:
        """Tokens of the invitations that were mailed to someone, oldest first."""
        texts = [text for to, text in self.mail() if to == email.lower()]
        return [found for text in texts for found in re.findall(r"/invitations/(kwi_[0-9a-f]{64})", text)]

    def links(self) -> list[str]:
        """Tokens of the links to set a password that were mailed, oldest first."""
        return [found for _, text in self.mail() for found in re.findall(r"/reset-password/(kwr_[0-9a-f]{64})", text)]
