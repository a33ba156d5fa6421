"""How often something may be tried."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from limits.aio.storage import MemoryStorage

from keywright.errors import TooManyRequests
from keywright.identity.throttle import Throttle, network_of

HERE = "192.0.2.1"


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def throttle(time: Time) -> Throttle:
    return Throttle(clock=time)


async def wait_of(attempt: Coroutine[Any, Any, None]) -> int:
    """After how many seconds to come back; 0 if let through."""
    try:
        await attempt
    except TooManyRequests as error:
        return error.retry_after_seconds
    return 0


async def waits(attempt: Callable[[], Coroutine[Any, Any, None]], times: int) -> list[int]:
    return [await wait_of(attempt()) for _ in range(times)]


async def test_ten_sign_ins_within_five_minutes_and_no_more(throttle: Throttle, time: Time):
    def attempt(email: str = "a@example.com") -> Coroutine[Any, Any, None]:
        return throttle.begin_sign_in(email, HERE)

    for _ in range(10):
        assert await wait_of(attempt()) == 0
        time.now += 10
    assert await wait_of(attempt("A@Example.com")) == 200
    time.now += 199.5
    assert await wait_of(attempt()) == 1, "what was refused does not make it longer"
    assert await wait_of(attempt("b@example.com")) == 0
    time.now += 0.5
    assert await wait_of(attempt()) == 0
    assert await wait_of(attempt()) == 10, "the other nine still count"
    time.now += 300
    assert await waits(attempt, 11) == [0] * 10 + [300]


async def test_failures_that_lie_far_apart_do_not_add_up(throttle: Throttle, time: Time):
    for _ in range(100):
        assert await wait_of(throttle.begin_sign_in("a@example.com", HERE)) == 0
        time.now += 31


async def test_a_stranger_elsewhere_does_not_keep_a_person_out(throttle: Throttle):
    for network in range(9):
        assert await waits(lambda n=network: throttle.begin_sign_in("a@example.com", f"198.51.100.{n}"), 10) == [0] * 10
    assert await wait_of(throttle.begin_sign_in("a@example.com", "198.51.100.0")) == 300
    assert await wait_of(throttle.begin_sign_in("A@example.com", HERE)) == 0


async def test_many_networks_cannot_guess_on_for_one_person(throttle: Throttle):
    for number in range(100):
        assert await wait_of(throttle.begin_sign_in("a@example.com", f"198.51.100.{number}")) == 0
    assert await wait_of(throttle.begin_sign_in("a@example.com", HERE)) == 3600
    assert await wait_of(throttle.begin_sign_in("b@example.com", HERE)) == 0


async def test_signing_in_starts_anew_for_the_address_and_not_for_the_network(throttle: Throttle):
    await throttle.signed_in("a@example.com", HERE)
    for _ in range(6):
        assert await waits(lambda: throttle.begin_sign_in("a@example.com", HERE), 10) == [0] * 10
        await throttle.signed_in("A@example.com", HERE)
    assert await wait_of(throttle.begin_sign_in("a@example.com", HERE)) == 300
    assert await wait_of(throttle.begin_sign_in("a@example.com", "192.0.2.2")) == 0


async def test_many_at_once_are_no_way_around(throttle: Throttle):
    found = await asyncio.gather(*(wait_of(throttle.begin_sign_in("a@example.com", HERE)) for _ in range(50)))
    assert found.count(0) == 10


async def test_sixty_sign_ins_from_a_network(throttle: Throttle, time: Time):
    for number in range(60):
        assert await wait_of(throttle.begin_sign_in(f"{number}@example.com", HERE)) == 0
    with pytest.raises(TooManyRequests, match="from your network"):
        await throttle.begin_sign_in("new@example.com", HERE)
    for number in range(10):
        assert await wait_of(throttle.begin_sign_in("new@example.com", f"192.0.2.{number + 2}")) == 0, (
            "what the network refused did not count for the address"
        )
    time.now += 300
    assert await wait_of(throttle.begin_sign_in("other@example.com", HERE)) == 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:0db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:127.0.0.1", None),
        ("127.0.0.1", None),
        ("127.1.2.3", None),
        ("::1", None),
        ("", None),
        ("unix", None),
    ],
)
def test_what_counts_as_one_network(address: str, network: str | None):
    assert network_of(address) == network


async def test_an_ipv6_network_is_one_whatever_address_is_used(throttle: Throttle):
    for number in range(60):
        await throttle.begin_sign_in(f"{number}@example.com", f"2001:db8::{number:x}")
    assert await wait_of(throttle.begin_sign_in("x@example.com", "2001:db8::ffff:1")) == 300
    assert await wait_of(throttle.begin_sign_in("x@example.com", "2001:db8:0:1::1")) == 0


async def test_this_machine_is_not_counted(throttle: Throttle):
    for number in range(200):
        await throttle.begin_sign_in(f"{number}@example.com", "127.0.0.1")


async def test_three_resets_for_an_address_and_thirty_for_a_network(throttle: Throttle, time: Time):
    assert [await throttle.may_mail_reset("A@example.com", HERE) for _ in range(4)] == [True] * 3 + [False]
    assert not await throttle.may_mail_reset("a@example.com", "192.0.2.2"), "another network is no way around"
    for number in range(26):
        assert await throttle.may_mail_reset(f"{number}@example.com", HERE)
    assert not await throttle.may_mail_reset("new@example.com", HERE)
    time.now += 900
    assert await throttle.may_mail_reset("a@example.com", HERE)


async def test_five_codes_for_a_challenge_and_ten_for_a_person(throttle: Throttle):
    assert await waits(lambda: throttle.begin_second_factor("usr_1", "first"), 6) == [0] * 5 + [300]
    assert await waits(lambda: throttle.begin_second_factor("usr_1", "second"), 6) == [0] * 5 + [300]
    assert await wait_of(throttle.begin_second_factor("usr_1", "third")) == 300
    assert await wait_of(throttle.begin_second_factor("usr_2", "fourth")) == 0
    await throttle.second_factor_given("usr_1")
    assert await wait_of(throttle.begin_second_factor("usr_1")) == 0


async def test_ten_proofs_for_a_person(throttle: Throttle):
    assert await waits(lambda: throttle.begin_proof("usr_1"), 11) == [0] * 10 + [300]
    assert await wait_of(throttle.begin_second_factor("usr_1")) == 0, "each rule counts for itself"
    await throttle.proof_given("usr_1")
    assert await wait_of(throttle.begin_proof("usr_1")) == 0


async def test_challenges_for_passkeys_are_bounded_for_a_network(throttle: Throttle):
    assert await waits(lambda: throttle.begin_passkey_sign_in(HERE), 61) == [0] * 60 + [300]


@pytest.mark.parametrize("more", [1, 50])
async def test_memory_is_bounded_and_the_oldest_goes(more: int):
    throttle = Throttle(clock=Time(), max_keys=100)
    for number in range(100 + more):
        for _ in range(10):
            await throttle.begin_sign_in(f"{number}@example.com", "")
    assert [len(limiter.storage._tried_at) for limiter in throttle._own.values()] == [100, 100]
    assert await wait_of(throttle.begin_sign_in(f"{more}@example.com", "")) == 300
    assert await wait_of(throttle.begin_sign_in(f"{99 + more}@example.com", "")) == 300
    assert await wait_of(throttle.begin_sign_in("0@example.com", "")) == 0


async def test_whatever_is_typed_can_be_counted(throttle: Throttle):
    for typed in ("", "\x00", "\ud800", "x" * 10_000):
        assert await waits(lambda typed=typed: throttle.begin_sign_in(typed, HERE), 11) == [0] * 10 + [300]


async def test_counts_can_be_kept_where_the_package_knows_how():
    throttle = Throttle(MemoryStorage())
    assert await waits(lambda: throttle.begin_sign_in("a@example.com", HERE), 11) == [0] * 10 + [300]
    await throttle.signed_in("a@example.com", HERE)
    assert await wait_of(throttle.begin_sign_in("a@example.com", HERE)) == 0
