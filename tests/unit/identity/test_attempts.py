"""How often a sign-in may fail."""

from __future__ import annotations

import pytest

from keywright.errors import TooManyRequests
from keywright.identity import SignInAttempts


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def refused(attempts: SignInAttempts, email: str) -> int:
    """After how many seconds to come back; 0 if let through."""
    try:
        attempts.begin(email)
    except TooManyRequests as error:
        return error.retry_after_seconds
    return 0


def test_ten_within_five_minutes_and_no_more():
    time = Time()
    attempts = SignInAttempts(time)
    for _ in range(10):
        assert refused(attempts, "a@example.com") == 0
        time.now += 10
    assert refused(attempts, "A@Example.com") == 200
    time.now += 199.5
    assert refused(attempts, "a@example.com") == 1, "what was refused does not make it longer"
    assert refused(attempts, "b@example.com") == 0
    time.now += 0.5
    assert refused(attempts, "a@example.com") == 0
    assert refused(attempts, "a@example.com") == 10, "the other nine still count"
    time.now += 300
    assert [refused(attempts, "a@example.com") for _ in range(11)] == [0] * 10 + [300]


def test_failures_that_lie_far_apart_do_not_add_up():
    time = Time()
    attempts = SignInAttempts(time)
    for _ in range(100):
        assert refused(attempts, "a@example.com") == 0
        time.now += 31


def test_the_right_password_starts_anew():
    attempts = SignInAttempts(Time())
    attempts.succeeded("a@example.com")
    for _ in range(3):
        assert [refused(attempts, "a@example.com") for _ in range(10)] == [0] * 10
        attempts.succeeded("A@example.com")


@pytest.mark.parametrize("more", [1, 50])
def test_memory_is_bounded_and_the_oldest_goes(more: int):
    attempts = SignInAttempts(Time(), max_addresses=100)
    for number in range(100 + more):
        for _ in range(10):
            attempts.begin(f"{number}@example.com")
    assert len(attempts._tried_at) == 100
    assert refused(attempts, f"{more}@example.com") == 300
    assert refused(attempts, f"{99 + more}@example.com") == 300
    assert refused(attempts, "0@example.com") == 0
