"""Signed tokens in the compact form, held against joserfc, and taken apart by force."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import OKPKey

from keywright.signatures import public_key_of
from keywright.tokens.compact import decode_base64url, encode_base64url, read_compact, write_compact
from keywright.tokens.signing_keys import thumbprint

SEED = bytes(range(32))
PUBLIC = public_key_of(SEED)
JWK = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "d": encode_base64url(SEED), "x": encode_base64url(PUBLIC)})
CLAIMS = {"iss": "https://id.example.com", "exp": 1_800_000_000, "text": "ü\u2028\U0001f511"}


def test_joserfc_reads_what_we_write():
    token = write_compact({"typ": "at+jwt", "kid": "a"}, CLAIMS, SEED)
    with pytest.warns(SecurityWarning, match="EdDSA"):
        read = jwt.decode(token, JWK, algorithms=["EdDSA"])
    assert read.claims == CLAIMS
    assert read.header == {"alg": "EdDSA", "typ": "at+jwt", "kid": "a"}


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("name", ["EdDSA", "Ed25519"])
def test_we_read_what_joserfc_writes(name: str):
    token = jwt.encode({"alg": name, "typ": "JWT"}, CLAIMS, JWK, algorithms=[name])
    read = read_compact(token, max_characters=2000)
    assert read is not None
    assert read.header == {"alg": name, "typ": "JWT"}
    assert json.loads(read.payload) == CLAIMS
    assert read.is_signed_by(PUBLIC)
    assert not read.is_signed_by(public_key_of(bytes(32)))


def test_the_thumbprint_is_joserfc_s():
    assert thumbprint(PUBLIC) == JWK.thumbprint()


@pytest.mark.parametrize("name", ["none", "HS256", "RS256", "ES256", "eddsa", "", None, 5, ["EdDSA"]])
def test_no_other_algorithm_is_ever_checked(name: object):
    # Properly signed over these very bytes, so that only the name stands in the way.
    head = encode_base64url(json.dumps({"alg": name}).encode())
    body = encode_base64url(b"{}")
    good = write_compact({}, {}, SEED)
    assert read_compact(good, max_characters=2000).is_signed_by(PUBLIC)
    token = read_compact(write_compact({"alg": name}, {}, SEED), max_characters=2000)
    assert token is not None
    assert token.header["alg"] == name
    assert not token.is_signed_by(PUBLIC)
    assert read_compact(f"{head}.{body}.", max_characters=2000) is None


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "..", "a.b", "a.b.c.d", "a.b.c", " e30.e30.e30", "e30.e30.e30\n", "e30=.e30.e30", "e30.e30.e+0",
        f"{encode_base64url(b'[]')}.e30.e30",
        f"{encode_base64url(b'[' * 5000)}.e30.e30",
        f"{encode_base64url(bytes([255]))}.e30.e30",
        "e31.e30.e30",  # a bit that no byte needs
    ],
)  # fmt: skip
def test_what_is_no_token(text: str):
    assert read_compact(text, max_characters=20_000) is None


def test_extensions_that_must_be_understood_are_refused():
    assert read_compact(write_compact({"crit": ["exp"]}, {}, SEED), max_characters=2000) is None


def test_the_length_is_bounded():
    token = write_compact({}, {}, SEED)
    assert read_compact(token, max_characters=len(token)) is not None
    assert read_compact(token, max_characters=len(token) - 1) is None


@given(st.data())
def test_any_change_of_a_character_is_noticed(data: st.DataObject):
    token = write_compact({"kid": "a"}, {"sub": "x"}, SEED)
    at = data.draw(st.integers(0, len(token) - 1))
    put = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.= "))
    changed = token[:at] + put + token[at + 1 :]
    read = read_compact(changed, max_characters=2000)
    assert changed == token or read is None or not read.is_signed_by(PUBLIC)


@given(st.binary(max_size=200))
def test_base64url_there_and_back(data: bytes):
    assert decode_base64url(encode_base64url(data)) == data


@given(st.text(max_size=100))
def test_whatever_comes_is_read_or_not(text: str):
    assert read_compact(text, max_characters=100) is None


def test_signatures_are_joserfc_s_byte_for_byte():
    token = write_compact({"kid": "a"}, {"sub": "x"}, SEED)
    with pytest.warns(SecurityWarning, match="EdDSA"):
        theirs = jws.serialize_compact({"alg": "EdDSA", "kid": "a"}, b'{"sub":"x"}', JWK, algorithms=["EdDSA"])
    assert token == theirs
