"""Every call of the system fails in turn in a living store, beside a healthy one on the same files.

Afterwards neither accepts what the other one has accepted, fresh signatures are accepted by both, and no descriptor or
mapping is left over.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import itertools
import mmap
import os
import resource
import shutil
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from nonce_child import Child
from nonce_world import World

from keywright.errors import Unavailable
from keywright.verification.replay import EmbeddedNonceStore, ReplayVerdict

FRESH, REPLAYED, UNPROVABLE = ReplayVerdict

NAMES = ["open", "close", "fstat", "stat", "unlink", "mkdir", "symlink", "scandir", "posix_fallocate", "pwrite"]
CALLS = [*((os, name) for name in NAMES), (mmap, "mmap"), (fcntl, "flock"), (hashlib, "blake2b")]


class Faults:
    """Lets the n-th call fail, or the n-th and all that follow, while `on`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
        self.error = error
        self.calls: list[str] = []
        self.fails_at, self.lasting, self.count, self.active = 0, False, 0, False
        for owner, name in CALLS:
            monkeypatch.setattr(owner, name, self._failing(name, getattr(owner, name)))

    def plan(self, fails_at: int, lasting: bool) -> None:
        self.fails_at, self.lasting, self.count = fails_at, lasting, 0

    @property
    def happened(self) -> bool:
        return self.count >= self.fails_at

    @contextmanager
    def on(self) -> Iterator[None]:
        self.active = True
        try:
            yield
        finally:
            self.active = False

    def _failing(self, name: str, real: Callable) -> Callable:
        def call(*args, **kwargs):
            if not self.active:
                return real(*args, **kwargs)
            self.count += 1
            if self.count < self.fails_at or (self.count > self.fails_at and not self.lasting):
                return real(*args, **kwargs)
            if name == "blake2b":
                raise MemoryError
            if name == "close":  # closes whatever it says
                real(*args, **kwargs)
            raise OSError(self.error, os.strerror(self.error))

        return call


@dataclass
class Pair:
    """A store to fail and a healthy one, and what was accepted by either."""

    world: World
    key_age: float
    faulty: EmbeddedNonceStore = field(init=False)
    healthy: EmbeddedNonceStore = field(init=False)
    accepted: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.faulty = self.world.settled()
        self.healthy = self.world.open()
        self.use(self.faulty)
        self.use(self.healthy)

    def use(self, store: EmbeddedNonceStore, count: int = 1) -> list[ReplayVerdict]:
        """Fresh signatures come."""
        verdicts = []
        for _ in range(count):
            nonce, created = f"n{next(self.world.numbers)}", int(self.world.now)
            verdicts.append(self.world.use(store, nonce, created=created, key_age=self.key_age))
            if verdicts[-1] is FRESH:
                self.accepted.append((nonce, created))
        return verdicts

    def try_faulty(self, faults: Faults, count: int) -> None:
        """Fresh signatures come to the store whose calls fail."""
        with faults.on():
            for _ in range(count):
                try:
                    self.use(self.faulty)
                except (Unavailable, MemoryError):
                    assert faults.happened

    def nothing_twice(self, *stores: EmbeddedNonceStore) -> None:
        for store in stores:
            for nonce, created in self.accepted:
                assert self.world.use(store, nonce, created=created, key_age=self.key_age) is not FRESH

    def well_again(self) -> None:
        self.nothing_twice(self.faulty, self.healthy, self.faulty)
        self.world.pass_time(40)  # a loss is over
        for one, other in ((self.faulty, self.healthy), (self.healthy, self.faulty)) * 2:
            assert self.use(one, 8) == [FRESH] * 8
            self.nothing_twice(other, one)


def held(directory: Path) -> tuple[int, int]:
    """How many descriptors and mappings of ours are of files there."""
    links = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(link.readlink()))
        except FileNotFoundError:
            continue  # the one that listed them
    mappings = Path("/proc/self/maps").read_text().splitlines()
    here = str(directory)
    return sum(link.startswith(here) for link in links), sum(here in mapping for mapping in mappings)


def the_other_grew(pair):
    pair.use(pair.healthy, 30)


def the_other_turned(pair):
    pair.world.pass_time(340)
    pair.use(pair.healthy)


def the_other_turned_often(pair):
    for _ in range(3):
        pair.world.pass_time(340)
        pair.use(pair.healthy)


def the_table_is_full(pair):
    store = pair.faulty
    while sum(len(table.map) for table in store._memory.tables) < 3000:
        pair.use(store)
    memory = store._memory
    while memory.tables[-1].words[4] < memory.room:
        pair.use(store)


def the_generation_is_over(pair):
    pair.world.pass_time(340)


def the_generation_is_over_and_its_table_full(pair):
    the_table_is_full(pair)
    pair.world.pass_time(200)
    the_generation_is_over(pair)


def the_clock_was_set_back(pair):
    pair.world.now -= 100


def it_is_time_to_look(pair):
    pair.world.pass_time(1)


def the_control_file_is_gone(pair):
    (pair.world.directory / "control").unlink()
    pair.world.pass_time(1)


def the_tables_are_gone(pair):
    shutil.rmtree(pair.world.directory / "tables")
    pair.world.pass_time(1)
    pair.use(pair.healthy)


def all_is_gone(pair):
    shutil.rmtree(pair.world.directory)
    pair.world.pass_time(1)


KEEPING = [
    the_other_grew,
    the_other_turned,
    the_other_turned_often,
    the_table_is_full,
    the_generation_is_over,
    the_generation_is_over_and_its_table_full,
    the_clock_was_set_back,
    it_is_time_to_look,
]
LOSING = [the_control_file_is_gone, the_tables_are_gone, all_is_gone]
NEW_KEY, OLD_KEY = -1e9, 1e6  # a key made after any loss: what is refused is refused because it is remembered


@pytest.mark.usefixtures("small_tables")
@pytest.mark.parametrize("boots", [1, None], ids=["boot id", "no boot id"])
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize("before", [*KEEPING, *LOSING], ids=lambda before: before.__name__)
def test_whatever_call_fails_nothing_is_accepted_twice(tmp_path, monkeypatch, before, lasting, boots):
    faults = Faults(monkeypatch, errno.EMFILE)
    for fails_at in itertools.count(1):
        world = World(tmp_path / f"{fails_at}", boots=boots)
        pair = Pair(world, OLD_KEY if before in LOSING else NEW_KEY)
        before(pair)
        faults.plan(fails_at, lasting)
        pair.try_faulty(faults, 3)
        if not faults.happened:
            break
        for meanwhile in (the_other_grew, the_other_turned):
            if not lasting:
                # Well again, it meets what the healthy one has accepted meanwhile, and the other way round.
                pair.nothing_twice(pair.faulty, pair.healthy)
            meanwhile(pair)
            pair.try_faulty(faults, 2)
        if lasting:
            at_first = held(world.directory)
            pair.try_faulty(faults, 5)
            assert held(world.directory) == at_first
        pair.well_again()
        tables = len(pair.healthy._memory.tables)
        assert pair.use(pair.faulty) == [FRESH]
        presences = 2 if boots is None else 0
        descriptors, mappings = held(world.directory)
        mine, others = len(pair.faulty._memory.tables), len(pair.healthy._memory.tables)
        assert (descriptors, mappings) == (2 + 2 + presences + mine + others, 2 + mine + others)
        assert len(list((world.directory / "tables").iterdir())) <= tables + 1
        world.close()
        assert held(world.directory) == (0, 0)
    world.close()
    assert fails_at > 5


@pytest.mark.usefixtures("small_tables")
@pytest.mark.parametrize("boots", [1, None], ids=["boot id", "no boot id"])
@pytest.mark.parametrize("found", ["nothing", "a memory", "an earlier boot", "a beginning cut short"])
def test_whatever_call_fails_at_the_start_nothing_is_accepted_twice(tmp_path, monkeypatch, found, boots):
    faults = Faults(monkeypatch, errno.ENOMEM)
    for fails_at in itertools.count(1):
        world = World(tmp_path / f"{fails_at}", boots=boots)
        created = int(world.now) + 2000
        if found != "nothing":
            store = world.settled()
            assert world.use(store, "a", created=created) is FRESH
            world.close()
        if found == "an earlier boot":
            world.boots = world.boots and 2
        if found == "a beginning cut short":
            with (world.directory / "control").open("r+b") as file:
                file.write(bytes(8))
        faults.plan(fails_at, lasting=False)
        store = None
        with faults.on():
            try:
                store = world.open()
            except (Unavailable, MemoryError):
                assert faults.happened
        if store is None:
            assert held(world.directory) == (0, 0)
        other = world.open()
        for opened in (other, store or world.open()):
            assert world.use(opened, "a", created=created) is not FRESH or found == "nothing"
        world.pass_time(2040)  # a loss is over, and what was salvaged from it is past
        assert world.use(other, "b") is FRESH
        assert world.use(world.open(), "b") is REPLAYED
        world.close()
        assert held(world.directory) == (0, 0)
        if not faults.happened:
            break
    assert fails_at > 5


@pytest.mark.usefixtures("small_tables")
def test_without_a_boot_id_a_start_that_fails_proves_nothing_to_those_who_follow(tmp_path, monkeypatch):
    faults = Faults(monkeypatch, errno.EMFILE)
    for fails_at in itertools.count(1):
        world = World(tmp_path / f"{fails_at}", boots=None)
        created = int(world.now) + 2000
        living = world.settled()
        assert world.use(living, "a", created=created) is FRESH
        faults.plan(fails_at, lasting=False)
        with faults.on():
            try:
                world.open()
            except (Unavailable, MemoryError):
                assert faults.happened
        # The living one has proved all the time that the machine was not restarted.
        assert world.use(world.open(), "a", created=created) is REPLAYED
        assert world.use(living, "a", created=created) is REPLAYED
        world.close()
        if not faults.happened:
            break


def test_a_failing_look_is_no_verdict(world, monkeypatch):
    store = world.settled()
    assert world.use(store) is FRESH
    faults = Faults(monkeypatch, errno.EIO)
    faults.plan(3, lasting=False)  # flock, flock, stat
    world.pass_time(1)
    with faults.on(), pytest.raises(Unavailable, match="cannot be written"):
        world.use(store)
    assert world.use(store) is FRESH


def test_a_readiness_check_that_fails_lets_go(world, monkeypatch):
    store = world.settled()
    faults = Faults(monkeypatch, errno.EIO)
    for fails_at in (1, 2):
        faults.plan(fails_at, lasting=True)
        with faults.on(), pytest.raises(Unavailable, match="cannot be written"):
            store.check()
        assert held(world.directory) == (0, 0)
        store.check()
        assert world.use(store) is FRESH


def test_what_an_earlier_memory_tells_is_not_passed_over_for_want_of_descriptors(world, monkeypatch):
    store = world.settled()
    created = int(world.now) + 20_000
    assert world.use(store, "a", created=created) is FRESH
    world.reboot()
    faults = Faults(monkeypatch, errno.EMFILE)
    for fails_at in itertools.count(1):
        faults.plan(fails_at, lasting=False)
        with faults.on():
            try:
                store = world.open()
            except (Unavailable, MemoryError):
                assert faults.happened
        if not faults.happened:
            break
    world.pass_time(1000)
    assert world.use(store, "a", created=created) is UNPROVABLE


@pytest.mark.usefixtures("small_tables")
def test_without_free_descriptors_nothing_is_accepted_twice(tmp_path):
    """EMFILE for real: the limit is lowered in a living process, with a few descriptors left."""

    def work(report):
        try:
            for before, free in itertools.product([*KEEPING, *LOSING], range(7)):
                world = World(tmp_path / f"{before.__name__}-{free}")
                pair = Pair(world, OLD_KEY if before in LOSING else NEW_KEY)
                before(pair)
                refused = 0
                with no_descriptors_but(free):
                    for n in range(12):
                        for store in (pair.faulty, pair.healthy):
                            try:
                                pair.use(store)
                            except Unavailable:
                                refused += 1
                        if n % 4 == 3:
                            world.pass_time(340)
                pair.well_again()
                report(free, refused)
                world.close()
                assert held(world.directory) == (0, 0)
        except BaseException:
            traceback.print_exc()
            raise

    child = Child(work)
    assert child.wait() == 0
    reports = child.reports()
    assert len(reports) == 7 * len([*KEEPING, *LOSING])
    assert sum(refused > 0 for _, refused in reports) > 10


@contextmanager
def no_descriptors_but(free: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(free):
            os.close(taken.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)
