from __future__ import annotations

import errno
import gc
import os
import shutil
import subprocess
import threading
import time
import weakref
from pathlib import Path

import pytest

from keywright.errors import Unavailable
from keywright.verification import nonce_memory, nonce_place, nonce_table
from keywright.verification.nonce_place import Machine
from keywright.verification.replay import EmbeddedNonceStore, ReplayVerdict

FRESH, REPLAYED, UNPROVABLE = ReplayVerdict


def copy(source, target):
    subprocess.run(["cp", "-a", f"{source}/.", f"{target}/"], check=True)


def test_a_signature_is_accepted_once(world):
    store = world.settled()
    assert world.use(store, "a") is FRESH
    assert world.use(store, "a") is REPLAYED
    assert world.use(store, "b") is FRESH


def test_a_nonce_is_used_up_whatever_created_says(world):
    store = world.settled()
    assert world.use(store, "a") is FRESH
    assert world.use(store, "a", created=int(world.now) - 10) is REPLAYED


def test_clients_do_not_share_nonces(world):
    store = world.settled()
    assert world.use(store, "a") is FRESH
    assert world.use(store, "a", client_id="ck_two") is FRESH


def test_names_and_nonces_do_not_run_together(world):
    store = world.settled()
    assert world.use(store, "bc", client_id="ck_a") is FRESH
    assert world.use(store, "c", client_id="ck_ab") is FRESH


def test_stores_on_the_same_files_share_what_they_know(world):
    one, two = world.settled(), world.open()
    assert world.use(one, "a") is FRESH
    assert world.use(two, "a") is REPLAYED
    for n in range(20_000):
        assert world.use((one, two)[n % 2], f"n{n}") is FRESH
    for n in range(20_000):
        assert world.use((two, one)[n % 2], f"n{n}") is REPLAYED


def test_it_survives_the_end_of_the_process(world):
    assert world.use(world.settled(), "a") is FRESH
    world.close()
    store = world.open()
    assert world.use(store, "a") is REPLAYED
    assert world.use(store, "b") is FRESH


def test_a_new_installation_serves_a_new_key_at_once(world):
    store = world.open()
    world.pass_time(0.001)
    assert world.use(store, "a", key_age=0.0005) is FRESH
    assert world.use(store, "a", key_age=0.0005) is REPLAYED
    assert world.use(store, "b", key_age=0.0005, created=int(world.now) - 200) is FRESH


def test_an_older_key_waits_until_no_earlier_use_is_possible(world):
    store = world.open()
    assert world.use(store, key_age=60) is UNPROVABLE
    world.pass_time(30)
    assert world.use(store, key_age=60) is UNPROVABLE
    world.pass_time(2)
    assert world.use(store, key_age=60) is FRESH
    assert world.use(store, key_age=60, created=int(world.now) - 5) is UNPROVABLE


def test_a_key_made_just_before_the_loss_waits_too(world):
    store = world.open()
    world.pass_time(1)
    assert world.use(store, key_age=1.001) is UNPROVABLE
    assert world.use(store, key_age=1.0) is UNPROVABLE
    assert world.use(store, key_age=0.999) is FRESH


def test_honest_signers_are_never_refused_while_generations_come_and_go(world):
    store = world.settled()
    accepted = []
    for n in range(400):
        world.pass_time(17)
        for created in (int(world.now) - 300 + 1, int(world.now), int(world.now) + 30):
            nonce = f"{n}-{created}"
            assert world.use(store, nonce, created=created) is FRESH
            accepted.append((nonce, created))
    for nonce, created in accepted:
        assert world.use(store, nonce, created=created) is not FRESH
    assert store.statistics().entries < 3 * 2 * 2 * 331 / 17


def test_what_was_dropped_is_unprovable(world):
    store = world.settled()
    created = int(world.now)
    assert world.use(store, "a", created=created) is FRESH
    for _ in range(3):
        world.pass_time(340)
        assert world.use(store) is FRESH
    assert store.statistics().entries <= 2
    assert world.use(store, "a", created=created) is UNPROVABLE
    assert world.use(store, "z", created=created) is UNPROVABLE
    assert world.use(store, "z", created=int(world.now) - 300) is FRESH


def test_a_wrong_clock_leaves_no_hole_and_no_lasting_refusals(world):
    store = world.settled()
    world.now += 86_400
    created = int(world.now)
    assert world.use(store, "a", created=created) is FRESH
    world.now -= 86_400
    for _ in range(600):
        world.pass_time(150)
        assert world.use(store) is FRESH
        assert world.use(store, "a", created=created) is not FRESH
    assert len(list((world.directory / "tables").iterdir())) <= 3


def test_a_clock_set_back_does_not_stop_the_generations(world):
    store = world.settled()
    world.now += 86_400
    world.use(store)
    world.now -= 86_400
    for _ in range(50):
        world.pass_time(40)
        assert world.use(store) is FRESH
    assert store.statistics().entries < 32


def test_a_clock_that_was_behind_at_the_loss_and_is_put_right(world):
    store = world.settled()
    world.pass_time(3600)
    created = int(world.now)
    assert world.use(store, "a", created=created) is FRESH
    world.close()
    shutil.rmtree(world.directory)
    world.now -= 3600
    store = world.open()
    world.pass_time(10)
    world.now += 3600
    assert world.use(store, "a", created=created) is UNPROVABLE
    assert world.use(store, created=int(world.now)) is UNPROVABLE
    world.pass_time(30)
    assert world.use(store) is FRESH


def test_what_is_left_of_an_earlier_boot_still_tells_what_was_used(world):
    store = world.settled()
    created = int(world.now) + 30
    assert world.use(store, "a", created=created) is FRESH
    world.reboot()
    world.now -= 200
    store = world.open()
    world.pass_time(100)
    assert world.use(store, "a", created=created) is UNPROVABLE


def test_how_far_ahead_was_allowed_is_not_forgotten_with_the_rest(world):
    wide = world.open(max_ahead_seconds=200)
    world.pass_time(1000)
    world.use(wide)
    created = int(world.now) + 190
    world.reboot()
    store = world.open(max_ahead_seconds=30)
    world.pass_time(170)
    assert world.use(store, "a", created=created) is UNPROVABLE


@pytest.mark.parametrize("name", ["control", "seal", "tables", ""])
def test_a_lost_file_is_noticed_at_the_next_start(world, name):
    created = int(world.now) + 1000
    assert world.use(world.settled(), "a", created=created) is FRESH
    world.close()
    lost = world.directory / name
    shutil.rmtree(lost) if lost.is_dir() and not lost.is_symlink() else lost.unlink()
    assert world.use(world.open(), "a", created=created) is UNPROVABLE


@pytest.mark.parametrize("name", ["control", "seal", "tables", ""])
def test_a_file_lost_under_a_running_process_is_noticed_before_another_one_accepts(world, name):
    one = world.settled()
    lost = world.directory / name
    shutil.rmtree(lost) if lost.is_dir() and not lost.is_symlink() else lost.unlink()
    two = world.open()
    accepted = [
        (nonce, created, age)
        for nonce, created, age in [("a", 0, 1e6), ("b", 30, 1e6), ("c", 0, -0.0005), ("d", 30, -0.0005)]
        if world.use(one, nonce, created=int(world.now) + created, key_age=age) is FRESH
    ]
    for nonce, created, age in accepted:
        assert world.use(two, nonce, created=int(world.now) + created, key_age=age) is not FRESH
    world.pass_time(100)
    assert world.use(one, "e") is FRESH
    assert world.use(two, "e") is REPLAYED
    assert world.use(two, "f") is FRESH
    assert world.use(one, "f") is REPLAYED


def test_a_process_with_replaced_files_leaves_the_tables_of_others_alone(world):
    one = world.settled()
    world.use(one)
    world.pass_time(200)
    shutil.rmtree(world.directory)
    two = world.open()
    world.pass_time(50)
    assert world.use(two, "a") is FRESH
    world.pass_time(100)
    assert world.use(one) is FRESH  # its own generation was to be turned
    assert world.use(two, "a") is REPLAYED
    assert two.statistics().lost_at == world.now - 150


def restore_anew(world, backup):
    shutil.rmtree(world.directory)
    subprocess.run(["cp", "-a", str(backup), str(world.directory)], check=True)


def restore_in_place(world, backup):
    copy(backup, world.directory)


def restore_one_table(world, backup):
    for table in (backup / "tables").iterdir():
        (world.directory / "tables" / table.name).write_bytes(table.read_bytes())


def restore_by_tar(world, backup):
    packed = subprocess.run(["tar", "-C", str(backup), "-c", "."], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-C", str(world.directory), "-x"], check=True, input=packed)


@pytest.mark.parametrize("restore", [restore_anew, restore_in_place, restore_one_table, restore_by_tar])
def test_a_restored_backup_is_not_believed(world, tmp_path, restore):
    store = world.settled()
    world.use(store)
    copy_at = tmp_path / "backup"
    copy_at.mkdir()
    copy(world.directory, copy_at)
    created = int(world.now)
    assert world.use(store, "a", created=created) is FRESH
    world.close()
    restore(world, copy_at)
    store = world.open()
    assert world.use(store, "a", created=created) is UNPROVABLE
    world.pass_time(32)
    assert world.use(store) is FRESH


def test_a_directory_moved_away_and_back_is_not_believed(world, tmp_path):
    world.use(world.settled())
    world.close()
    world.directory.rename(tmp_path / "aside")
    store = world.open()
    world.pass_time(100)
    created = int(world.now)
    assert world.use(store, "a", created=created) is FRESH
    world.close()
    shutil.rmtree(world.directory)
    (tmp_path / "aside").rename(world.directory)
    assert world.use(world.open(), "a", created=created) is UNPROVABLE


def test_a_restart_of_the_machine_forgets_and_says_so(world):
    created = int(world.now) + 1000
    assert world.use(world.settled(), "a", created=created) is FRESH
    world.reboot()
    store = world.open()
    assert world.use(store, "a", created=created) is UNPROVABLE
    world.pass_time(32)
    assert world.use(store) is FRESH


def test_without_a_boot_id_only_a_living_process_proves_that_there_was_no_restart(world):
    world.boots = None
    one = world.settled()
    created = int(world.now)
    assert world.use(one, "a", created=created) is FRESH
    two = world.open()
    assert world.use(two, "a", created=created) is REPLAYED
    assert world.use(two, "b") is FRESH
    one.close()
    assert world.use(world.open(), "b") is REPLAYED
    world.close()
    assert world.use(world.open(), "b", created=created) is UNPROVABLE


@pytest.mark.parametrize("size", [0, 1, 100, 1000, 1500])
def test_a_shortened_control_file_is_begun_anew(world, size):
    created = int(world.now) + 1000
    assert world.use(world.settled(), "a", created=created) is FRESH
    world.close()
    os.truncate(world.directory / "control", size)
    assert world.use(world.open(), "a", created=created) is not FRESH


@pytest.mark.parametrize("at", [*range(0, 24, 8), *range(256, 440, 16), *range(1024, 1100, 4), *range(2048, 2130, 4)])
@pytest.mark.parametrize("byte", [0x00, 0xFF, 0x5A])
def test_a_damaged_control_page_never_stops_the_start_nor_opens_a_hole(world, at, byte):
    created = int(world.now) + 1000
    assert world.use(world.settled(), "a", created=created) is FRESH
    world.close()
    with (world.directory / "control").open("r+b") as file:
        file.seek(at)
        file.write(bytes([byte]) * 8)
    assert world.use(world.open(), "a", created=created) is not FRESH


@pytest.mark.parametrize("damage", ["shorten", "lengthen", "zero", "ones", "directory", "link"])
def test_a_damaged_table_is_begun_anew(world, damage):
    created = int(world.now) + 1000
    assert world.use(world.settled(), "a", created=created) is FRESH
    world.close()
    (table,) = (world.directory / "tables").iterdir()
    size = table.stat().st_size
    match damage:
        case "shorten":
            os.truncate(table, 100)
        case "lengthen":
            os.truncate(table, size + 16)
        case "zero":
            table.write_bytes(bytes(size))
        case "ones":
            table.write_bytes(b"\xff" * size)
        case "directory":
            table.unlink()
            table.mkdir()
        case "link":
            table.rename(table.with_name("elsewhere"))
            table.symlink_to("elsewhere")
    assert world.use(world.open(), "a", created=created) is UNPROVABLE


@pytest.mark.usefixtures("small_tables")
def test_growth_and_rotation_lose_nothing_and_leave_nothing_behind(world):
    one, two = world.settled(), world.open()
    accepted = []
    for n in range(3000):
        world.pass_time(0.5)
        assert world.use((one, two)[n % 3 == 0], f"n{n}") is FRESH
        accepted.append((f"n{n}", int(world.now)))
    for nonce, created in accepted[-1000:]:
        assert world.use(two, nonce, created=created) is REPLAYED
    for nonce, created in accepted:
        assert world.use(one, nonce, created=created) is not FRESH
    tables = list((world.directory / "tables").iterdir())
    assert len(tables) == len(one._memory.tables) <= 4
    assert sum(table.stat().st_size for table in tables) == one.statistics().file_bytes


def test_a_steady_load_needs_one_table_a_generation(world):
    store = world.settled()
    for _ in range(30_000):
        world.pass_time(0.05)
        world.use(store)
    assert len(store._memory.tables) == 2


@pytest.mark.usefixtures("small_tables")
def test_when_it_is_full_it_says_so_and_forgets_nothing(world):
    store = world.open(capacity=50)
    world.pass_time(1000)
    for n in range(50):
        assert world.use(store, f"n{n}") is FRESH
    with pytest.raises(Unavailable) as caught:
        world.use(store, "one more")
    assert 1 <= caught.value.retry_after_seconds <= 331
    assert "capacity" in caught.value.private
    for n in range(50):
        assert world.use(store, f"n{n}") is REPLAYED
    world.pass_time(340)
    assert world.use(store, "later") is FRESH


@pytest.fixture
def full_disk(monkeypatch):
    def fill():
        def no_space(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(nonce_table.os, "posix_fallocate", no_space)

    return fill


@pytest.mark.usefixtures("small_tables")
def test_a_full_disk_stops_growth_and_nothing_else(world, full_disk, monkeypatch):
    store = world.settled()
    with monkeypatch.context():
        full_disk()
        accepted = []
        for n in range(9):
            assert world.use(store, f"n{n}") is FRESH
            accepted.append(f"n{n}")
        with pytest.raises(Unavailable) as caught:
            world.use(store, "one more")
        assert "No space left" in caught.value.private
        for nonce in accepted:
            assert world.use(store, nonce) is REPLAYED
        assert len(list((world.directory / "tables").iterdir())) == 1
        monkeypatch.undo()
    assert world.use(store, "later") is FRESH
    assert all(world.use(store, nonce) is REPLAYED for nonce in accepted)


def test_a_full_disk_lets_a_generation_last_longer(world, full_disk):
    store = world.settled()
    created = int(world.now)
    assert world.use(store, "a", created=created) is FRESH
    full_disk()
    for _ in range(10):
        world.pass_time(340)
        assert world.use(store) is FRESH
    assert world.use(store, "a", created=created) is REPLAYED


def test_a_full_disk_at_the_first_start_is_said(world, full_disk):
    full_disk()
    with pytest.raises(Unavailable, match="cannot be written"):
        world.open()


def test_no_right_to_the_directory_is_said(tmp_path):
    (tmp_path / "nonces").write_text("a file")
    with pytest.raises(Unavailable, match="cannot be written"):
        EmbeddedNonceStore.open(tmp_path / "nonces", clock=time.time, max_age_seconds=300, max_ahead_seconds=30)


def test_a_beginning_cut_short_is_begun_again(world, monkeypatch):
    created = int(world.now) + 1000
    assert world.use(world.settled(), "a", created=created) is FRESH
    world.reboot()

    def killed(*_):
        raise KeyboardInterrupt

    for step in ("write_layout", "write_header"):
        with monkeypatch.context() as patch:
            patch.setattr(nonce_table.ControlPage, step, killed)
            with pytest.raises(KeyboardInterrupt):
                world.open()
    store = world.open()
    assert world.use(store, "a", created=created) is UNPROVABLE
    assert store.statistics().unprovable_through >= created


@pytest.mark.usefixtures("small_tables")
@pytest.mark.parametrize("step", ["create", "write_layout", "_take", "sweep"])
def test_a_change_cut_short_loses_nothing(world, monkeypatch, step):
    store = world.settled()
    accepted = []

    def killed(*_):
        raise KeyboardInterrupt

    owner = {
        "create": nonce_table.NonceTable,
        "write_layout": nonce_table.ControlPage,
        "sweep": nonce_place.NoncePlace,
    }
    for n in range(60):
        with monkeypatch.context() as patch:
            patch.setattr(owner.get(step, nonce_memory.NonceMemory), step, killed)
            try:
                assert world.use(store, f"n{n}") is FRESH
                accepted.append(f"n{n}")
            except KeyboardInterrupt:
                store.close()
        if store._closed:
            store = world.open()
            assert all(world.use(store, nonce) is REPLAYED for nonce in accepted)
            assert world.use(store, f"m{n}") is FRESH
            accepted.append(f"m{n}")
    assert len(accepted) > 50


def test_statistics(world):
    store = world.settled()
    for _ in range(5):
        world.use(store)
    statistics = store.statistics()
    assert statistics.entries == statistics.remembered_total == 5
    assert statistics.capacity == 100_000
    assert statistics.file_bytes == 4096 * 16 + 64
    assert statistics.lost_at == world.now - 1000
    assert statistics.unprovable_through == world.now - 1000 + 31


def test_a_closed_store_says_so(world):
    store = world.settled()
    store.close()
    store.close()
    with pytest.raises(Unavailable, match="closed"):
        world.use(store)
    with pytest.raises(Unavailable, match="closed"):
        store.statistics()


def test_files_are_for_the_owner_only(world):
    world.settled()
    assert world.directory.stat().st_mode & 0o777 == 0o700
    files = [world.directory / "control", *(world.directory / "tables").iterdir()]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_descriptors_and_stores_are_given_back(world):
    def descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    store = world.settled()
    for _ in range(10):
        world.pass_time(340)
        world.use(store)
    assert descriptors() <= before + 5
    world.close()
    assert descriptors() == before
    reference = weakref.ref(store)
    del store
    gc.collect()
    assert reference() is None


def test_threads_share_a_store(world):
    store = world.settled()
    verdicts = []

    def hammer():
        verdicts.extend((n, world.use(store, f"n{n}")) for n in range(3000))

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(n for n, verdict in verdicts if verdict is FRESH) == list(range(3000))
    assert len(verdicts) == 12_000


def test_this_machine_has_a_name_for_its_boot_and_an_uptime():
    machine = Machine.this()
    assert machine.boot_id
    assert len(machine.boot_id) == 36
    first = machine.uptime()
    assert 0 < first <= machine.uptime()
