"""Client IDs and Client Secrets: made, recognised, and refused when a character is wrong."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywright.formats import (
    CLIENT_SECRET_PATTERN,
    format_client_secret,
    is_client_id,
    new_client_id,
    new_identifier,
    parse_client_secret,
)

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


@given(st.binary(min_size=15, max_size=15))
def test_a_client_id_has_the_published_form(entropy: bytes):
    client_id = new_client_id(lambda count: entropy[:count])
    assert re.fullmatch(r"ck_[0-9a-hjkmnp-tv-z]{26}", client_id)
    assert is_client_id(client_id)


@given(st.binary(min_size=15, max_size=15), st.integers(0, 25), st.sampled_from(ALPHABET))
def test_a_client_id_with_one_wrong_character_is_not_one(entropy: bytes, place: int, other: str):
    client_id = new_client_id(lambda count: entropy[:count])
    place += 3
    changed = client_id[:place] + other + client_id[place + 1 :]
    assert is_client_id(changed) == (changed == client_id)


@given(st.text())
def test_any_text_can_be_asked_about(text: str):
    assert not is_client_id(text) or re.fullmatch(r"ck_[0-9a-hjkmnp-tv-z]{26}", text)


def test_forms_near_a_client_id_are_none():
    client_id = new_client_id(os.urandom)
    for other in (client_id.upper(), client_id + "\n", " " + client_id, client_id[:-1], client_id + "0", ""):
        assert not is_client_id(other)


def test_client_ids_use_all_of_their_randomness():
    assert len({new_client_id(os.urandom) for _ in range(2000)}) == 2000
    first = {new_client_id(os.urandom)[3] for _ in range(500)}
    assert len(first) > 25


@given(st.binary(min_size=32, max_size=32), st.sampled_from(["live", "sandbox"]))
def test_a_client_secret_gives_back_its_bytes(secret: bytes, environment: str):
    text = format_client_secret(secret, environment)
    assert re.fullmatch(CLIENT_SECRET_PATTERN, text)
    assert text.startswith(f"cs_{environment}_")
    assert parse_client_secret(text) == secret


@given(st.binary(min_size=32, max_size=32), st.integers(0, 71), st.sampled_from("0123456789abcdef"))
def test_a_damaged_client_secret_is_refused_without_being_told(secret: bytes, place: int, other: str):
    text = format_client_secret(secret, "live")
    place += len("cs_live_")
    changed = text[:place] + other + text[place + 1 :]
    if changed == text:
        return
    with pytest.raises(ValueError, match="damaged") as raised:
        parse_client_secret(changed)
    assert secret.hex()[:16] not in str(raised.value)


@pytest.mark.parametrize(
    "text", ["", "cs_live_", "cs_test_" + "0" * 72, "CS_LIVE_" + "0" * 72, "cs_live_" + "0" * 72 + "\n"]
)
def test_what_is_no_client_secret_is_refused(text: str):
    with pytest.raises(ValueError, match="not a Client Secret"):
        parse_client_secret(text)


def test_a_secret_has_32_bytes():
    with pytest.raises(ValueError, match="32 bytes"):
        format_client_secret(b"short", "live")


def test_identifiers_tell_their_kind():
    assert re.fullmatch(r"acc_[0-9a-hjkmnp-tv-z]{20}", new_identifier("acc", os.urandom))
