"""Who is told of what happens to users and to sign-ins: nobody gets in, or puts someone out, unnoticed."""

from __future__ import annotations

import os
from typing import Any

import pyotp
import pytest
from people_world import KIM, OPENING, OPERATOR, PeopleWorld

from keywright.accounts import AccountType, Principal, PrincipalKind, Role, change_role
from keywright.accounts.news import MOST_MANAGERS_TOLD
from keywright.accounts.principal import TokenScope
from keywright.errors import Unauthenticated
from keywright.identity import (
    Opening,
    accept_invitation,
    begin_totp,
    change_password,
    confirm_totp,
    find_own_sign_in,
    open_session_with_code,
    remove_totp,
    remove_user,
    renew_recovery_codes,
    request_password_reset,
    reset_password,
)
from keywright.identity.passkeys import add_passkey, begin_passkey, remove_passkey
from keywright.identity.relying_party import RelyingParty
from support.soft_authenticator import SoftAuthenticator, encode

OLGA, OTTO = "olga@example.com", "otto@example.com"
RITA = Principal(PrincipalKind.OPERATOR, "usr_rita", "rita@bank.example")
HERE = RelyingParty("keys.example.com", "https://keys.example.com")
ADDED, AGAIN = "New user in Acme", "User invited again in Acme"
CHANGED, REMOVED = "Role changed in Acme", "User removed in Acme"


@pytest.fixture
async def owners(people: PeopleWorld) -> PeopleWorld:
    """An account with two Owners who have come, one who has not, and an Admin."""
    await people.person(OLGA)
    await people.person(OTTO)
    await people.invite("late@example.com")
    _, token = await people.invite("adam@example.com", Role.ADMIN)
    await people.write(accept_invitation, token, password_hash="hash of adam")
    people.subjects()
    return people


async def test_a_new_user_is_told_to_all_managers_when_the_platform_adds_them(owners: PeopleWorld):
    await owners.invite_to(owners.account, KIM, Role.OWNER, by=RITA)
    assert owners.subjects() == [
        (KIM, "Your invitation to Acme"),
        (OLGA, ADDED),
        (OTTO, ADDED),
    ], "not those who have not come, nor those who do not manage users"
    text = next(text for to, text in reversed(owners.mail()) if to == OLGA)
    for word in (KIM, "Owner", "rita@bank.example, relationship manager", owners.account):
        assert word in text
    owners.now += 60
    await owners.invite_to(owners.account, KIM, Role.OWNER, by=RITA)
    assert owners.subjects() == [(KIM, "Your invitation to Acme"), (OLGA, AGAIN), (OTTO, AGAIN)]


async def test_someone_who_can_sign_in_already_is_told_of_likewise(owners: PeopleWorld):
    other = await owners.another_account()
    await owners.invite_to(other, OLGA, Role.OWNER)
    assert owners.subjects() == [(OLGA, "You have been added to Other")], "no manager there yet, and no news of oneself"
    await owners.invite_to(other, OTTO, Role.VIEWER)
    assert owners.subjects() == [(OLGA, "New user in Other"), (OTTO, "You have been added to Other")]


async def test_who_does_it_is_not_told(owners: PeopleWorld):
    olga = await owners.signed_in(OLGA)
    invited = await owners.invite_to(owners.account, KIM, by=olga)
    kim = invited.member.person.person_id
    assert owners.subjects() == [(KIM, "Your invitation to Acme"), (OTTO, ADDED)]
    await owners.write(change_role, olga, owners.account, kim, role=Role.OWNER, outbox=owners.outbox)
    assert owners.subjects() == [(KIM, "Your role in Acme was changed"), (OTTO, CHANGED)]
    await owners.write(change_role, olga, owners.account, kim, role=Role.OWNER, outbox=owners.outbox)
    assert owners.subjects() == [], "nothing changed, so nobody is told"
    await owners.write(remove_user, olga, owners.account, kim, outbox=owners.outbox)
    assert owners.subjects() == [(KIM, "You were removed from Acme"), (OTTO, REMOVED)]
    await owners.write(remove_user, olga, owners.account, olga.id, outbox=owners.outbox)
    assert owners.subjects() == [(OTTO, REMOVED)], "whoever leaves knows it"


async def test_an_owner_whom_the_platform_demotes_or_removes_is_told(owners: PeopleWorld):
    otto = (await owners.sign_in(OTTO)).person_id
    await owners.write(change_role, RITA, owners.account, otto, role=Role.VIEWER, outbox=owners.outbox)
    assert owners.subjects() == [(OLGA, CHANGED), (OTTO, "Your role in Acme was changed")]
    assert "Viewer" in owners.mail()[-1][1]
    assert "Owner" in owners.mail()[-1][1]
    await owners.write(remove_user, RITA, owners.account, otto, outbox=owners.outbox)
    assert owners.subjects() == [(OLGA, REMOVED), (OTTO, "You were removed from Acme")]


async def test_a_backend_that_acts_for_someone_says_so_and_they_are_told(owners: PeopleWorld):
    backend = Principal(PrincipalKind.OPERATOR_TOKEN, "opt_2", "backend", TokenScope.PLATFORM, on_behalf_of=OLGA)
    await owners.invite_to(owners.account, KIM, by=backend)
    assert (OLGA, ADDED) in owners.subjects()
    assert f"{OLGA}, through the platform" in owners.mail()[-2][1]


async def test_a_partners_managers_are_its_partner_admins(people: PeopleWorld):
    partner = await people.another_account(AccountType.PARTNER)
    await people.person(OLGA)
    await people.invite_to(partner, OLGA, Role.PARTNER_ADMIN)
    people.subjects()
    await people.invite_to(partner, KIM, Role.ONBOARDING_AGENT)
    assert people.subjects() == [(KIM, "Your invitation to Other"), (OLGA, "New user in Other")]


async def test_at_most_twenty_are_told(people: PeopleWorld):
    for number in range(MOST_MANAGERS_TOLD + 2):
        await people.person(f"owner{number}@example.com")
        people.now += 1
    people.subjects()
    await people.invite_to(people.account, KIM)
    told = [to for to, subject in people.subjects() if subject == ADDED]
    assert sorted(told) == sorted(f"owner{number}@example.com" for number in range(MOST_MANAGERS_TOLD))


async def test_managers_are_told_however_much_mail_they_had(owners: PeopleWorld):
    for number in range(30):
        await owners.invite_to(owners.account, f"puppet{number}@example.com", by=RITA)
    assert [subject for to, subject in owners.subjects() if to == OTTO] == [ADDED] * 30


# --- sign-ins ------------------------------------------------------------------------------------------------


async def test_whatever_changes_a_sign_in_is_told_with_when_and_where(people: PeopleWorld):
    await people.person()
    kim = await people.visitor(await people.open(opening=Opening("198.51.100.7", "tests", 43200)))
    tools: dict[str, Any] = {"random_bytes": os.urandom, "outbox": people.outbox}
    people.subjects()

    def assert_told(*words: str, address: str | None = "198.51.100.7") -> None:
        assert people.subjects() == [(KIM, "Your sign-in was changed")]
        text = " ".join(people.mail()[-1][1].split())
        for word in (*words, " UTC", "If this was not you", "https://keys.example.com/forgot-password"):
            assert word in text
        assert ("From:" in text) is (address is not None)
        assert address is None or address in text

    checked = await people.read(find_own_sign_in, kim)
    kim = await people.write(change_password, kim, checked, password_hash="new hash", outbox=people.outbox)
    assert_told("The password with which you sign in was changed")

    setup = await people.write(begin_totp, kim, keyring=people.keyring, random_bytes=os.urandom)
    assert people.subjects() == []
    app = pyotp.parse_uri(setup.uri)
    await people.write(confirm_totp, kim, app.at(people.now), keyring=people.keyring, **tools)
    assert_told("one-time codes from an app")

    codes = await people.write(renew_recovery_codes, kim, **tools)
    assert_told("New recovery codes")
    sign_in = await people.sign_in()
    await people.write(open_session_with_code, sign_in, codes[0], OPENING, keyring=people.keyring, **tools)
    assert_told("one of your recovery codes", address=OPENING.address)
    people.now += 30
    await people.write(open_session_with_code, sign_in, app.at(people.now), OPENING, keyring=people.keyring, **tools)
    assert people.subjects() == [], "an ordinary sign-in is no news"

    device = SoftAuthenticator(HERE.origin)
    question = await people.write(begin_passkey, kim, relying_party=HERE, random_bytes=os.urandom)
    answer = device.create(question.options)
    await people.write(add_passkey, kim, question.token, answer, name="Phone {0}", relying_party=HERE, **tools)
    assert_told("The passkey Phone {0} was added")
    await people.write(remove_passkey, kim, encode(device.credential_id), outbox=people.outbox)
    assert_told("The passkey Phone {0} was removed")
    await people.write(remove_totp, kim, outbox=people.outbox)
    assert_told("The app for one-time codes was removed")

    await people.write(request_password_reset, KIM, outbox=people.outbox, random_bytes=os.urandom)
    people.subjects()
    link = people.links()[-1]
    await people.write(reset_password, link, password_hash="h", outbox=people.outbox, address="203.0.113.9")
    assert_told("set with a link from a mail", address="203.0.113.9")
    await people.write(request_password_reset, KIM, outbox=people.outbox, random_bytes=os.urandom)
    people.subjects()
    await people.write(reset_password, people.links()[-1], password_hash="h", outbox=people.outbox)
    assert_told("set with a link from a mail", address=None)


async def test_a_wrong_code_is_no_news(people: PeopleWorld):
    await people.person()
    kim = await people.signed_in()
    tools: dict[str, Any] = {"keyring": people.keyring, "random_bytes": os.urandom, "outbox": people.outbox}
    setup = await people.write(begin_totp, kim, keyring=people.keyring, random_bytes=os.urandom)
    await people.write(confirm_totp, kim, pyotp.parse_uri(setup.uri).at(people.now), **tools)
    people.subjects()
    with pytest.raises(Unauthenticated, match="this code is wrong"):
        await people.write(open_session_with_code, await people.sign_in(), "0000", OPENING, **tools)
    assert people.subjects() == []


async def test_the_operator_token_that_invites_is_named(owners: PeopleWorld):
    await owners.invite_to(owners.account, KIM, by=OPERATOR)
    assert any("tests, a program of the platform" in text for to, text in owners.mail() if to == OTTO)
