"""Where passkeys belong."""

from __future__ import annotations

import pytest

from keywright.identity.relying_party import RelyingParty, relying_party


@pytest.mark.parametrize(
    ("base_url", "rp_id", "origin"),
    [
        ("https://keys.example.com", "keys.example.com", "https://keys.example.com"),
        ("https://keys.example.com:443", "keys.example.com", "https://keys.example.com"),
        ("https://keys.example.com:8443", "keys.example.com", "https://keys.example.com:8443"),
        ("https://KEYS.Example.com", "keys.example.com", "https://keys.example.com"),
        ("https://schlüssel.example", "xn--schlssel-95a.example", "https://xn--schlssel-95a.example"),
        ("http://127.0.0.1:8080", "localhost", "http://localhost:8080"),
        ("http://127.1.2.3:80", "localhost", "http://localhost"),
        ("http://[::1]:8080", "localhost", "http://localhost:8080"),
        ("http://localhost:8080", "localhost", "http://localhost:8080"),
        ("https://localhost", "localhost", "https://localhost"),
        ("http://keys.localhost:1", "keys.localhost", "http://keys.localhost:1"),
    ],
)
def test_what_passkeys_are_made_for(base_url: str, rp_id: str, origin: str):
    assert relying_party(base_url) == RelyingParty(rp_id, origin)


@pytest.mark.parametrize(
    "base_url",
    ["https://192.0.2.1", "http://0.0.0.0:8080", "https://[2001:db8::1]", "http://keys.example.com", "https://", ""],
)
def test_where_no_browser_makes_one(base_url: str):
    assert relying_party(base_url) is None
