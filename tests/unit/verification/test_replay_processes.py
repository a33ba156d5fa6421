"""Real processes, real kills. What a process reported before it died must be remembered by those who live."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from nonce_child import Child

from keywright.errors import Unavailable
from keywright.verification.replay import EmbeddedNonceStore, ReplayVerdict

FRESH, REPLAYED, UNPROVABLE = ReplayVerdict
APART = 50_000_000
NOT_USED = 0  # in the place of `created`
KEY_MADE_AT = 4e9  # after any loss: whatever is refused here is refused because it is remembered or was dropped


def open_store(directory: Path, **settings) -> EmbeddedNonceStore:
    return EmbeddedNonceStore.open(directory, clock=time.time, max_age_seconds=300, max_ahead_seconds=30, **settings)


def test_processes_that_hammer_the_same_nonces_accept_each_once(tmp_path):
    now = time.time()

    def hammer(report):
        store = open_store(tmp_path / "nonces")
        for n in range(4000):
            if store.remember("ck_one", f"n{n}", int(now), KEY_MADE_AT, now) is FRESH:
                report(n, int(now))

    open_store(tmp_path / "nonces").close()
    children = [Child(hammer) for _ in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    accepted = [n for child in children for n, _ in child.reports()]
    assert sorted(accepted) == list(range(4000))


@pytest.mark.usefixtures("small_tables")
@pytest.mark.parametrize("companion", [False, True], ids=["alone", "beside another"])
def test_what_was_reported_before_a_sigkill_is_never_accepted_again(tmp_path, companion):
    directory = tmp_path / "nonces"
    start = int(time.time()) + 100
    chance = random.Random(9421)

    def work(first: int) -> Callable[[Callable[[int, int], None]], None]:
        def insert(report):
            store = open_store(directory)
            for n in range(first, first + 1_000_000):
                # A second for every third nonce: a generation lasts for 993, and its first table for 9.
                # Two processes drift apart, so that one may find its time forgotten by the other.
                now = start + n % APART // 3
                verdict = store.remember("ck_one", f"n{n}", now, KEY_MADE_AT, now)
                if verdict is FRESH:
                    report(n, now)
                elif verdict is REPLAYED or not companion:
                    os._exit(3)
                else:
                    report(n, NOT_USED)  # so that the next round begins behind it

        return insert

    reported: list[tuple[int, int]] = []
    beginnings = set()
    first, rounds = 0, 60
    for _ in range(rounds):
        children = [Child(work(first)), *([Child(work(first + APART))] if companion else [])]
        time.sleep(0.004 + chance.random() * 0.04)
        for child in children:
            child.kill()
        assert {child.wait() for child in children} == {-signal.SIGKILL}
        tried = [child.reports() for child in children]
        reports = [[use for use in uses if use[1] != NOT_USED] for uses in tried]
        store = open_store(directory)
        beginnings.add(store.statistics().lost_at)
        for number, created in [use for uses in reports for use in uses[-100:]]:
            verdict = store.remember("ck_one", f"n{number}", created, KEY_MADE_AT, created)
            assert verdict is not FRESH
        store.close()
        reported += [use for uses in reports for use in uses]
        first += 2 + max(len(uses) for uses in tried)
    assert len(beginnings) == 1  # no kill damaged anything
    assert len(reported) > 2000
    store = open_store(directory)
    for number, created in reported:
        assert store.remember("ck_one", f"n{number}", created, KEY_MADE_AT, created) is not FRESH
    tables = list((directory / "tables").iterdir())
    assert len(tables) <= 24
    store.close()


def test_a_stopped_process_with_the_lock_makes_us_unavailable_and_not_hang(tmp_path):
    store = open_store(tmp_path / "nonces")
    now = time.time()
    assert store.remember("ck_one", "a", int(now), KEY_MADE_AT, now) is FRESH

    def hold(report):
        fcntl.flock(os.open(tmp_path / "nonces" / "control", os.O_RDWR), fcntl.LOCK_EX)
        report(1, 1)
        os.kill(os.getpid(), signal.SIGSTOP)

    child = Child(hold)
    assert os.waitpid(child.pid, os.WUNTRACED)[1] & 0xFF == 0x7F
    times = []
    for _ in range(4):
        began = time.monotonic()
        with pytest.raises(Unavailable, match="held by another process"):
            store.remember("ck_one", "b", int(now), KEY_MADE_AT, now)
        times.append(time.monotonic() - began)
    assert 0.9 < times[0] < 4
    assert max(times[1:]) < 0.5
    os.kill(child.pid, signal.SIGCONT)
    assert child.wait() == 0
    assert store.remember("ck_one", "b", int(now), KEY_MADE_AT, now) is FRESH
    assert store.remember("ck_one", "a", int(now), KEY_MADE_AT, now) is REPLAYED
    store.close()


def test_a_forked_child_excludes_its_parent(tmp_path):
    store = open_store(tmp_path / "nonces")
    now = time.time()

    def hammer(report):
        for n in range(4000):
            if store.remember("ck_one", f"n{n}", int(now), KEY_MADE_AT, now) is FRESH:
                report(n, 0)

    child = Child(hammer)
    mine = [n for n in range(4000) if store.remember("ck_one", f"n{n}", int(now), KEY_MADE_AT, now) is FRESH]
    assert child.wait() == 0
    assert sorted(mine + [n for n, _ in child.reports()]) == list(range(4000))
    store.close()


def test_a_child_forked_while_a_thread_held_the_lock_keeps_nobody_out(tmp_path):
    store = open_store(tmp_path / "nonces")
    now = time.time()
    stop = threading.Event()

    def busy():
        n = 0
        while not stop.is_set():
            store.remember("ck_one", f"t{n}", int(now), KEY_MADE_AT, now)
            n += 1

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for _ in range(20):

            def use(report):
                if store.remember("ck_two", f"p{os.getpid()}", int(now), KEY_MADE_AT, now) is FRESH:
                    report(1, 1)

            child = Child(use)
            assert child.wait() == 0
            assert child.reports() == [(1, 1)]
    finally:
        stop.set()
        thread.join()
    assert store.remember("ck_one", "after", int(now), KEY_MADE_AT, now) is FRESH
    store.close()
