"""Relationship managers as people."""

from __future__ import annotations

import os
from typing import Any

import pytest
from people_world import KIM, OPERATOR, PeopleWorld

from keywright.accounts import AccountType, Principal, PrincipalKind, create_account, list_accounts
from keywright.errors import Conflict, Forbidden, NotFound, Unauthenticated
from keywright.identity import (
    add_operator,
    begin_totp,
    find_password_reset,
    list_operators,
    remove_operator,
    remove_user,
    request_password_reset,
    reset_password,
)

HERE = Principal(PrincipalKind.LOCAL, "root", "root")
MARIA = "maria@platform.example"


async def add(people: PeopleWorld, email: str = MARIA, principal: Principal = HERE) -> tuple[Any, str]:
    return await people.write(
        add_operator,
        principal,
        email=email,
        name="Maria",
        lasts_seconds=604800,
        outbox=people.outbox,
        random_bytes=os.urandom,
    )


async def maria_signs_in(people: PeopleWorld) -> Principal:
    _, token = await add(people)
    await people.write(reset_password, token, password_hash="hash", outbox=people.outbox)
    return await people.signed_in(MARIA)


async def test_an_operator_is_added_sets_a_password_and_signs_in(people: PeopleWorld):
    operator, token = await add(people, "Maria@Platform.example")
    assert (operator.email, operator.name, operator.has_password) == (MARIA, "Maria", False)
    assert people.mail()[-1][0] == MARIA
    assert people.links() == [token]
    people.now += 604799
    await people.write(reset_password, token, password_hash="hash", outbox=people.outbox)
    principal = await people.signed_in(MARIA)
    assert (principal.kind, principal.id, principal.name) == (PrincipalKind.OPERATOR, operator.person_id, MARIA)
    assert principal.actor() == {"kind": "operator", "id": operator.person_id, "name": MARIA}
    (kept,) = await people.read(list_operators, HERE)
    assert kept.has_password
    assert await people.history() == ["operator.added", "person.password_reset"]


async def test_an_operator_sees_and_makes_accounts(people: PeopleWorld):
    maria = await maria_signs_in(people)
    made = await people.write(
        create_account, maria, name="New", account_type=AccountType.PARTNER, random_bytes=os.urandom
    )
    found = await people.read(list_accounts, maria, limit=10, cursor=None)
    assert made.account_id in {each.account_id for each in found.items}


async def test_the_link_runs_out_and_a_new_one_can_be_had_until_the_password_is_set(people: PeopleWorld):
    first, old = await add(people)
    people.now += 604800
    with pytest.raises(NotFound):
        await people.read(find_password_reset, old)
    second, new = await add(people)
    assert second.person_id == first.person_id
    await people.write(reset_password, new, password_hash="hash", outbox=people.outbox)
    with pytest.raises(Conflict, match="already"):
        await add(people)
    assert await people.history() == ["operator.added", "operator.invited_again", "person.password_reset"]


async def test_nobody_is_both_an_operator_and_a_user(people: PeopleWorld):
    await people.person()
    await add(people)
    with pytest.raises(Conflict, match="user of an account"):
        await add(people, KIM.upper())
    with pytest.raises(Conflict, match="works for the platform"):
        await people.invite(MARIA)
    assert [each.email for each in await people.read(list_operators, HERE)] == [MARIA]
    assert people.rows("memberships") == 1


async def test_a_former_user_becomes_an_operator_and_the_other_way_round(people: PeopleWorld):
    await people.person("other@example.com")
    kim = await people.person()
    await people.write(remove_user, OPERATOR, people.account, kim, outbox=people.outbox)
    operator, _ = await add(people, KIM)
    assert (operator.person_id, operator.has_password) == (kim, False)
    await people.write(remove_operator, HERE, email=KIM)
    assert await people.person() == kim
    assert (await people.signed_in()).kind is PrincipalKind.PERSON


async def test_a_removed_operator_is_out_at_once_with_all_they_had(people: PeopleWorld):
    maria = await maria_signs_in(people)
    keyring = {"keyring": people.keyring, "random_bytes": os.urandom}
    await people.write(begin_totp, maria, **keyring)
    await people.write(request_password_reset, MARIA, outbox=people.outbox, random_bytes=os.urandom)
    token = await people.open(MARIA)
    assert (await people.write(remove_operator, HERE, email="MARIA@platform.example")).email == MARIA
    with pytest.raises(Unauthenticated):
        await people.visitor(token)
    with pytest.raises(Unauthenticated):
        await people.open(MARIA)
    with pytest.raises(NotFound):
        await people.write(reset_password, people.links()[-1], password_hash="another", outbox=people.outbox)
    assert [people.rows(table) for table in ("operators", "passwords", "sessions", "totp_secrets")] == [0] * 4
    with pytest.raises(NotFound, match="keywright operator list"):
        await people.write(remove_operator, HERE, email=MARIA)
    assert (await people.history())[-1] == "operator.removed"


async def test_only_the_command_line_adds_and_removes(people: PeopleWorld):
    maria = await maria_signs_in(people)
    for principal in (OPERATOR, maria):
        with pytest.raises(Forbidden, match="keywright operator"):
            await add(people, "new@platform.example", principal)
        with pytest.raises(Forbidden):
            await people.read(list_operators, principal)
        with pytest.raises(Forbidden):
            await people.write(remove_operator, principal, email=MARIA)
