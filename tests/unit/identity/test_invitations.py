"""Who gets to see an invitation's link: whoever holds it can act as the person it is for."""

from __future__ import annotations

import os

import pytest
from people_world import KIM, OPERATOR, PeopleWorld

from keywright.accounts import AccountType, Principal, PrincipalKind, Role
from keywright.accounts.principal import TokenScope
from keywright.errors import NotFound
from keywright.identity import accept_invitation, find_invitation, remove_operator, remove_user, reset_password
from keywright.identity.operators import add_operator

HERE = Principal(PrincipalKind.LOCAL, "root", "root")
MANAGER = Principal(PrincipalKind.OPERATOR, "usr_rita", "rita@bank.example")
BACKEND = Principal(PrincipalKind.OPERATOR_TOKEN, "opt_2", "backend", TokenScope.PLATFORM)


@pytest.mark.parametrize("by", [OPERATOR, MANAGER, BACKEND, HERE], ids=lambda by: by.kind.value)
async def test_the_platforms_people_see_a_newcomers_link(people: PeopleWorld, by: Principal):
    invited = await people.invite_to(people.account, KIM, by=by)
    assert not invited.has_come
    assert people.invitations(KIM) == [invited.token]
    assert str(invited.token) not in repr(invited)
    people.now += 60
    again = await people.invite_to(people.account, KIM, by=by)
    assert again.token == people.invitations(KIM)[-1] != invited.token


async def test_an_accounts_own_people_see_none(people: PeopleWorld):
    await people.person("olga@example.com")
    invited = await people.invite_to(people.account, KIM, by=await people.signed_in("olga@example.com"))
    assert (invited.token, invited.has_come) == (None, False)
    await people.write(accept_invitation, people.invitations(KIM)[0], password_hash="hash")


@pytest.mark.parametrize("by", [OPERATOR, MANAGER, BACKEND, HERE], ids=lambda by: by.kind.value)
async def test_no_link_is_shown_of_someone_who_waits_in_another_account(people: PeopleWorld, by: Principal):
    await people.invite_to(people.account, KIM, Role.OWNER)
    trap = await people.another_account()
    invited = await people.invite_to(trap, KIM, by=by)
    assert (invited.token, invited.has_come) == (None, False)
    people.now += 60
    assert (await people.invite_to(trap, KIM, by=by)).token is None
    assert len(people.invitations(KIM)) == 3
    await people.write(accept_invitation, people.invitations(KIM)[-1], password_hash="hash")


async def test_a_link_that_was_shown_ends_when_another_account_adds_the_person(people: PeopleWorld):
    await people.person("olga@example.com")
    olga = await people.signed_in("olga@example.com")
    trap = await people.another_account(AccountType.PARTNER)
    shown = (await people.invite_to(trap, KIM, Role.PARTNER_ADMIN)).token
    assert shown is not None
    await people.invite_to(people.account, KIM, Role.OWNER, by=olga)
    with pytest.raises(NotFound):
        await people.write(accept_invitation, shown, password_hash="hash of a thief")
    mailed = people.invitations(KIM)[-1]
    people.now += 60
    await people.invite_to(trap, KIM, Role.PARTNER_ADMIN)
    assert await people.read(find_invitation, mailed), "what went by mail only holds"


async def test_no_link_is_shown_of_someone_who_had_a_password(people: PeopleWorld):
    await people.person("other@example.com")
    kim = await people.person()
    await people.write(remove_user, MANAGER, people.account, kim, outbox=people.outbox)
    for account in (people.account, await people.another_account()):
        invited = await people.invite_to(account, KIM, Role.OWNER, by=MANAGER)
        assert (invited.member.person.person_id, invited.token, invited.has_come) == (kim, None, False)
    await people.write(accept_invitation, people.invitations(KIM)[-1], password_hash="another hash")


async def test_a_password_by_a_reset_counts_as_well(people: PeopleWorld):
    more = {"random_bytes": os.urandom, "outbox": people.outbox, "lasts_seconds": 60}
    _, token = await people.write(add_operator, HERE, email=KIM, name="Kim", **more)
    await people.write(reset_password, token, password_hash="hash", outbox=people.outbox)
    await people.write(remove_operator, HERE, email=KIM)
    assert (await people.invite_to(people.account, KIM)).token is None


async def test_someone_removed_before_they_came_is_a_newcomer_still(people: PeopleWorld):
    first = await people.invite_to(people.account, KIM)
    kim = first.member.person.person_id
    await people.write(remove_user, MANAGER, people.account, kim, outbox=people.outbox)
    again = await people.invite_to(people.account, KIM)
    assert again.token not in {None, first.token}


async def test_every_account_is_told_that_someone_came(people: PeopleWorld):
    other, third = await people.another_account(), await people.another_account()
    for account in (people.account, other):
        await people.invite_to(account, KIM)
    await people.write(accept_invitation, people.invitations(KIM)[-1], password_hash="hash")
    assert (await people.history(people.account))[-2:] == ["user.added", "user.invitation_accepted"]
    assert (await people.history(other))[-2:] == ["user.added", "user.invitation_accepted"]
    assert "user.invitation_accepted" not in await people.history(third)
    await people.invite_to(third, KIM)
    assert (await people.history(third))[-1] == "user.added", "they came before"
