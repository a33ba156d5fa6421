"""Sessions: seen, ended, rotated, and proved anew."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from people_world import KIM, OPENING, OPERATOR, PeopleWorld

from keywright.accounts import require_fresh_proof
from keywright.errors import Forbidden, NotFound, ProofRequired, Unauthenticated
from keywright.identity import (
    change_password,
    close_session,
    end_all_sessions,
    end_session,
    find_own_sign_in,
    find_sign_in,
    list_sessions,
    open_session,
    prove,
)


async def test_a_person_sees_their_own_sessions_newest_first(people: PeopleWorld):
    await people.person()
    await people.person("other@example.com")
    await people.open("other@example.com")
    first = await people.visitor(await people.open(opening=replace(OPENING, user_agent="first")))
    people.now += 60
    second = await people.visitor(await people.open(opening=replace(OPENING, address="2001:db8::1")))
    found = await people.read(list_sessions, first)
    assert [each.session_id for each in found] == [second.session_id, first.session_id]
    assert (found[1].user_agent, found[0].address) == ("first", "2001:db8::1")
    assert found[0].created_at == people.now * 1000
    people.now += 43200 - 60  # the first has run out
    assert [each.session_id for each in await people.read(list_sessions, second)] == [second.session_id]


async def test_one_session_is_ended_and_nobody_elses(people: PeopleWorld):
    await people.person()
    await people.person("other@example.com")
    token, other = await people.open(), await people.signed_in("other@example.com")
    mine, old = await people.signed_in(), await people.visitor(token)
    await people.write(end_session, mine, old.session_id)
    with pytest.raises(Unauthenticated):
        await people.visitor(token)
    for session_id in (old.session_id, other.session_id, "ses_x", ""):
        with pytest.raises(NotFound):
            await people.write(end_session, mine, session_id)
    assert [each.session_id for each in await people.read(list_sessions, other)] == [other.session_id]


async def test_signing_out_everywhere(people: PeopleWorld):
    await people.person()
    await people.person("other@example.com")
    tokens = [await people.open() for _ in range(3)]
    other = await people.open("other@example.com")
    await people.write(end_all_sessions, await people.visitor(tokens[0]))
    for token in tokens:
        with pytest.raises(Unauthenticated):
            await people.visitor(token)
    assert await people.visitor(other)


async def test_signing_in_ends_the_session_that_came_with_the_request(people: PeopleWorld):
    await people.person()
    await people.person("other@example.com")
    for before, after in ((KIM, KIM), ("other@example.com", KIM)):
        old, bystander = await people.open(before), await people.open(before)
        new = await people.open(after, replace(OPENING, replaces=old))
        assert new != old
        with pytest.raises(Unauthenticated):
            await people.visitor(old)
        assert await people.visitor(bystander)
    assert await people.open(opening=replace(OPENING, replaces="nonsense"))


async def test_what_only_people_have_is_refused_to_tokens(people: PeopleWorld):
    for service in (list_sessions, end_all_sessions, find_own_sign_in):
        with pytest.raises(Forbidden):
            await people.write(service, OPERATOR)


async def test_a_proof_lasts_ten_minutes_and_can_be_renewed(people: PeopleWorld):
    await people.person()
    token = await people.open()
    for _ in range(2):
        principal = await people.visitor(token)
        people.now += 599.999
        require_fresh_proof(principal, int(people.now * 1000))
        people.now += 0.001
        with pytest.raises(ProofRequired):
            require_fresh_proof(principal, int(people.now * 1000))
        renewed = await people.write(prove, principal, await people.read(find_own_sign_in, principal))
        require_fresh_proof(renewed, int(people.now * 1000))
        assert await people.visitor(token) == renewed


async def test_a_proof_needs_the_session_and_the_password_that_were_there(people: PeopleWorld):
    await people.person()
    token = await people.open()
    principal = await people.visitor(token)
    checked = await people.read(find_own_sign_in, principal)
    await people.write(change_password, principal, checked, password_hash="new hash", outbox=people.outbox)
    with pytest.raises(Unauthenticated, match="password is wrong"):
        await people.write(prove, principal, checked)
    checked = await people.read(find_own_sign_in, principal)
    await people.write(close_session, token)
    with pytest.raises(Unauthenticated, match="session has ended"):
        await people.write(prove, principal, checked)


async def test_a_changed_password_ends_the_other_sessions(people: PeopleWorld):
    person_id = await people.person()
    token, other = await people.open(), await people.open()
    principal = await people.visitor(token)
    stale = await people.sign_in()
    people.now += 3600
    checked = await people.read(find_own_sign_in, principal)
    changed = await people.write(change_password, principal, checked, password_hash="new hash", outbox=people.outbox)
    assert changed.proved_at == people.now * 1000
    assert await people.visitor(token) == changed
    with pytest.raises(Unauthenticated):
        await people.visitor(other)
    with pytest.raises(Unauthenticated):  # someone was just checking the old one
        await people.write(open_session, stale, OPENING, random_bytes=os.urandom)
    found = await people.read(find_sign_in, KIM)
    assert (found.person_id, found.password_hash) == (person_id, "new hash")
    assert await people.history() == ["person.password_changed"]
