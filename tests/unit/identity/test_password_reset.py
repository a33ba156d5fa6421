"""Forgotten passwords: a link by mail, once, for an hour."""

from __future__ import annotations

import os

import pytest
from people_world import KIM, OPERATOR, PeopleWorld

from keywright.errors import NotFound, Unauthenticated
from keywright.identity import (
    find_password_reset,
    find_sign_in,
    remove_user,
    request_password_reset,
    reset_password,
)


async def ask(people: PeopleWorld, email: str = KIM) -> None:
    await people.write(request_password_reset, email, outbox=people.outbox, random_bytes=os.urandom)


async def test_a_link_sets_a_new_password_once_and_signs_out_everywhere(people: PeopleWorld):
    await people.person()
    session = await people.open()
    await ask(people, "Kim@Example.com")
    (link,) = people.links()
    assert people.mail()[-1][0] == KIM
    assert link.encode() not in people.file.read_bytes()
    assert await people.visitor(session), "asking changes nothing"
    found = await people.read(find_password_reset, link)
    assert (found.email, found.expires_at) == (KIM, (people.now + 3600) * 1000)
    await people.write(reset_password, link, password_hash="new hash", outbox=people.outbox)
    assert (await people.sign_in()).password_hash == "new hash"
    with pytest.raises(Unauthenticated):
        await people.visitor(session)
    with pytest.raises(NotFound):
        await people.write(reset_password, link, password_hash="another hash", outbox=people.outbox)
    assert (await people.sign_in()).password_hash == "new hash"
    assert await people.history() == ["person.password_reset"]


async def test_a_newer_link_ends_the_older(people: PeopleWorld):
    await people.person()
    await ask(people)
    await ask(people)
    first, second = people.links()
    with pytest.raises(NotFound):
        await people.read(find_password_reset, first)
    await people.write(reset_password, second, password_hash="new hash", outbox=people.outbox)


async def test_a_link_runs_out_after_an_hour(people: PeopleWorld):
    await people.person()
    await ask(people)
    (link,) = people.links()
    people.now += 3599.999
    assert await people.read(find_password_reset, link)
    people.now += 0.001
    with pytest.raises(NotFound, match="ask for a new one"):
        await people.write(reset_password, link, password_hash="new hash", outbox=people.outbox)


async def test_the_unknown_and_the_merely_invited_get_nothing(people: PeopleWorld):
    await people.invite()
    for email in (KIM, "nobody@example.com", "", "\x00"):
        await ask(people, email)
    assert people.links() == []
    assert people.rows("password_resets") == 0


async def test_a_link_ends_with_the_last_membership(people: PeopleWorld):
    person_id = await people.person()
    await people.person("other@example.com")
    await ask(people)
    (link,) = people.links()
    await people.write(remove_user, OPERATOR, people.account, person_id, outbox=people.outbox)
    with pytest.raises(NotFound):
        await people.write(reset_password, link, password_hash="new hash", outbox=people.outbox)
    assert (await people.read(find_sign_in, KIM)).password_hash is None


async def test_one_persons_link_is_of_no_use_for_another(people: PeopleWorld):
    await people.person()
    await people.person("other@example.com")
    await ask(people)
    (link,) = people.links()
    await people.write(reset_password, link, password_hash="new hash", outbox=people.outbox)
    assert (await people.sign_in("other@example.com")).password_hash == "hash of other@example.com"
