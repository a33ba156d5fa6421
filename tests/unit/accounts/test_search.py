"""Finding accounts by name, ID and email, page by page in both directions."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from sqlalchemy import insert

from keywright.accounts import (
    AccountSearch,
    AccountSlice,
    AccountType,
    ApiAccess,
    Principal,
    PrincipalKind,
    Role,
    add_member,
    count_access_requests,
    create_account,
    find_overview,
    search_accounts,
)
from keywright.accounts.overview import MOST_COUNTED
from keywright.errors import Forbidden, InvalidRequest, NotFound
from keywright.keyring import Keyring
from keywright.mail import Outbox
from keywright.storage.migrate import migrate
from keywright.storage.sqlite import SqliteDatabase
from keywright.storage.tables import accounts
from support.queries import counted

OPERATOR = Principal(PrincipalKind.OPERATOR, "usr_1", "rita@platform.example")
SOMEONE = Principal(PrincipalKind.PERSON, "usr_2", "olga@acme.example")


class World:
    """A database with accounts."""

    def __init__(self, file: Path) -> None:
        self.now = 1_000_000.0
        self.database = SqliteDatabase(file, lambda: self.now)

    async def make(self, *names: str, kind: AccountType = AccountType.CORPORATE) -> list[str]:
        made = []
        async with self.database.write() as session:
            for name in names:
                account = await create_account(session, OPERATOR, name=name, account_type=kind, random_bytes=os.urandom)
                made.append(account.account_id)
            await session.commit()
        return made

    async def search(
        self, text: str = "", *, limit: int = 100, cursor: str | None = None, **only: object
    ) -> AccountSlice:
        async with self.database.read() as session:
            return await search_accounts(session, OPERATOR, AccountSearch(text, **only), limit=limit, cursor=cursor)

    async def names(self, text: str = "", **only: object) -> list[str]:
        return names_of(await self.search(text, **only))


def names_of(found: AccountSlice) -> list[str]:
    return [each.account.name for each in found.items]


@pytest.fixture
async def world(tmp_path: Path):
    migrate(f"sqlite:///{tmp_path}/accounts.db")
    found = World(tmp_path / "accounts.db")
    yield found
    await found.database.close()


async def test_names_are_found_in_any_case_also_beyond_ascii(world: World):
    await world.make("Müller & Söhne", "STRASSE 7", "ΟΔΥΣΣΕΥΣ Shipping", "İzmir Trade", "Acme")
    for text, expected in {
        "MÜLLER": ["Müller & Söhne"],
        "söhne": ["Müller & Söhne"],
        "straße": ["STRASSE 7"],
        "οδυσσευς": ["ΟΔΥΣΣΕΥΣ Shipping"],
        "İZMIR": ["İzmir Trade"],
        "cm": ["Acme"],
        "acme ltd": [],
    }.items():
        assert await world.names(text) == expected, text


@pytest.mark.parametrize("mark", ["%", "_", "/", "\\", "[a-z]", "*", "'", '"'])
async def test_marks_of_the_query_language_are_only_characters(world: World, mark: str):
    await world.make("Plain name", f"Marked {mark} name")
    assert await world.names(mark) == [f"Marked {mark} name"]
    assert await world.names(f"plain{mark}") == []


async def test_an_account_is_found_by_its_whole_id(world: World):
    one, _ = await world.make("One", "Two")
    assert await world.names(one) == ["One"]
    assert await world.names(one.upper()) == ["One"]
    assert await world.names(one[:-1]) == []
    assert await world.names(account_id=one) == ["One"]


async def test_accounts_are_found_by_the_email_of_their_people(world: World):
    one, two, _ = await world.make("One", "Two", "Three")
    async with world.database.write() as session:
        for account in (one, two):
            await add_member(
                session,
                OPERATOR,
                account,
                email="Kim@Example.com",
                name="Kim",
                role=Role.OWNER,
                random_bytes=os.urandom,
                outbox=Outbox(Keyring("k1", {"k1": b"k" * 32}), "https://keys.example.com", os.urandom),
            )
        await session.commit()
    assert await world.names("kim@EXAMPLE.com") == ["One", "Two"]
    assert await world.names("im@example.com") == [], "a part of an email would tell who else there is"
    await world.make("kim@example.com & friends")
    assert await world.names("kim@example.com") == ["kim@example.com & friends", "One", "Two"]


async def test_filters_go_with_a_text_and_with_each_other(world: World):
    await world.make("Nord One", "Nord Two", "West One")
    await world.make("Nord Partner", kind=AccountType.PARTNER)
    async with world.database.write() as session:
        await session.execute(
            accounts.update().where(accounts.c.name.in_(["Nord One", "Nord Partner"])).values(api_access="enabled")
        )
        await session.commit()
    assert await world.names("nord", api_access=ApiAccess.ENABLED) == ["Nord One", "Nord Partner"]
    assert await world.names(type=AccountType.PARTNER) == ["Nord Partner"]
    assert await world.names("nord", api_access=ApiAccess.ENABLED, type=AccountType.CORPORATE) == ["Nord One"]
    assert await world.names(api_access=ApiAccess.DECLINED) == []


async def test_pages_lead_through_all_accounts_and_back(world: World):
    # Names that are alike, and alike but for their case: the ID decides between them.
    names = [*(f"Account {number}" for number in range(17)), "Same", "same", "SAME", "Same", "Ähnlich", "zebra"]
    random.Random(7).shuffle(names)
    await world.make(*names)
    whole = [each.account.account_id for each in (await world.search()).items]
    assert len(whole) == len(set(whole)) == len(names)

    pages = [await world.search(limit=4)]
    while pages[-1].next_cursor:
        pages.append(await world.search(limit=4, cursor=pages[-1].next_cursor))
    assert [each.account.account_id for page in pages for each in page.items] == whole
    assert pages[0].previous_cursor is None

    back = [pages[-1]]
    while back[-1].previous_cursor:
        back.append(await world.search(limit=4, cursor=back[-1].previous_cursor))
    assert [each.items for each in back] == [each.items for each in reversed(pages)]
    assert [each.next_cursor for each in back] == [each.next_cursor for each in reversed(pages)]


async def test_a_page_that_is_just_full_is_the_last(world: World):
    await world.make("A", "B", "C", "D")
    first = await world.search(limit=2)
    assert names_of(first) == ["A", "B"]
    second = await world.search(limit=2, cursor=first.next_cursor)
    assert (names_of(second), second.next_cursor) == (["C", "D"], None)
    back = await world.search(limit=2, cursor=second.previous_cursor)
    assert (names_of(back), back.previous_cursor) == (["A", "B"], None)


async def test_cursors_lead_on_when_accounts_come_in_between(world: World):
    await world.make("A", "C", "E")
    first = await world.search(limit=2)
    await world.make("B", "D")
    assert names_of(await world.search(limit=2, cursor=first.next_cursor)) == ["D", "E"]


@pytest.mark.parametrize(
    "cursor", ["x", "after-", "after-acc_0", "before-acc_unknown", "AFTER-acc_1", "after-acc_'--", "1-acc_1", "\ud800"]
)
async def test_a_cursor_that_we_did_not_give_is_told(world: World, cursor: str):
    await world.make("A")
    with pytest.raises(InvalidRequest) as refused:
        await world.search(cursor=cursor)
    assert [fault.field for fault in refused.value.faults] == ["cursor"]


async def test_a_text_that_no_name_can_hold_is_told(world: World):
    with pytest.raises(InvalidRequest):
        await world.search("x" * 255)
    with pytest.raises(InvalidRequest):
        await world.search("\x00")
    assert await world.names("x" * 254) == []


async def test_only_operators_look_at_all_accounts(world: World):
    (account,) = await world.make("A")
    async with world.database.read() as session:
        with pytest.raises(Forbidden):
            await search_accounts(session, SOMEONE, AccountSearch(), limit=5, cursor=None)
        with pytest.raises(Forbidden):
            await count_access_requests(session, SOMEONE)
        with pytest.raises(Forbidden):
            await find_overview(session, SOMEONE, account)
        with pytest.raises(NotFound):
            await find_overview(session, OPERATOR, "acc_0")


async def test_what_waits_is_counted_up_to_a_number(world: World):
    (account,) = await world.make("A")
    for waiting in (3, MOST_COUNTED + 1):
        async with world.database.write() as session:
            rows = [
                {
                    "id": f"acc_{waiting}x{number}",
                    "name": "W",
                    "name_folded": "w",
                    "type": "corporate",
                    "api_access": "requested",
                    "api_access_requested_at": number,
                    "api_access_requested_by": "kim@example.com",
                    "created_at": number,
                }
                for number in range(waiting)
            ]
            await session.execute(insert(accounts), rows)
            await session.commit()
        with counted() as seen:
            async with world.database.read() as session:
                assert await count_access_requests(session, OPERATOR) == min(waiting, MOST_COUNTED)
                overview = await find_overview(session, OPERATOR, account)
        assert overview.waiting == min(waiting, MOST_COUNTED)
        assert overview.request is None
        assert len(seen) == 2
    async with world.database.read() as session:
        asking = await find_overview(session, OPERATOR, "acc_3x1")
    assert asking.request is not None
    assert (asking.request.requested_by, asking.request.requested_at) == ("kim@example.com", 1)
