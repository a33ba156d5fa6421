"""The store against the plainest model there is: the set of everything that was ever accepted."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from nonce_world import World

from keywright.verification import nonce_table
from keywright.verification.replay import EmbeddedNonceStore, ReplayVerdict

FRESH = ReplayVerdict.FRESH
AHEADS = st.sampled_from([0, 30, 120])
AGES = st.sampled_from([5, 300, 300, 3600])
TROUBLES = [
    "file_is_deleted",
    "control_is_deleted",
    "tables_are_deleted",
    "backup_is_put_in_place",
    "backup_overwrites",
    "directory_is_moved_aside_and_back",
    "machine_is_restarted",
]


class NeverTwice(RuleBasedStateMachine):
    """Nothing that was accepted is accepted again, whatever happens to clock, settings, processes and files.

    One thing is given: when the memory is lost, the clock is not behind the times at which it was used. Nobody who
    has lost his memory could tell (docs/decisions/0003-nonce-store.md).
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="nonces-"))
        self.world = World(self.folder / "nonces")
        self.accepted: dict[tuple[int, str, int], None] = {}
        self.keys: list[float] = [self.world.now - 1000]
        self.age, self.ahead, self.widest = 300, 30, 30
        self.aheads: dict[EmbeddedNonceStore, int] = {}
        self.backup: Path | None = None
        self.backup_boot = 0

    @initialize()
    def first(self) -> None:
        self.open(300, 30)

    def open(self, age: int, ahead: int) -> None:
        self.age, self.ahead, self.widest = age, ahead, max(self.widest, ahead)
        self.aheads[self.world.open(max_age_seconds=age, max_ahead_seconds=ahead)] = ahead

    def lost(self) -> None:
        """The files are gone or older; somebody opens them at once, and the clock is what it is."""
        self.open(self.age, self.widest)
        now = self.world.now
        self.accepted = {use: None for use in self.accepted if use[2] <= now + self.widest and self.keys[use[0]] <= now}

    @rule(seconds=st.sampled_from([0.01, 0.1, 1.0, 10.0, 31.0, 100.0, 335.0, 335.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)
        self.present(0, f"traffic-{next(self.world.numbers)}", int(self.world.now), 0)

    @rule(seconds=st.integers(-1000, 1000))
    def clock_is_set(self, seconds: int) -> None:
        self.world.now += seconds

    @rule(data=st.data(), count=st.integers(1, 40), at=st.floats(0, 1), which=st.integers(0, 9))
    def signatures_come(self, data: st.DataObject, count: int, at: float, which: int) -> None:
        client = data.draw(st.integers(0, len(self.keys) - 1))
        oldest, newest = int(self.world.now - self.age) + 1, int(self.world.now + self.ahead)
        created = int(oldest + at * (newest - oldest))
        for n in range(count):
            self.present(client, f"nonce-{n}", created, which)

    @rule()
    def a_new_key_is_used(self) -> None:
        self.keys.append(self.world.now)
        for n in range(3):
            self.present(len(self.keys) - 1, f"nonce-{n}", int(self.world.now), n)

    @precondition(lambda self: self.accepted)
    @rule(which=st.integers(0, 9))
    def all_is_replayed(self, which: int) -> None:
        for client, nonce, created in list(self.accepted)[-400:]:
            self.present(client, nonce, created, which)

    def present(self, client: int, nonce: str, created: int, which: int) -> None:
        store = self.world.stores[which % len(self.world.stores)]
        if created > self.world.now + self.aheads[store]:
            return  # the process it belongs to has refused that signature already: its window ends before
        verdict = store.remember(f"ck_{client}", nonce, created, self.keys[client], self.world.now)
        use = (client, nonce, created)
        if verdict is FRESH:
            assert use not in self.accepted
            self.accepted[use] = None

    @rule(which=st.integers(0, 9), end=st.booleans(), age=AGES, ahead=AHEADS)
    def processes_start_and_end(self, which: int, end: bool, age: int, ahead: int) -> None:
        if end:
            self.world.stores.pop(which % len(self.world.stores)).close()
        if len(self.world.stores) < (1 if end else 3):
            self.open(age, ahead)

    @rule()
    def a_backup_is_made(self) -> None:
        self.backup = self.backup or self.folder / "backup"
        shutil.rmtree(self.backup, ignore_errors=True)
        shutil.copytree(self.world.directory, self.backup, symlinks=True)

    @rule(trouble=st.sampled_from(TROUBLES), stop=st.booleans())
    def trouble_comes(self, trouble: str, stop: bool) -> None:
        getattr(self, trouble)(stop)
        self.all_is_replayed(0)

    def file_is_deleted(self, stop: bool, name: str = "") -> None:
        if stop:
            self.world.close()
        path = self.world.directory / name
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        self.lost()

    def control_is_deleted(self, stop: bool) -> None:
        self.file_is_deleted(stop, "control")

    def tables_are_deleted(self, stop: bool) -> None:
        self.file_is_deleted(stop, "tables")

    def backup_is_put_in_place(self, _: bool) -> None:
        self.world.close()
        if self.backup:
            shutil.rmtree(self.world.directory)
            shutil.copytree(self.backup, self.world.directory, symlinks=True)
        self.lost()

    def backup_overwrites(self, _: bool) -> None:
        self.world.close()
        if self.backup:
            self.overwrite()
            seal = self.world.directory / "seal"
            seal.unlink()
            shutil.copy2(self.backup / "seal", seal, follow_symlinks=False)
        self.lost()

    def directory_is_moved_aside_and_back(self, _: bool) -> None:
        self.world.close()
        aside = self.folder / "aside"
        self.world.directory.rename(aside)
        self.lost()
        self.time_passes(40)
        self.world.close()
        shutil.rmtree(self.world.directory)
        aside.rename(self.world.directory)
        self.lost()

    def machine_is_restarted(self, power_cut: bool) -> None:
        self.world.reboot()
        if power_cut and self.backup:
            self.overwrite()  # what is on the disk is older than what was in memory
        self.lost()

    def overwrite(self) -> None:
        for path in self.backup.rglob("*"):
            if path.is_file() and not path.is_symlink():
                target = self.world.directory / path.relative_to(self.backup)
                target.write_bytes(path.read_bytes())

    @invariant()
    def nothing_is_left_behind(self) -> None:
        tables = self.world.directory / "tables"
        assert len(list(tables.iterdir())) <= 2 * nonce_table.MOST_TABLES

    def teardown(self) -> None:
        try:
            for which in range(len(self.world.stores)):
                self.all_is_replayed(which)
        finally:
            self.world.close()
            shutil.rmtree(self.folder)


@pytest.mark.usefixtures("small_tables")
class TestNeverTwice(NeverTwice.TestCase):
    settings = settings(max_examples=70, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck))
