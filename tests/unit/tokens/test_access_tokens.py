"""Making and reading access tokens: the cache of checked ones never outlives what it rests on."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from keywright.errors import RefusalCode, Refused
from keywright.tokens import AccessTokens, SigningKeyFile
from keywright.tokens.compact import read_compact, write_compact
from keywright.tokens.key_file import add_signing_key, replace_signing_keys
from keywright.tokens.signing_keys import LIFETIME_SECONDS

NOW = 1_800_000_000.5
ISSUER = "https://id.example.com"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "token-keys.json"


def reader(file: Path, *, issuer: str = ISSUER, audience: str = "urn:api", size: int = 3, **more: bool) -> AccessTokens:
    keys = SigningKeyFile(file, os.urandom, NOW)
    return AccessTokens(keys, issuer=issuer, audience=audience, cache_size=size, **more)


def code(found: object) -> RefusalCode | None:
    return found.code if isinstance(found, Refused) else None


def test_what_is_issued_is_read_elsewhere(file: Path):
    token = reader(file).issue("ck_a", "acc_a", NOW, os.urandom)
    claims = reader(file).read(token, NOW)
    assert not isinstance(claims, Refused)
    assert (claims.client_id, claims.sub, claims.account_id) == ("ck_a", "ck_a", "acc_a")
    assert (claims.iat, claims.exp) == (int(NOW), int(NOW) + LIFETIME_SECONDS)


def test_it_ends_to_the_second_also_when_it_is_remembered(file: Path):
    tokens = reader(file)
    token = tokens.issue("ck_a", "acc_a", NOW, os.urandom)
    end = int(NOW) + LIFETIME_SECONDS
    for _ in range(2):
        assert code(tokens.read(token, end - 0.01)) is None
    for at in (end, end + 5000):
        assert code(tokens.read(token, at)) is RefusalCode.TOKEN_EXPIRED


def test_others_issuers_and_audiences(file: Path):
    token = reader(file).issue("ck_a", "acc_a", NOW, os.urandom)
    assert code(reader(file, issuer="https://other.example").read(token, NOW)) is RefusalCode.TOKEN_INVALID
    assert code(reader(file, audience="urn:other").read(token, NOW)) is RefusalCode.TOKEN_INVALID


def test_nodes_without_a_shared_name_take_each_others_tokens_and_no_strangers(file: Path, tmp_path: Path):
    token = reader(file).issue("ck_a", "acc_a", NOW, os.urandom)
    other = reader(
        file, issuer="https://other.example", audience="urn:other", checks_issuer=False, checks_audience=False
    )
    assert code(other.read(token, NOW)) is None
    named = reader(file, issuer="https://other.example", audience="urn:other", checks_issuer=False)
    assert code(named.read(token, NOW)) is RefusalCode.TOKEN_INVALID
    stranger = tmp_path / "strangers-keys.json"
    assert code(other.read(reader(stranger).issue("ck_a", "acc_a", NOW, os.urandom), NOW)) is RefusalCode.TOKEN_INVALID


def test_the_memory_is_bounded(file: Path):
    tokens = reader(file, size=3)
    made = [tokens.issue(f"ck_{number}", "acc_a", NOW, os.urandom) for number in range(10)]
    for token in made * 2:
        assert code(tokens.read(token, NOW)) is None
    assert len(tokens._checked) == 3
    for _ in range(10):
        tokens.read("e30.e30.e30", NOW)
    assert len(tokens._checked) == 3, "what is no good is not remembered"
    assert all(isinstance(name, bytes) and len(name) == 32 for name in tokens._checked), "nor is a token itself"


def test_a_new_key_is_known_at_once_and_a_stolen_one_gone_within_a_second(file: Path):
    tokens, other = reader(file), reader(file)
    old = tokens.issue("ck_a", "acc_a", NOW, os.urandom)
    assert code(tokens.read(old, NOW)) is None
    add_signing_key(file, os.urandom, NOW, lead_seconds=0)
    new = other.issue("ck_a", "acc_a", NOW, os.urandom)
    assert code(tokens.read(new, NOW)) is None
    assert code(tokens.read(old, NOW)) is None
    replace_signing_keys(file, os.urandom, NOW)
    for token in (old, new):
        assert code(tokens.read(token, NOW + 1.01)) is RefusalCode.TOKEN_INVALID
    assert code(tokens.read(tokens.issue("ck_a", "acc_a", NOW, os.urandom), NOW)) is None


def test_a_clock_that_is_put_back_does_not_stop_the_looking(file: Path):
    tokens = reader(file)
    token = tokens.issue("ck_a", "acc_a", NOW, os.urandom)
    assert code(tokens.read(token, NOW)) is None
    replace_signing_keys(file, os.urandom, NOW)
    assert code(tokens.read(token, NOW - 500)) is RefusalCode.TOKEN_INVALID


@pytest.mark.parametrize("kind", ["JWT", "at+JWT", "", None, 5, ["at+jwt"]])
def test_only_access_tokens_are_read(file: Path, kind: object):
    tokens = reader(file)
    key = SigningKeyFile(file, os.urandom, NOW).keys().keys[0]
    claims = {"iss": ISSUER, "sub": "ck_a", "aud": "urn:api", "client_id": "ck_a", "account_id": "acc_a"}
    claims |= {"iat": int(NOW), "exp": int(NOW) + 60, "jti": "x"}
    good = write_compact({"typ": "at+jwt", "kid": key.key_id}, claims, key.seed)
    assert code(tokens.read(good, NOW)) is None
    other = write_compact({"typ": kind, "kid": key.key_id}, claims, key.seed)
    assert code(tokens.read(other, NOW)) is RefusalCode.TOKEN_INVALID


def test_text_that_utf_8_cannot_hold(file: Path):
    assert code(reader(file).read("\ud800", NOW)) is RefusalCode.TOKEN_INVALID


def made_by_the_server(file: Path, **more: object) -> str:
    key = SigningKeyFile(file, os.urandom, NOW).keys().keys[0]
    claims = {"iss": ISSUER, "sub": "ck_a", "aud": "urn:api", "client_id": "ck_a", "account_id": "acc_a", "jti": "x"}
    claims |= {"iat": int(NOW), "exp": int(NOW) + 60}
    return write_compact({"typ": "at+jwt", "kid": key.key_id}, {**claims, **more}, key.seed)


def test_a_token_of_a_clock_that_was_ahead_lasts_no_longer_than_others(file: Path):
    """Issued while the clock was a year ahead, which is then put right: it must not last a year."""
    tokens = reader(file)
    ahead = NOW + 365 * 86_400
    token = tokens.issue("ck_a", "acc_a", ahead, os.urandom)
    assert code(tokens.read(token, ahead)) is None
    for _ in range(2):
        assert code(tokens.read(token, NOW)) is RefusalCode.TOKEN_INVALID
    # Hosts whose clocks differ a little read each other's.
    assert code(tokens.read(tokens.issue("ck_a", "acc_a", NOW + 50, os.urandom), NOW)) is None


def test_claims_that_nobody_would_write(file: Path):
    tokens = reader(file)
    assert code(tokens.read(made_by_the_server(file), NOW)) is None
    nested = msgspec.Raw(b"[" * 1200 + b"]" * 1200)
    for more in (
        {"x": nested}, {"exp": True}, {"exp": 1e308}, {"exp": 10**300}, {"exp": NOW + 60.5}, {"aud": ["urn:api"]},
    ):  # fmt: skip
        assert code(tokens.read(made_by_the_server(file, **more), NOW)) is RefusalCode.TOKEN_INVALID, more


def test_whom_a_token_names_is_not_shown_where_it_is_taken_apart(file: Path):
    token = made_by_the_server(file)
    parts = read_compact(token, max_characters=5000)
    assert parts is not None
    assert "ck_a" not in repr(parts)
    assert repr(parts.signature) not in repr(parts)
