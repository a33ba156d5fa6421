"""Which address a request comes from."""

from __future__ import annotations

import pytest

from keywright.wire.browser import client_address

PROXIES = ("10.0.0.0/8", "192.0.2.1", "2001:db8:ffff::/48")


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "found"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # nobody we trust says so
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.1"], "198.51.100.1"),
        ("192.0.2.1", ["8.8.8.8, 198.51.100.1"], "198.51.100.1"),  # the left was there before: made up
        ("192.0.2.1", ["8.8.8.8", "198.51.100.1"], "198.51.100.1"),
        ("192.0.2.1", ["198.51.100.1,10.1.2.3 , 10.9.9.9"], "198.51.100.1"),
        ("192.0.2.1", ["10.1.2.3, 10.9.9.9"], "10.1.2.3"),
        ("192.0.2.1", ["8.8.8.8, nonsense"], "192.0.2.1"),
        ("192.0.2.1", ["8.8.8.8, unknown, 10.0.0.1"], "10.0.0.1"),
        ("192.0.2.1", [""], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("192.0.2.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("192.0.2.1", ["2001:db8::7"], "2001:db8::7"),
        ("2001:db8:ffff::1", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_the_nearest_address_that_is_no_proxy_of_ours(peer: str, forwarded_for: list[str], found: str):
    assert client_address(peer, forwarded_for, PROXIES) == found


def test_without_trusted_proxies_it_is_the_peer():
    assert client_address("127.0.0.1", ["198.51.100.1"], ()) == "127.0.0.1"
