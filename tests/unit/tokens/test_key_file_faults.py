"""The file with the signing keys when things go wrong: others write meanwhile, reading fails, another user writes."""

from __future__ import annotations

import errno
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from keywright.errors import Unavailable
from keywright.tokens import key_file
from keywright.tokens.key_file import (
    SigningKeyFile,
    add_signing_key,
    load_or_create_signing_keys,
    replace_signing_keys,
)

START = 1_800_000_000
ANOTHER_USER = 12_345


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "token-keys.json"


def on_disk(file: Path) -> Any:
    return load_or_create_signing_keys(file, os.urandom, START)


def test_a_stolen_key_that_goes_while_a_process_starts_is_gone_there_too(file: Path, monkeypatch: pytest.MonkeyPatch):
    on_disk(file)
    read = key_file._read

    def read_just_before_it_is_replaced(path: Path) -> Any:
        keys = read(path)
        replace_signing_keys(path, os.urandom, START)
        return keys

    monkeypatch.setattr(key_file, "_read", read_just_before_it_is_replaced)
    running = SigningKeyFile(file, os.urandom, START)
    monkeypatch.undo()
    assert running.keys() == on_disk(file)


def test_a_file_that_cannot_be_read_for_a_moment_is_read_again(file: Path, monkeypatch: pytest.MonkeyPatch):
    """Too many open files, just as a stolen key is taken away: it must not go on for ever."""
    running = SigningKeyFile(file, os.urandom, START)
    stolen = running.keys()
    replace_signing_keys(file, os.urandom, START)

    def fail(*_args: Any, **_named: Any) -> str:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Path, "read_text", fail)
    with capture_logs() as logs:
        for _ in range(5):
            assert running.keys() == stolen
    assert [line["event"] for line in logs] == ["token_keys_unreadable"], "told once, not for every token"
    monkeypatch.undo()
    assert running.keys() == on_disk(file) != stolen


def test_whoever_replaces_the_keys_leaves_them_to_the_server(file: Path):
    """Run as root beside a server that is not: a file of root's would leave the server with the stolen key."""
    on_disk(file)
    owner = ANOTHER_USER if os.geteuid() == 0 else os.geteuid()
    for folder_too in (False, True):
        os.chown(file, owner, -1)
        if folder_too:
            os.chown(file.parent, owner, -1)
            file.unlink()
        for change in (
            lambda: add_signing_key(file, os.urandom, START, lead_seconds=600),
            lambda: replace_signing_keys(file, os.urandom, START),
        ):
            change()
            status = file.stat()
            assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (owner, 0o600)


def test_a_rotation_at_the_same_time_does_not_bring_a_stolen_key_back(file: Path):
    (stolen,) = on_disk(file).keys
    replacing = threading.Thread(target=replace_signing_keys, args=(file, os.urandom, START + 1))

    def in_between(count: int) -> bytes:
        replacing.start()
        replacing.join(0.5)  # it may have to wait for us
        return os.urandom(count)

    add_signing_key(file, in_between, START, lead_seconds=0)
    replacing.join(10)
    assert not replacing.is_alive()
    assert stolen not in on_disk(file).keys


def test_many_that_start_at_once_agree_on_one_key(file: Path):
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda number: load_or_create_signing_keys(file, os.urandom, START + number), range(64)))
    assert {keys.keys for keys in found} == {on_disk(file).keys}
    assert [each.name for each in file.parent.iterdir()] == [file.name], "nothing with a seed is left beside it"


def test_a_replaced_file_outlives_a_power_cut(file: Path, monkeypatch: pytest.MonkeyPatch):
    """Or the machine comes up with the stolen key again."""
    synced: list[bool] = []
    sync = os.fsync

    def noting_sync(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noting_sync)
    replace_signing_keys(file, os.urandom, START)
    assert synced == [False, True], "first the file, then the folder that names it"


@pytest.mark.parametrize(
    "text",
    ['{"keys": [{"seed": "SEED", "signsFrom": 1e999}]}', '{"keys": [{"seed": "SEED", "signsFrom": -1e999}]}',
     '{"keys": [{"seed": 5, "signsFrom": 1}]}', '{"keys": ' + "[" * 100_000, "\ufeff{}", '{"keys": [null]}'],
)  # fmt: skip
def test_damage_of_every_kind_is_told_and_ends_nothing_that_runs(file: Path, text: str):
    running = SigningKeyFile(file, os.urandom, START)
    known = running.keys()
    file.write_text(text.replace("SEED", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="))
    assert running.keys() == known
    with pytest.raises(Unavailable, match="token keys"):
        SigningKeyFile(file, os.urandom, START)
