"""Client assertions: their window is that of signatures, whichever of iat and exp they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywright.tokens.assertion import AssertionRules, ReadAssertion, assertion_fault, nonce_of, read_assertion
from keywright.tokens.compact import write_compact

NOW = 1_800_000_000.0
RULES = AssertionRules(frozenset({"https://id.example.com"}), max_age_seconds=300, max_ahead_seconds=30)


def said(**claims: object) -> ReadAssertion | None:
    everything = {"iss": "ck_a", "sub": "ck_a", "aud": "https://id.example.com", "exp": NOW + 60, "jti": "1", **claims}
    return read_assertion(write_compact({}, {k: v for k, v in everything.items() if v is not None}, bytes(32)))


@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ({}, None),
        ({"exp": NOW + 330}, None),
        ({"exp": NOW + 331}, "too far ahead"),
        ({"exp": NOW}, "expired"),
        ({"exp": NOW + 0.5}, None),
        ({"iat": NOW - 300, "exp": NOW + 9999}, None),
        ({"iat": NOW - 301, "exp": NOW + 9999}, "older than 300 s"),
        ({"iat": NOW + 30}, None),
        ({"iat": NOW + 31}, "iat is in the future"),
        ({"nbf": NOW + 31}, "nbf is in the future"),
        ({"nbf": NOW + 30}, None),
        ({"aud": ["x", "https://id.example.com"]}, None),
        ({"aud": "https://id.example.com/"}, "aud"),
        ({"sub": "ck_b"}, "iss and sub"),
        ({"jti": "x" * 257}, "jti"),
    ],
)
def test_the_window(claims: dict[str, object], fault: str | None):
    assertion = said(**claims)
    assert assertion is not None
    found = assertion_fault(assertion, RULES, NOW)
    assert (found is None) if fault is None else (found is not None and fault in found)


@given(
    iat=st.none() | st.floats(0, 2e9),
    exp=st.floats(0, 2e9),
    now=st.floats(1e9, 2e9),
    max_age=st.integers(1, 3600),
    ahead=st.integers(0, 300),
)
def test_what_is_taken_is_within_what_the_memory_of_nonces_can_vouch_for(
    iat: float | None, exp: float, now: float, max_age: int, ahead: int
):
    rules = AssertionRules(RULES.audiences, max_age, ahead)
    assertion = said(iat=iat, exp=exp)
    assert assertion is not None
    if assertion_fault(assertion, rules, now) is None:
        assert -ahead <= now - rules.created(assertion) <= max_age


@pytest.mark.parametrize(
    "claims",
    [
        *({"iss": 5}, {"aud": {}}, {"aud": [5]}, {"jti": 5}, {"jti": None}),
        *({"exp": "1"}, {"exp": -1}, {"exp": 1e12}, {"exp": True}),
    ],
)
def test_what_is_no_assertion(claims: dict[str, object]):
    assert said(**claims) is None


def test_an_access_token_is_no_assertion():
    claims = {"iss": "a", "sub": "a", "aud": "a", "exp": NOW, "jti": "1"}
    assert read_assertion(write_compact({}, claims, bytes(32))) is not None
    assert read_assertion(write_compact({"typ": "at+jwt"}, claims, bytes(32))) is None


@given(st.text(max_size=300))
def test_no_nonce_of_a_request_can_be_taken_for_an_assertion(jti: str):
    assert " " in nonce_of(jti)
    assert len(nonce_of(jti)) == 49
