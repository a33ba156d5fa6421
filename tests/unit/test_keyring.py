"""Sealed secrets: opened by the right key for the right Client ID, and by nothing else."""

from __future__ import annotations

import json
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from keywright.errors import Unavailable
from keywright.keyring import Keyring, add_sealing_key, load_or_create_keyring

SECRET = bytes(range(32))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keyring.json"


def test_what_is_sealed_opens_for_its_client_id_only(file: Path):
    keyring = load_or_create_keyring(file, os.urandom)
    sealed = keyring.seal(SECRET, "ck_one", os.urandom)
    assert SECRET not in sealed
    assert keyring.open(sealed, "ck_one") == SECRET
    with pytest.raises(Unavailable):
        keyring.open(sealed, "ck_two")
    with pytest.raises(Unavailable):
        keyring.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), "ck_one")
    assert keyring.seal(SECRET, "ck_one", os.urandom) != sealed


def test_another_keyring_does_not_open_it():
    mine, other = Keyring("k1", {"k1": os.urandom(32)}), Keyring("k1", {"k1": os.urandom(32)})
    with pytest.raises(Unavailable):
        other.open(mine.seal(SECRET, "ck_one", os.urandom), "ck_one")


def test_the_file_is_for_its_owner_only_and_holds_32_bytes(file: Path):
    keyring = load_or_create_keyring(file, os.urandom)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [len(key) for key in keyring.keys.values()] == [32]
    assert load_or_create_keyring(file, os.urandom) == keyring
    assert keyring.keys["k1"].hex() not in repr(keyring)
    assert list(file.parent.iterdir()) == [file]


def test_others_may_not_read_it(file: Path):
    load_or_create_keyring(file, os.urandom)
    file.chmod(0o644)
    with pytest.raises(Unavailable, match="chmod 600"):
        load_or_create_keyring(file, os.urandom)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"current": "k1", "keys": {}}',
        '{"current": "k1", "keys": {"k1": "AAAA"}}',
        '{"keys": 3}',
        "\xff",
    ],
)
def test_a_damaged_file_is_told_and_left_alone(file: Path, content: str):
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(Unavailable, match="backup"):
        load_or_create_keyring(file, os.urandom)
    assert file.read_text() == content


def test_a_new_sealing_key_seals_and_the_old_one_still_opens(file: Path):
    old = load_or_create_keyring(file, os.urandom)
    sealed = old.seal(SECRET, "ck_one", os.urandom)
    new = add_sealing_key(file, os.urandom)
    assert new.current == "k2"
    assert new.open(sealed, "ck_one") == SECRET
    again = new.seal(SECRET, "ck_one", os.urandom)
    assert (new.sealed_by(sealed), new.sealed_by(again)) == ("k1", "k2")
    with pytest.raises(Unavailable):
        old.open(again, "ck_one")
    assert json.loads(file.read_text())["current"] == "k2"


def test_processes_that_start_together_share_one_keyring(file: Path):
    found: list[Keyring] = []
    together = threading.Barrier(8)

    def load() -> None:
        together.wait()
        found.append(load_or_create_keyring(file, os.urandom))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({keyring.keys["k1"] for keyring in found}) == 1


def test_keys_that_are_added_at_once_are_all_kept(file: Path):
    """One that took the other's place would take what was sealed in between with it."""
    load_or_create_keyring(file, os.urandom)
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda _: add_sealing_key(file, os.urandom), range(8)))
    left = load_or_create_keyring(file, os.urandom)
    assert len(left.keys) == 9
    for keyring in added:
        assert left.open(keyring.seal(SECRET, "ck_one", os.urandom), "ck_one") == SECRET


def test_whoever_adds_a_key_leaves_the_keyring_to_the_server(file: Path):
    """Run as root beside a server that is not: a file of root's would keep the server from its own secrets."""
    load_or_create_keyring(file, os.urandom)
    owner = 12_345 if os.geteuid() == 0 else os.geteuid()
    os.chown(file, owner, -1)
    add_sealing_key(file, os.urandom)
    status = file.stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (owner, 0o600)
