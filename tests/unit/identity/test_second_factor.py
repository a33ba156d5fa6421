"""The second half of a sign-in: nothing opens without it."""

from __future__ import annotations

import asyncio
import itertools
import os
import re

import pyotp
import pytest
from people_world import KIM, OPENING, OPERATOR, PeopleWorld

from keywright.accounts import Principal
from keywright.errors import Conflict, ProofRequired, Unauthenticated
from keywright.identity import (
    SecondFactorRequired,
    accept_invitation,
    begin_second_factor,
    begin_totp,
    change_password,
    confirm_totp,
    find_half_sign_in,
    find_own_sign_in,
    finish_with_code,
    list_second_factors,
    open_session,
    open_session_with_code,
    remove_user,
    renew_recovery_codes,
    request_password_reset,
    reset_password,
)


class Kim:
    """Someone with an app and recovery codes."""

    def __init__(self, people: PeopleWorld) -> None:
        self.people = people
        self.app = pyotp.TOTP("A" * 32)
        self.codes: list[str] = []
        self.principal: Principal

    async def begin(self) -> str:
        """The token of a sign-in whose password was right."""
        return await self.people.write(begin_second_factor, await self.people.sign_in(), random_bytes=os.urandom)

    async def finish(self, token: str, code: str) -> str:
        return await self.people.write(
            finish_with_code,
            token,
            code,
            OPENING,
            keyring=self.people.keyring,
            random_bytes=os.urandom,
            outbox=self.people.outbox,
        )

    async def at_once(self, code: str) -> str:
        return await self.people.write(
            open_session_with_code,
            await self.people.sign_in(),
            code,
            OPENING,
            keyring=self.people.keyring,
            random_bytes=os.urandom,
            outbox=self.people.outbox,
        )

    @property
    def shown(self) -> str:
        """What the app shows now."""
        return self.app.at(self.people.now)

    @property
    def wrong(self) -> str:
        return "000000" if self.shown != "000000" else "000001"


@pytest.fixture
async def kim(people: PeopleWorld) -> Kim:
    found = Kim(people)
    await people.person()
    found.principal = await people.signed_in()
    keyring = {"keyring": people.keyring, "random_bytes": os.urandom}
    found.app = pyotp.parse_uri((await people.write(begin_totp, found.principal, **keyring)).uri)
    found.codes = await people.write(confirm_totp, found.principal, found.shown, outbox=people.outbox, **keyring)
    people.now += 30
    return found


async def test_the_password_alone_opens_nothing(people: PeopleWorld, kim: Kim):
    before = people.rows("sessions")
    sign_in = await people.sign_in()
    assert (sign_in.has_totp, sign_in.has_passkeys, sign_in.needs_second_factor) == (True, False, True)
    with pytest.raises(SecondFactorRequired, match="`code`"):
        await people.write(open_session, sign_in, OPENING, random_bytes=os.urandom)
    for code in ("", kim.wrong, " ", "0000-0000-0000-0000"):
        with pytest.raises(Unauthenticated, match="code is wrong"):
            await kim.at_once(code)
    await kim.begin()
    assert people.rows("sessions") == before


async def test_a_factor_that_came_while_the_password_was_checked_counts(people: PeopleWorld, kim: Kim):
    sign_in = await people.sign_in()
    stale = type(sign_in)(sign_in.person_id, sign_in.email, sign_in.password_hash)
    assert not stale.needs_second_factor
    with pytest.raises(SecondFactorRequired):
        await people.write(open_session, stale, OPENING, random_bytes=os.urandom)
    tools = {"keyring": people.keyring, "random_bytes": os.urandom, "outbox": people.outbox}
    with pytest.raises(Unauthenticated):
        await people.write(open_session_with_code, stale, "", OPENING, **tools)


async def test_password_and_code_at_once(people: PeopleWorld, kim: Kim):
    assert (await people.visitor(await kim.at_once(kim.shown))).name == KIM
    with pytest.raises(Unauthenticated, match="was used"):
        await kim.at_once(kim.shown)
    assert await people.visitor(await kim.at_once(kim.codes[0]))


async def test_someone_without_a_second_factor_may_send_any_code(people: PeopleWorld):
    await people.person()
    assert await people.visitor(await Kim(people).at_once("123456"))


async def test_a_sign_in_is_finished_once(people: PeopleWorld, kim: Kim):
    token = await kim.begin()
    assert re.fullmatch("kwc_[0-9a-f]{64}", token)
    half = await people.read(find_half_sign_in, token)
    assert (half.email, half.has_totp, half.has_passkeys, len(half.challenge)) == (KIM, True, False, 32)
    with pytest.raises(Unauthenticated, match="wrong"):
        await kim.finish(token, kim.wrong)
    assert await people.visitor(await kim.finish(token, kim.shown))
    people.now += 30
    with pytest.raises(Unauthenticated, match="begin anew"):
        await kim.finish(token, kim.shown)
    with pytest.raises(Unauthenticated):
        await people.read(find_half_sign_in, token)


async def test_a_half_sign_in_is_no_session_and_runs_out(people: PeopleWorld, kim: Kim):
    token = await kim.begin()
    with pytest.raises(Unauthenticated):
        await people.visitor(token)
    people.now += 299.999
    assert await people.read(find_half_sign_in, token)
    people.now += 0.001
    with pytest.raises(Unauthenticated, match="five minutes"):
        await kim.finish(token, kim.shown)
    await kim.begin()
    assert people.rows("challenges") == 1, "what has run out is cleared away"


async def test_two_who_finish_it_at_once_are_one(people: PeopleWorld, kim: Kim):
    token = await kim.begin()
    found = await asyncio.gather(
        *(kim.finish(token, code) for code in (kim.shown, *kim.codes[:4])), return_exceptions=True
    )
    assert sum(isinstance(each, str) for each in found) == 1
    left = (await people.read(list_second_factors, kim.principal)).recovery_codes_left
    assert left in {9, 10}, "those that were refused used up nothing"


async def test_a_changed_password_ends_half_a_sign_in(people: PeopleWorld, kim: Kim):
    token = await kim.begin()
    checked = await people.read(find_own_sign_in, kim.principal)
    await people.write(change_password, kim.principal, checked, password_hash="new hash", outbox=people.outbox)
    with pytest.raises(Unauthenticated):
        await kim.finish(token, kim.shown)
    with pytest.raises(Unauthenticated):
        await people.write(begin_second_factor, checked, random_bytes=os.urandom)


async def test_a_new_password_by_mail_leaves_the_second_factor(people: PeopleWorld, kim: Kim):
    await people.write(request_password_reset, KIM, outbox=people.outbox, random_bytes=os.urandom)
    await people.write(reset_password, people.links()[0], password_hash="new hash", outbox=people.outbox)
    with pytest.raises(SecondFactorRequired):
        await people.open()
    assert await kim.at_once(kim.shown)


async def test_recovery_codes_are_readable_and_work_once_each(people: PeopleWorld, kim: Kim):
    assert len(set(kim.codes)) == 10
    for code in kim.codes:
        assert re.fullmatch("([0-9a-hjkmnp-tv-z]{4}-){3}[0-9a-hjkmnp-tv-z]{4}", code)
        assert code.encode() not in people.file.read_bytes()
    assert not any(one in other for one, other in itertools.permutations(kim.codes, 2))
    first, second = kim.codes[0], kim.codes[1]
    assert await kim.at_once(first)
    with pytest.raises(Unauthenticated):
        await kim.at_once(first)
    assert await kim.at_once(second.upper().replace("-", " ").replace("1", "I").replace("0", "O"))
    assert (await people.read(list_second_factors, kim.principal)).recovery_codes_left == 8
    assert (await people.history())[-2:] == ["person.recovery_code_used"] * 2


async def test_a_recovery_code_used_by_many_at_once_lets_one_in(kim: Kim):
    found = await asyncio.gather(*(kim.at_once(kim.codes[0]) for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(each, str) for each in found) == 1


async def test_renewed_codes_end_the_earlier(people: PeopleWorld, kim: Kim):
    fresh = await people.write(renew_recovery_codes, kim.principal, random_bytes=os.urandom, outbox=people.outbox)
    assert not set(fresh) & set(kim.codes)
    with pytest.raises(Unauthenticated):
        await kim.at_once(kim.codes[0])
    assert await kim.at_once(fresh[0])
    people.now += 600
    with pytest.raises(ProofRequired):
        await people.write(renew_recovery_codes, kim.principal, random_bytes=os.urandom, outbox=people.outbox)


async def test_recovery_codes_need_something_to_stand_in_for(people: PeopleWorld):
    await people.person()
    principal = await people.signed_in()
    with pytest.raises(Conflict, match="set up an app or a passkey first"):
        await people.write(renew_recovery_codes, principal, random_bytes=os.urandom, outbox=people.outbox)


async def test_with_the_last_membership_everything_goes_and_an_invitation_is_the_way_back(
    people: PeopleWorld, kim: Kim
):
    await people.person("other@example.com")
    token = await kim.begin()
    await people.write(remove_user, OPERATOR, people.account, kim.principal.id, outbox=people.outbox)
    assert [people.rows(table) for table in ("totp_secrets", "recovery_codes", "challenges")] == [0, 0, 0]
    with pytest.raises(Unauthenticated):
        await kim.finish(token, kim.shown)
    person_id, invitation = await people.invite()
    assert person_id == kim.principal.id
    await people.write(accept_invitation, invitation, password_hash="a new beginning")
    assert await people.visitor(await people.open()), "the password alone, as for someone new"
