"""Signing keys over time: published, signing, published still, gone; and the file that keeps them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from keywright.errors import Unavailable
from keywright.tokens.key_file import (
    SigningKeyFile,
    add_signing_key,
    load_or_create_signing_keys,
    replace_signing_keys,
)
from keywright.tokens.signing_keys import KEY_SET_SECONDS, LEAD_SECONDS, LIFETIME_SECONDS, SigningKey, SigningKeys

START = 1_800_000_000
FIRST, SECOND, THIRD = (SigningKey(bytes([number]) * 32, START + at) for number, at in ((1, 0), (2, 1000), (3, 9000)))
KEYS = SigningKeys((FIRST, SECOND, THIRD))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "token-keys.json"


@pytest.mark.parametrize(
    ("at", "signs", "published"),
    [
        (-100, FIRST, (FIRST, SECOND, THIRD)),  # a clock that was put back
        (0, FIRST, (FIRST, SECOND, THIRD)),
        (999, FIRST, (FIRST, SECOND, THIRD)),
        (1000, SECOND, (FIRST, SECOND, THIRD)),
        (1000 + LIFETIME_SECONDS, SECOND, (FIRST, SECOND, THIRD)),  # the first one's last token has just expired
        (1000 + LIFETIME_SECONDS + 60, SECOND, (SECOND, THIRD)),
        (8999, SECOND, (SECOND, THIRD)),
        (9000, THIRD, (SECOND, THIRD)),
        (9000 + LIFETIME_SECONDS + 60, THIRD, (THIRD,)),
        (10**9, THIRD, (THIRD,)),
    ],
)
def test_the_clock_alone_says_what_a_key_does(at: int, signs: SigningKey, published: tuple[SigningKey, ...]):
    assert KEYS.current(START + at) is signs
    assert KEYS.published(START + at) == published
    assert KEYS.by_id(FIRST.key_id, START + at) == (FIRST if FIRST in published else None)


def test_a_new_key_is_known_before_it_signs():
    assert LEAD_SECONDS >= 2 * KEY_SET_SECONDS, "or a copy of the key set could be older than the key"


def test_seeds_stay_out_of_every_text_form():
    for text in (repr(KEYS), str(FIRST), f"{FIRST!r}", json.dumps(FIRST.public_jwk())):
        assert FIRST.seed.hex() not in text
        assert repr(FIRST.seed) not in text
    assert set(FIRST.public_jwk()) == {"kty", "crv", "x", "kid", "alg", "use"}


def test_keys_are_made_once_and_read_again(file: Path):
    made = load_or_create_signing_keys(file, os.urandom, START)
    assert load_or_create_signing_keys(file, os.urandom, START + 99) == made
    assert made.current(START).signs_from == START
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_rotation_and_retirement(file: Path):
    first = load_or_create_signing_keys(file, os.urandom, START).keys[0]
    keys = add_signing_key(file, os.urandom, START + 10, lead_seconds=600)
    assert keys.keys[0] == first
    second = keys.keys[1]
    assert second.signs_from == START + 610
    # Another one right behind it never signs before it.
    third = add_signing_key(file, os.urandom, START + 20, lead_seconds=0).keys[2]
    assert third.signs_from == START + 610
    much_later = START + 610 + LIFETIME_SECONDS + 60
    keys = add_signing_key(file, os.urandom, much_later, lead_seconds=600)
    assert first not in keys.keys
    assert keys.keys[0] == third
    assert len(replace_signing_keys(file, os.urandom, much_later).keys) == 1


def test_a_running_process_sees_changes_and_survives_a_damaged_file(file: Path):
    running = SigningKeyFile(file, os.urandom, START)
    first = running.keys()
    assert running.keys() is first
    second = add_signing_key(file, os.urandom, START, lead_seconds=0)
    assert running.keys() == second
    file.write_text("{")
    assert running.keys() == second
    file.unlink()
    assert running.keys() == second
    third = load_or_create_signing_keys(file, os.urandom, START + 5)
    assert running.keys() == third


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"keys": []}', '{"keys": [{"seed": "AA==", "signsFrom": 1}]}', '{"keys": [{"seed": "x"}]}',
     '{"keys": 5}'],
)  # fmt: skip
def test_a_damaged_file_is_told_at_the_start(file: Path, text: str):
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(Unavailable, match="token keys"):
        SigningKeyFile(file, os.urandom, START)


def test_keys_out_of_order_are_damage(file: Path):
    add_signing_key(file, os.urandom, START, lead_seconds=600)
    document = json.loads(file.read_text())
    document["keys"].reverse()
    file.write_text(json.dumps(document))
    with pytest.raises(Unavailable, match="damaged"):
        load_or_create_signing_keys(file, os.urandom, START)


def test_a_file_that_others_can_read_is_refused(file: Path):
    load_or_create_signing_keys(file, os.urandom, START)
    file.chmod(0o640)
    with pytest.raises(Unavailable, match="chmod 600"):
        load_or_create_signing_keys(file, os.urandom, START)
