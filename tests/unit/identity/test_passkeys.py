"""Passkeys, against an authenticator in software: made, used for all they are good for, forged, refused."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
from people_world import KIM, OPENING, OPERATOR, PeopleWorld

from keywright.accounts import Principal, require_fresh_proof
from keywright.errors import Conflict, InvalidRequest, KeywrightError, NotFound, ProofRequired, Unauthenticated
from keywright.identity import (
    SecondFactorRequired,
    begin_second_factor,
    find_half_sign_in,
    finish_with_code,
    list_second_factors,
    remove_user,
)
from keywright.identity.passkey_answers import (
    begin_passkey_proof,
    begin_passkey_sign_in,
    finish_with_passkey,
    open_session_with_passkey,
    prove_with_passkey,
    second_factor_options,
)
from keywright.identity.passkeys import PasskeyQuestion, add_passkey, begin_passkey, remove_passkey
from keywright.identity.relying_party import RelyingParty
from support.soft_authenticator import ATTESTED, USER_PRESENT, USER_VERIFIED, SoftAuthenticator, decode, encode

HERE = RelyingParty("keys.example.com", "https://keys.example.com")
ASKED: dict[str, Any] = {"relying_party": HERE, "random_bytes": os.urandom}


class Passkeys:
    """The edge's part of it."""

    def __init__(self, people: PeopleWorld) -> None:
        self.people = people

    async def make(
        self, principal: Principal, device: SoftAuthenticator | None = None, name: str = "Phone", **lies: Any
    ) -> tuple[SoftAuthenticator, list[str]]:
        """A passkey and the recovery codes that came with it."""
        device = device or SoftAuthenticator(HERE.origin)
        question = await self.people.write(begin_passkey, principal, **ASKED)
        answer = device.create(question.options, **lies)
        _, codes = await self.people.write(
            add_passkey, principal, question.token, answer, name=name, outbox=self.people.outbox, **ASKED
        )
        return device, codes

    async def ask(self) -> PasskeyQuestion:
        return await self.people.write(begin_passkey_sign_in, **ASKED)

    async def enter(self, token: str, answer: str) -> Principal:
        """Sign in with a passkey alone."""
        return await self.people.visitor(
            await self.people.write(open_session_with_passkey, token, answer, OPENING, **ASKED)
        )

    async def half(self, email: str = KIM) -> PasskeyQuestion:
        """A sign-in whose password was right, and what it asks of a passkey."""
        sign_in = await self.people.sign_in(email)
        token = await self.people.write(begin_second_factor, sign_in, random_bytes=os.urandom)
        half = await self.people.read(find_half_sign_in, token)
        return PasskeyQuestion(token, await self.people.read(second_factor_options, half, HERE))

    async def finish(self, token: str, answer: str) -> Principal:
        return await self.people.visitor(await self.people.write(finish_with_passkey, token, answer, OPENING, **ASKED))


@pytest.fixture
def passkeys(people: PeopleWorld) -> Passkeys:
    return Passkeys(people)


@pytest.fixture
async def kim(people: PeopleWorld) -> Principal:
    await people.person()
    return await people.signed_in()


@pytest.fixture
async def phone(passkeys: Passkeys, kim: Principal) -> SoftAuthenticator:
    return (await passkeys.make(kim))[0]


async def test_what_the_browser_is_asked_to_make(people: PeopleWorld, passkeys: Passkeys, kim: Principal):
    first, _ = await passkeys.make(kim)
    asked = json.loads((await people.write(begin_passkey, kim, **ASKED)).options)
    assert asked["rp"] == {"id": "keys.example.com", "name": "Keywright"}
    assert asked["user"] == {"id": encode(kim.id.encode()), "name": KIM, "displayName": KIM}
    assert asked["authenticatorSelection"]["residentKey"] == "required"
    assert asked["authenticatorSelection"]["userVerification"] == "required"
    assert asked["attestation"] == "none"
    assert [each["id"] for each in asked["excludeCredentials"]] == [encode(first.credential_id)]
    assert {each["alg"] for each in asked["pubKeyCredParams"]} >= {-7, -257}


@pytest.mark.parametrize("algorithm", ["es256", "eddsa"])
async def test_a_passkey_signs_in_by_itself(people: PeopleWorld, passkeys: Passkeys, kim: Principal, algorithm: str):
    device, codes = await passkeys.make(kim, SoftAuthenticator(HERE.origin, algorithm=algorithm))
    assert len(codes) == 10
    people.now += 3600
    question = await passkeys.ask()
    asked = json.loads(question.options)
    assert (asked["rpId"], asked["userVerification"]) == ("keys.example.com", "required")
    assert not asked.get("allowCredentials")
    found = await passkeys.enter(question.token, device.get(question.options))
    assert (found.id, found.name, found.proved_at) == (kim.id, KIM, people.now * 1000)
    (kept,) = (await people.read(list_second_factors, kim)).passkeys
    assert (kept.name, kept.sign_count, kept.last_used_at) == ("Phone", 1, people.now * 1000)
    assert await people.history() == ["person.passkey_added"]


async def test_with_a_passkey_the_password_alone_opens_nothing(people: PeopleWorld, passkeys: Passkeys, kim: Principal):
    elsewhere = await people.open()
    device, codes = await passkeys.make(kim)
    with pytest.raises(Unauthenticated):
        await people.visitor(elsewhere)
    with pytest.raises(SecondFactorRequired):
        await people.open()
    question = await passkeys.half()
    asked = json.loads(question.options)
    assert [each["id"] for each in asked["allowCredentials"]] == [encode(device.credential_id)]
    assert (await passkeys.finish(question.token, device.get(question.options))).id == kim.id
    question = await passkeys.half()
    assert await people.write(
        finish_with_code,
        question.token,
        codes[0],
        OPENING,
        keyring=people.keyring,
        random_bytes=os.urandom,
        outbox=people.outbox,
    )


async def test_a_second_one_brings_no_codes_and_ends_no_session(
    people: PeopleWorld, passkeys: Passkeys, kim: Principal, phone: SoftAuthenticator
):
    question = await passkeys.ask()
    other = await passkeys.enter(question.token, phone.get(question.options))
    _, codes = await passkeys.make(kim, name="Laptop")
    assert codes == []
    found = await people.read(list_second_factors, other)
    assert sorted(each.name for each in found.passkeys) == ["Laptop", "Phone"]
    assert found.recovery_codes_left == 10


async def test_a_passkey_is_a_fresh_proof(people: PeopleWorld, kim: Principal, phone: SoftAuthenticator):
    people.now += 3600
    with pytest.raises(ProofRequired):
        require_fresh_proof(kim, int(people.now * 1000))
    question = await people.write(begin_passkey_proof, kim, **ASKED)
    answer = phone.get(question.options)
    proved = await people.write(prove_with_passkey, kim, question.token, answer, relying_party=HERE)
    require_fresh_proof(proved, int(people.now * 1000))
    with pytest.raises(Unauthenticated):
        await people.write(prove_with_passkey, kim, question.token, answer, relying_party=HERE)


async def test_nobody_proves_for_someone_else(people: PeopleWorld, passkeys: Passkeys, kim: Principal):
    await people.person("other@example.com")
    other = await people.signed_in("other@example.com")
    mine, theirs = (await passkeys.make(kim))[0], (await passkeys.make(other))[0]
    await people.person("third@example.com")
    third = await people.signed_in("third@example.com")
    with pytest.raises(NotFound, match="give your password"):
        await people.write(begin_passkey_proof, third, **ASKED)
    question = await people.write(begin_passkey_proof, kim, **ASKED)
    for who, device in ((kim, theirs), (other, mine), (other, theirs)):
        with pytest.raises(Unauthenticated):
            await people.write(
                prove_with_passkey, who, question.token, device.get(question.options), relying_party=HERE
            )
    question = await passkeys.half()
    with pytest.raises(Unauthenticated):
        await passkeys.finish(question.token, theirs.get(question.options))


# --- forged and repeated ---------------------------------------------------------------------------------

LIES: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "https://keys.example.com.evil.example"},
    "another port": {"origin": "https://keys.example.com:8443"},
    "without TLS": {"origin": "http://keys.example.com"},
    "another host's": {"rp_id": "evil.example"},
    "another challenge": {"challenge": encode(b"x" * 32)},
    "no challenge": {"challenge": ""},
    "nobody there": {"flags": USER_VERIFIED},
    "nobody verified": {"flags": USER_PRESENT},
    "no signature": {"signature": b""},
    "a made-up signature": {"signature": b"0" * 70},
    "a registration": {"type": "webauthn.create"},
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_forged_answer_is_refused_everywhere(
    people: PeopleWorld, passkeys: Passkeys, kim: Principal, phone: SoftAuthenticator, lie: str
):
    async def prove(token: str, answer: str) -> Principal:
        return await people.write(prove_with_passkey, kim, token, answer, relying_party=HERE)

    ways: list[tuple[PasskeyQuestion, Callable[[str, str], Awaitable[Principal]]]] = [
        (await passkeys.ask(), passkeys.enter),
        (await passkeys.half(), passkeys.finish),
        (await people.write(begin_passkey_proof, kim, **ASKED), prove),
    ]
    before = people.rows("sessions")
    for question, way in ways:
        with pytest.raises(Unauthenticated):
            await way(question.token, phone.get(question.options, **LIES[lie]))
    assert people.rows("sessions") == before
    for question, way in ways:  # what was refused is still to be answered, truthfully
        assert (await way(question.token, phone.get(question.options))).id == kim.id


@pytest.mark.parametrize(
    "lie",
    [
        *({name: LIES[name]} for name in ("another origin", "without TLS", "another host's", "another challenge")),
        {"nobody there": {"flags": USER_VERIFIED | ATTESTED}},
        {"nobody verified": {"flags": USER_PRESENT | ATTESTED}},
        {"no key": {"flags": USER_PRESENT | USER_VERIFIED}},
        {"an assertion": {"type": "webauthn.get"}},
    ],
    ids=lambda lie: next(iter(lie)),
)
async def test_a_forged_passkey_is_not_taken(
    people: PeopleWorld, passkeys: Passkeys, kim: Principal, lie: dict[str, dict[str, Any]]
):
    with pytest.raises(InvalidRequest, match="passkey"):
        await passkeys.make(kim, **next(iter(lie.values())))
    assert people.rows("passkeys") == 0
    assert await people.open(), "and the password is still enough"


async def test_an_answer_is_good_once(people: PeopleWorld, passkeys: Passkeys, phone: SoftAuthenticator):
    question = await passkeys.ask()
    answer = phone.get(question.options)
    found = await asyncio.gather(*(passkeys.enter(question.token, answer) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(each, Principal) for each in found) == 1
    again = await passkeys.ask()
    with pytest.raises(Unauthenticated):
        await passkeys.enter(again.token, answer)


async def test_an_answer_is_good_for_what_was_asked(
    people: PeopleWorld, passkeys: Passkeys, kim: Principal, phone: SoftAuthenticator
):
    sign_in, half = await passkeys.ask(), await passkeys.half()
    proof = await people.write(begin_passkey_proof, kim, **ASKED)
    for question, way in ((half, passkeys.enter), (proof, passkeys.enter), (sign_in, passkeys.finish)):
        with pytest.raises(Unauthenticated, match="begin anew"):
            await way(question.token, phone.get(question.options))


async def test_an_answer_comes_within_five_minutes(
    people: PeopleWorld, passkeys: Passkeys, kim: Principal, phone: SoftAuthenticator
):
    question, making = await passkeys.ask(), await people.write(begin_passkey, kim, **ASKED)
    people.now += 300
    with pytest.raises(Unauthenticated, match="five minutes"):
        await passkeys.enter(question.token, phone.get(question.options))
    answer = SoftAuthenticator(HERE.origin).create(making.options)
    with pytest.raises(Unauthenticated, match="five minutes"):
        await people.write(add_passkey, kim, making.token, answer, name="Late", outbox=people.outbox, **ASKED)


async def test_a_count_that_does_not_grow_is_a_copy(passkeys: Passkeys, phone: SoftAuthenticator):
    question = await passkeys.ask()
    phone.sign_count = 41
    await passkeys.enter(question.token, phone.get(question.options))
    for count in (42, 41, 1, 0):
        question = await passkeys.ask()
        phone.sign_count = count
        with pytest.raises(Unauthenticated):
            await passkeys.enter(question.token, phone.get(question.options, counts=False))
    question = await passkeys.ask()
    phone.sign_count = 43
    assert await passkeys.enter(question.token, phone.get(question.options, counts=False))


async def test_passkeys_that_do_not_count_work_again_and_again(passkeys: Passkeys, phone: SoftAuthenticator):
    for _ in range(3):
        question = await passkeys.ask()
        assert await passkeys.enter(question.token, phone.get(question.options, counts=False))


async def test_a_passkey_says_whose_it_is(people: PeopleWorld, passkeys: Passkeys, phone: SoftAuthenticator):
    other = await people.person("other@example.com")
    question = await passkeys.ask()
    for handle in (other.encode(), b"usr_x"):
        with pytest.raises(Unauthenticated):
            await passkeys.enter(question.token, phone.get(question.options, user_handle=handle))
    phone.user_handle, handle = b"", phone.user_handle
    with pytest.raises(Unauthenticated):
        await passkeys.enter(question.token, phone.get(question.options))
    half = await passkeys.half()
    assert await passkeys.finish(half.token, phone.get(half.options)), "named before, it need not say so"
    assert await passkeys.enter(question.token, phone.get(question.options, user_handle=handle))


async def test_someone_elses_beginning_or_passkey_is_not_taken(
    people: PeopleWorld, passkeys: Passkeys, kim: Principal, phone: SoftAuthenticator
):
    await people.person("other@example.com")
    other = await people.signed_in("other@example.com")
    making = await people.write(begin_passkey, kim, **ASKED)
    answer = SoftAuthenticator(HERE.origin).create(making.options)
    with pytest.raises(Unauthenticated, match="someone else"):
        await people.write(add_passkey, other, making.token, answer, name="Theirs", outbox=people.outbox, **ASKED)
    with pytest.raises(Conflict, match="in use already"):
        await passkeys.make(other, phone)
    assert people.rows("passkeys") == 1


async def test_ten_passkeys_and_no_more(people: PeopleWorld, passkeys: Passkeys, kim: Principal):
    waiting = await people.write(begin_passkey, kim, **ASKED)
    for number in range(10):
        await passkeys.make(kim, name=str(number))
    with pytest.raises(Conflict, match="10 passkeys"):
        await passkeys.make(kim)
    answer = SoftAuthenticator(HERE.origin).create(waiting.options)
    with pytest.raises(Conflict, match="10 passkeys"):
        await people.write(add_passkey, kim, waiting.token, answer, name="11", outbox=people.outbox, **ASKED)
    assert people.rows("passkeys") == 10


async def test_a_removed_passkey_is_nothing(
    people: PeopleWorld, passkeys: Passkeys, kim: Principal, phone: SoftAuthenticator
):
    (kept,) = (await people.read(list_second_factors, kim)).passkeys
    await people.person("other@example.com")
    other = await people.signed_in("other@example.com")
    for who, name in ((other, kept.passkey_id), (kim, ""), (kim, "x")):
        with pytest.raises(NotFound):
            await people.write(remove_passkey, who, name, outbox=people.outbox)
    await people.write(remove_passkey, kim, kept.passkey_id, outbox=people.outbox)
    question = await passkeys.ask()
    with pytest.raises(Unauthenticated):
        await passkeys.enter(question.token, phone.get(question.options))
    assert await people.open()
    assert people.rows("recovery_codes") == 0
    assert (await people.history())[-1] == "person.passkey_removed"


async def test_an_old_session_makes_and_removes_none(people: PeopleWorld, kim: Principal, phone: SoftAuthenticator):
    making = await people.write(begin_passkey, kim, **ASKED)
    answer = SoftAuthenticator(HERE.origin).create(making.options)
    people.now += 600
    for attempt in (
        people.write(begin_passkey, kim, **ASKED),
        people.write(add_passkey, kim, making.token, answer, name="x", outbox=people.outbox, **ASKED),
        people.write(remove_passkey, kim, encode(phone.credential_id), outbox=people.outbox),
    ):
        with pytest.raises(ProofRequired):
            await attempt


async def test_passkeys_go_with_the_last_membership(
    people: PeopleWorld, passkeys: Passkeys, kim: Principal, phone: SoftAuthenticator
):
    await people.person("other@example.com")
    question = await passkeys.ask()
    await people.write(remove_user, OPERATOR, people.account, kim.id, outbox=people.outbox)
    with pytest.raises(Unauthenticated):
        await passkeys.enter(question.token, phone.get(question.options))
    assert people.rows("passkeys") == 0


NONSENSE: list[Any] = [None, True, 0, -1.5, "", "x", "\x00", "=", "é", [], ["x"], {}, {"id": "x"}, "A" * 5000]


def broken(random: Random, true: str) -> str:
    """A true answer in which one part is nonsense, or has other bytes than it had."""
    document = json.loads(true)
    member = random.choice(["id", "rawId", "type", "response", *document["response"], *document["response"]])
    if member in {"id", "rawId", "type", "response"}:
        document[member] = random.choice(NONSENSE)
    elif random.random() < 0.3:
        document["response"][member] = random.choice(NONSENSE)
    else:
        content = bytearray(decode(document["response"][member]))
        for _ in range(random.choice([1, 1, 4])):
            content[random.randrange(len(content))] ^= random.randrange(1, 256)
        document["response"][member] = encode(bytes(content[: random.choice([len(content), random.randrange(200)])]))
    return json.dumps(document)


async def test_whatever_is_sent_is_refused_in_words(
    people: PeopleWorld, passkeys: Passkeys, kim: Principal, phone: SoftAuthenticator
):
    random = Random(20261123)
    question, making = await passkeys.ask(), await people.write(begin_passkey, kim, **ASKED)
    signed, made = phone.get(question.options), SoftAuthenticator(HERE.origin).create(making.options)
    nonsense = ["", "{", "[" * 100_000, "\ud800", *map(json.dumps, NONSENSE)]
    for answer in (*nonsense, *(broken(random, signed) for _ in range(200))):
        with pytest.raises(Unauthenticated):
            await passkeys.enter(question.token, answer)
    for answer in (*nonsense, *(broken(random, made) for _ in range(400))):
        # It is signed by nobody: with some other byte it may be whole. What counts is that nothing else is raised.
        with contextlib.suppress(KeywrightError):
            await people.write(add_passkey, kim, making.token, answer, name="x", outbox=people.outbox, **ASKED)
            making = await people.write(begin_passkey, kim, **ASKED)
            made = SoftAuthenticator(HERE.origin).create(making.options)
    assert await passkeys.enter(question.token, phone.get(question.options)), "the true answer still holds"
