"""A verdict at once and one that is waited for are the same; only what must be waited for is."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import keywright
from keywright.credentials import VerificationKey
from keywright.errors import RefusalCode, Refused, Unavailable
from keywright.formats import format_client_secret, new_client_id
from keywright.signatures import Profile, SignedRequest, decode_fields
from keywright.verification import Accepted, EmbeddedNonceStore, Verdict, VerificationService, settled
from keywright.verification.nonces import ReplayVerdict

URL, SECRET = "https://api.example.com/v1/payments?a=b", bytes(range(32))


@dataclass
class Keys:
    """One key, at hand or not."""

    key: VerificationKey
    is_at_hand: bool
    asked: list[str] = field(default_factory=list)

    def cached(self, client_id: str) -> VerificationKey | None:
        return self.key if self.is_at_hand and client_id == self.key.client_id else None

    async def find(self, client_id: str) -> VerificationKey | None:
        self.asked.append(client_id)
        await asyncio.sleep(0)
        return self.key if client_id == self.key.client_id else None


@dataclass
class SlowNonces:
    """The host's own memory, answering as late as Valkey does."""

    nonces: EmbeddedNonceStore

    async def remember(self, *question: object) -> ReplayVerdict:
        await asyncio.sleep(0)
        return self.nonces.remember(*question)  # type: ignore[arg-type]


class NoTokens:
    def read(self, token: str, now: float) -> Refused:
        raise AssertionError("no token was sent")


class Uses:
    def __init__(self) -> None:
        self.noted: list[str] = []

    def note(self, client_id: str, now: float) -> None:
        self.noted.append(client_id)


@pytest.fixture
def nonces(tmp_path: Path):
    store = EmbeddedNonceStore.open(tmp_path / "nonces", clock=time.time, max_age_seconds=300, max_ahead_seconds=30)
    yield store
    store.close()


@dataclass
class World:
    """A verifier with one key, and what was told to it."""

    nonces: EmbeddedNonceStore
    at_hand: bool = True
    slow: bool = False
    access: bool = True

    def __post_init__(self) -> None:
        self.client_id = new_client_id(os.urandom)
        created_at = time.time()  # after the memory began, so no use of it can be forgotten
        key = VerificationKey(self.client_id, "acc_1", "corporate", "hmac-sha256", SECRET, created_at, self.access)
        self.keys, self.uses = Keys(key, self.at_hand), Uses()
        self.service = VerificationService(
            self.keys,  # type: ignore[arg-type]
            SlowNonces(self.nonces) if self.slow else self.nonces,  # type: ignore[arg-type]
            self.uses,  # type: ignore[arg-type]
            Profile(),
            time.time,
            tokens=NoTokens(),
        )

    def signed(self, client_id: str = "") -> dict[str, str]:
        key = keywright.Credential(
            client_id or self.client_id, format_client_secret(SECRET, "live"), algorithm="hmac-sha256"
        )
        return {"Host": "api.example.com", **keywright.sign(key, method="GET", url=URL)}

    def judge(self, headers: dict[str, str], *, decoded: bool = True) -> Verdict | Awaitable[Verdict]:
        lines, fields = decode_fields([(name.encode(), value.encode()) for name, value in headers.items()])
        return self.service.judge(SignedRequest("GET", URL, lines, b""), fields if decoded else None)


EVERY_WAY = pytest.mark.parametrize(("at_hand", "slow"), [*itertools.product([True, False], repeat=2)], ids=str)


@EVERY_WAY
async def test_only_what_must_be_waited_for_is_and_the_verdict_is_the_same(nonces, at_hand: bool, slow: bool):
    world = World(nonces, at_hand, slow)
    headers = world.signed()
    found = world.judge(headers)
    assert isinstance(found, Accepted) is (at_hand and not slow)
    accepted = await settled(found)
    assert accepted == Accepted(
        world.client_id, "acc_1", "corporate", "signature", ("@method", "@target-uri"), body_verified=True
    )
    again = await settled(world.judge(headers, decoded=False))
    assert isinstance(again, Refused)
    assert again.code is RefusalCode.NONCE_REPLAYED
    assert world.uses.noted == [world.client_id]
    assert world.keys.asked == ([] if at_hand else [world.client_id] * 2)


@EVERY_WAY
async def test_what_is_refused_uses_up_nothing(nonces, at_hand: bool, slow: bool):
    world = World(nonces, at_hand, slow)
    headers = world.signed()
    tampered = {**headers, "Signature": headers["Signature"].replace("sig1=:", "sig1=:" + "A" * 4, 1)[:-6] + "A=:"}
    refused = await settled(world.judge(tampered))
    assert isinstance(refused, Refused)
    assert refused.code in {RefusalCode.SIGNATURE_INVALID, RefusalCode.SIGNATURE_MALFORMED}
    assert isinstance(await settled(world.judge(headers)), Accepted)

    off = World(nonces, at_hand, slow, access=False)
    refused = await settled(off.judge(off.signed()))
    assert isinstance(refused, Refused)
    assert refused.code is RefusalCode.API_ACCESS_DISABLED
    assert off.uses.noted == []


async def test_unknown_keys_are_looked_up_if_they_could_be_ours(nonces):
    world = World(nonces, at_hand=False)
    for client_id, asked in ((new_client_id(os.urandom), True), ("ck_made-up", False)):
        world.keys.asked.clear()
        refused = await settled(world.judge({**world.signed(), **_named(world, client_id)}))
        assert isinstance(refused, Refused)
        assert (refused.code, bool(world.keys.asked)) == (RefusalCode.CREDENTIAL_UNKNOWN, asked)


async def test_a_key_that_does_not_come_in_time_is_no_verdict(nonces):
    world = World(nonces, at_hand=False)
    world.service._patience_seconds = 0.01

    async def never(_client_id: str) -> None:
        await asyncio.Event().wait()

    world.keys.find = never  # type: ignore[method-assign,assignment]
    with pytest.raises(Unavailable, match="in time"):
        await settled(world.judge(world.signed()))


def _named(world: World, client_id: str) -> dict[str, str]:
    """The same signature, said to be of another key."""
    return {"Signature-Input": world.signed()["Signature-Input"].replace(world.client_id, client_id)}
