"""What ends with a membership, also when a sign-in or an invitation is under way."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

import pytest
from sqlalchemy import select, text

from keywright.accounts import AccountType, Principal, PrincipalKind, Role, create_account
from keywright.accounts.principal import TokenScope
from keywright.errors import NotFound, TooManyRequests, Unauthenticated
from keywright.identity import (
    Invited,
    Opening,
    accept_invitation,
    authenticate_session,
    find_sign_in,
    invite,
    open_session,
    remove_user,
)
from keywright.keyring import Keyring
from keywright.mail import Outbox
from keywright.mail.outbox import read_message
from keywright.storage.migrate import migrate
from keywright.storage.sqlite import SqliteDatabase
from keywright.storage.tables import outgoing_mail

OPERATOR = Principal(PrincipalKind.OPERATOR_TOKEN, "opt_1", "tests", TokenScope.OPERATOR)
WHO = "kim@example.com"
OPENING = Opening("192.0.2.1", "tests", 60)


class World:
    """A database with two accounts, and a clock that tests set."""

    def __init__(self, file: Path) -> None:
        self.now = 1_000_000.0
        self.database = SqliteDatabase(file, lambda: self.now)
        self.keyring = Keyring("k1", {"k1": b"k" * 32})
        self.outbox = Outbox(self.keyring, "https://keys.example.com", os.urandom)
        self.mine = self.theirs = ""
        self.mailed = ""

    async def account(self) -> str:
        async with self.database.write() as session:
            made = await create_account(
                session, OPERATOR, name="A", account_type=AccountType.CORPORATE, random_bytes=os.urandom
            )
            await session.commit()
        return made.account_id

    async def invite(self, account: str) -> Invited:
        """Who was invited; `mailed` is the token of their mail then."""
        async with self.database.write() as session:
            invited = await invite(
                session,
                OPERATOR,
                account,
                email=WHO,
                name="Kim",
                role=Role.VIEWER,
                lasts_seconds=3600,
                random_bytes=os.urandom,
                outbox=self.outbox,
            )
            row = await session.execute(select(outgoing_mail).order_by(text("rowid DESC")).limit(1))
            mail = row.one()
            message = read_message(mail.recipient, self.keyring.open(mail.sealed_message, mail.id))
            await session.commit()
        if not invited.has_come:
            self.mailed = re.findall(r"/invitations/(kwi_[0-9a-f]{64})", message.text)[0]
        return invited

    async def accept(self, token: str | None, password_hash: str = "hash") -> None:
        assert token is not None
        async with self.database.write() as session:
            await accept_invitation(session, token, password_hash=password_hash)
            await session.commit()

    async def remove(self, account: str, invited: Invited) -> None:
        async with self.database.write() as session:
            await remove_user(session, OPERATOR, account, invited.member.person.person_id, outbox=self.outbox)
            await session.commit()


@pytest.fixture
async def world(tmp_path: Path):
    migrate(f"sqlite:///{tmp_path}/people.db")
    found = World(tmp_path / "people.db")
    found.mine, found.theirs = await found.account(), await found.account()
    yield found
    await found.database.close()


@pytest.mark.parametrize("comes_back", ["no", "invited", "with another password"])
async def test_removed_while_the_password_is_checked(world: World, comes_back: str):
    invited = await world.invite(world.mine)
    await world.accept(invited.token)
    async with world.database.read() as session:
        sign_in = await find_sign_in(session, WHO)
    assert sign_in is not None
    await world.remove(world.mine, invited)
    if comes_back != "no":
        await world.invite(world.mine)
        if comes_back == "with another password":
            await world.accept(world.mailed, "another hash")
    async with world.database.write() as session:
        with pytest.raises(Unauthenticated, match="email or password is wrong"):
            await open_session(session, sign_in, OPENING, random_bytes=os.urandom)


async def test_another_membership_keeps_password_and_sessions(world: World):
    invited = await world.invite(world.mine)
    await world.accept(invited.token)
    assert (await world.invite(world.theirs)).has_come
    async with world.database.write() as session:
        sign_in = await find_sign_in(session, WHO)
        assert sign_in is not None
        token = await open_session(session, sign_in, OPENING, random_bytes=os.urandom)
        await session.commit()
    await world.remove(world.theirs, invited)
    async with world.database.write() as session:
        # No account can sign out another's people; what they may do is asked with each request.
        assert (await authenticate_session(session, token)).name == WHO
        assert await find_sign_in(session, WHO) == sign_in
        await session.commit()
    await world.remove(world.mine, invited)
    async with world.database.read() as session:
        with pytest.raises(Unauthenticated, match="your session has ended"):
            await authenticate_session(session, token)


async def test_an_invitation_to_another_account_outlives_the_removal(world: World):
    here = await world.invite(world.mine)
    await world.invite(world.theirs)
    await world.remove(world.mine, here)
    with pytest.raises(NotFound):
        await world.accept(here.token)
    await world.accept(world.mailed)


async def test_an_old_invitation_stays_void_when_another_account_adds_them(world: World):
    here = await world.invite(world.mine)
    await world.remove(world.mine, here)
    await world.invite(world.theirs)
    with pytest.raises(NotFound):
        await world.accept(here.token)


async def test_when_someone_can_be_invited_again(world: World):
    first = await world.invite(world.mine)
    for passed, left in ((0.0, 60), (0.9, 60), (58.1, 1), (0.999, 1)):
        world.now += passed
        with pytest.raises(TooManyRequests) as refused:
            await world.invite(world.mine)
        assert refused.value.retry_after_seconds == left
    world.now += 0.001
    tokens = [first.token, (await world.invite(world.mine)).token]
    world.now -= 7200  # the clock is set back
    tokens.append((await world.invite(world.mine)).token)
    assert all(one != other for one, other in itertools.combinations(tokens, 2))
