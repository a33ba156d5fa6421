"""One-time codes: set up, used once, within a step."""

from __future__ import annotations

import asyncio
import os
from urllib.parse import parse_qs, unquote, urlsplit

import pyotp
import pytest
from people_world import KIM, OPERATOR, PeopleWorld

from keywright.accounts import Principal
from keywright.errors import Conflict, Forbidden, InvalidRequest, NotFound, ProofRequired, Unauthenticated, Unavailable
from keywright.identity import (
    begin_totp,
    check_totp_secrets,
    confirm_totp,
    list_second_factors,
    remove_totp,
    reseal_totp_secrets,
    waiting_totp,
)
from keywright.identity.totp import use_totp_code
from keywright.keyring import Keyring

RFC_6238_SECRET = b"12345678901234567890"


async def begin(people: PeopleWorld, principal: Principal) -> pyotp.TOTP:
    """The app, with what it was given."""
    setup = await people.write(begin_totp, principal, keyring=people.keyring, random_bytes=os.urandom)
    return pyotp.parse_uri(setup.uri)


async def confirm(people: PeopleWorld, principal: Principal, code: str) -> list[str]:
    more = {"keyring": people.keyring, "random_bytes": os.urandom, "outbox": people.outbox}
    return await people.write(confirm_totp, principal, code, **more)


async def use(people: PeopleWorld, person_id: str, code: str) -> bool:
    return await people.write(use_totp_code, person_id, code, keyring=people.keyring)


@pytest.fixture
async def kim(people: PeopleWorld) -> Principal:
    await people.person()
    return await people.signed_in()


@pytest.fixture
async def app(people: PeopleWorld, kim: Principal) -> pyotp.TOTP:
    made = await begin(people, kim)
    await confirm(people, kim, made.at(people.now))
    people.now += 30
    return made


async def test_the_codes_are_those_of_the_rfc(people: PeopleWorld):
    """RFC 6238 appendix B, SHA-1; ours are the last six of its eight digits."""
    people.now = 59.0
    await people.person()
    kim = await people.signed_in()
    setup = await people.write(
        begin_totp, kim, keyring=people.keyring, random_bytes=lambda size: RFC_6238_SECRET[:size]
    )
    assert setup.secret == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    await confirm(people, kim, "94287082"[2:])
    for now, code in ((1111111109, "07081804"), (1234567890, "89005924"), (20000000000, "65353130")):
        people.now = now
        assert await use(people, kim.id, code[2:])


async def test_the_address_for_the_app(people: PeopleWorld, kim: Principal):
    setup = await people.write(begin_totp, kim, keyring=people.keyring, random_bytes=os.urandom)
    parts = urlsplit(setup.uri)
    assert (parts.scheme, parts.netloc, unquote(parts.path)) == ("otpauth", "totp", f"/Keywright:{KIM}")
    asked = parse_qs(parts.query)
    assert asked["secret"] == [setup.secret]
    assert asked["issuer"] == ["Keywright"]
    assert setup.secret not in repr(setup)
    assert setup.secret.encode() not in people.file.read_bytes()
    assert await people.read(waiting_totp, kim, keyring=people.keyring) == setup


async def test_it_is_in_use_only_once_it_showed_a_right_code(people: PeopleWorld, kim: Principal):
    app = await begin(people, kim)
    assert not await use(people, kim.id, app.at(people.now))
    assert not await people.read(list_second_factors, kim)
    assert await people.open(), "until then the password is enough"
    for wrong in (
        "000000" if app.at(people.now) != "000000" else "000001",
        "",
        "x",
        "".join(map(chr, range(0xFF11, 0xFF17))),
        "1234567",
    ):
        with pytest.raises(InvalidRequest, match="clock"):
            await confirm(people, kim, wrong)
    codes = await confirm(people, kim, app.at(people.now))
    assert len(codes) == 10
    found = await people.read(list_second_factors, kim)
    assert (found.totp_since, found.passkeys, found.recovery_codes_left) == (people.now * 1000, (), 10)
    with pytest.raises(Unauthenticated, match="second factor"):
        await people.open()
    assert await people.history() == ["person.totp_added"]


async def test_the_code_that_confirmed_is_used_up(people: PeopleWorld, kim: Principal):
    app = await begin(people, kim)
    code = app.at(people.now)
    await confirm(people, kim, code)
    assert not await use(people, kim.id, code)


async def test_begun_anew_the_earlier_secret_is_void(people: PeopleWorld, kim: Principal):
    first, second = await begin(people, kim), await begin(people, kim)
    with pytest.raises(InvalidRequest):
        await confirm(people, kim, first.at(people.now))
    await confirm(people, kim, second.at(people.now))


async def test_sessions_that_a_password_alone_opened_end(people: PeopleWorld):
    await people.person()
    token, elsewhere = await people.open(), await people.open()
    kim = await people.visitor(token)
    await confirm(people, kim, (await begin(people, kim)).at(people.now))
    assert await people.visitor(token)
    with pytest.raises(Unauthenticated):
        await people.visitor(elsewhere)


async def test_a_code_works_once(people: PeopleWorld, kim: Principal, app: pyotp.TOTP):
    code = app.at(people.now)
    assert await use(people, kim.id, f" {code[:3]} {code[3:]} ")
    assert not await use(people, kim.id, code)
    people.now += 30
    assert not await use(people, kim.id, code)
    assert await use(people, kim.id, app.at(people.now))


async def test_of_many_who_bring_the_same_code_at_once_one_is_let_in(
    people: PeopleWorld, kim: Principal, app: pyotp.TOTP
):
    code = app.at(people.now)
    assert sorted(await asyncio.gather(*(use(people, kim.id, code) for _ in range(8)))) == [False] * 7 + [True]


@pytest.mark.parametrize(("steps_off", "works"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
async def test_a_clock_may_be_half_a_minute_off(
    people: PeopleWorld, kim: Principal, app: pyotp.TOTP, steps_off: int, works: bool
):
    people.now += 300
    assert await use(people, kim.id, app.at(people.now + 30 * steps_off)) is works


async def test_a_later_code_ends_the_earlier(people: PeopleWorld, kim: Principal, app: pyotp.TOTP):
    people.now += 300
    earlier, later = app.at(people.now), app.at(people.now + 30)
    assert await use(people, kim.id, later)
    assert not await use(people, kim.id, earlier)


async def test_one_persons_code_is_of_no_use_for_another(people: PeopleWorld, kim: Principal, app: pyotp.TOTP):
    other = await people.person("other@example.com")
    assert not await use(people, other, app.at(people.now))
    assert not await use(people, "usr_nobody", app.at(people.now))


async def test_there_is_one_app_and_it_can_be_removed(people: PeopleWorld, kim: Principal, app: pyotp.TOTP):
    for attempt in (begin(people, kim), confirm(people, kim, app.at(people.now))):
        with pytest.raises(Conflict, match="already"):
            await attempt
    with pytest.raises(NotFound):
        await people.read(waiting_totp, kim, keyring=people.keyring)
    await people.write(remove_totp, kim, outbox=people.outbox)
    found = await people.read(list_second_factors, kim)
    assert (bool(found), found.recovery_codes_left) == (False, 0)
    assert await people.open()
    with pytest.raises(NotFound):
        await people.write(remove_totp, kim, outbox=people.outbox)
    assert await people.history() == ["person.totp_added", "person.totp_removed"]


async def test_an_old_session_changes_nothing(people: PeopleWorld, kim: Principal, app: pyotp.TOTP):
    people.now += 600
    for attempt in (
        begin(people, kim),
        confirm(people, kim, "1"),
        people.write(remove_totp, kim, outbox=people.outbox),
    ):
        with pytest.raises(ProofRequired):
            await attempt
    with pytest.raises(Forbidden):
        await begin(people, OPERATOR)


async def test_secrets_are_sealed_anew_in_batches(people: PeopleWorld, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("keywright.identity.totp.BATCH", 2)
    apps = {}
    for number in range(5):
        person_id = await people.person(f"{number}@example.com")
        principal = await people.signed_in(f"{number}@example.com")
        apps[person_id] = await begin(people, principal)
        await confirm(people, principal, apps[person_id].at(people.now))
    both = Keyring("k2", {**people.keyring.keys, "k2": b"2" * 32})
    after, rounds, changed = "", 0, 0
    while after is not None:
        after, some = await people.write(reseal_totp_secrets, both, after=after, random_bytes=os.urandom)
        rounds, changed = rounds + 1, changed + some
    assert (rounds, changed) == (3, 5)
    assert await people.write(reseal_totp_secrets, both, after="", random_bytes=os.urandom) == (
        sorted(apps)[1],
        0,
    )
    with pytest.raises(Unavailable):
        await people.read(check_totp_secrets, people.keyring)
    people.keyring = Keyring("k2", {"k2": b"2" * 32})
    assert await people.read(check_totp_secrets, people.keyring) == 3
    people.now += 30
    for person_id, app in apps.items():
        assert await use(people, person_id, app.at(people.now))


async def test_another_databases_keyring_is_found_out(people: PeopleWorld, kim: Principal, app: pyotp.TOTP):
    assert await people.read(check_totp_secrets, people.keyring) == 1
    with pytest.raises(Unavailable):
        await people.read(check_totp_secrets, Keyring("k1", {"k1": b"another" + b"x" * 25}))
