"""Whatever a client sends under names that are the gateway's: neither Keywright nor the backend believes it."""

from __future__ import annotations

import re

import pytest

from support.ways import Way

PATH = "/v1/payments?currency=EUR"
OTHER = "https://other.example.com"

# What the gateway says to the backend, and what a client says in its place.
ABOUT_THE_CLIENT = ("Keywright-Client-Id", "Keywright-Account-Id", "Keywright-Body-Verified")
ABOUT_THE_REQUEST = {
    "X-Original-Method": "DELETE",
    "X-Original-URL": f"{OTHER}{PATH}",
    "X-Forwarded-Method": "DELETE",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "other.example.com",
    "X-Forwarded-Uri": "/v1/other",
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/other",
    "X-Forwarded-Server": "other.example.com",
    "X-Forwarded-Protocol": "ssl",
    "X-Forwarded-Scheme": "gopher",
    "X-Forwarded-Ssl": "off",
    "X-Real-IP": "203.0.113.9",
    "Forwarded": "host=other.example.com",
    # Frameworks take another method or path from these than the one that was judged.
    "X-HTTP-Method": "DELETE",
    "X-HTTP-Method-Override": "DELETE",
    "X-Method-Override": "DELETE",
    "X-Rewrite-URL": "/v1/other",
}
SPOOFED = {**dict.fromkeys(ABOUT_THE_CLIENT, "forged"), **ABOUT_THE_REQUEST}


def spellings(name: str) -> list[str]:
    # Backends that know headers as environment variables (CGI, WSGI, PHP) cannot tell the latter ones from the first.
    mixed = [name.replace("-", "_", 1), "_".join(name.rsplit("-", 1)), name.replace("-", ".")]
    return [name, name.lower(), name.upper(), name.replace("-", "_"), *mixed]


@pytest.mark.parametrize("name", SPOOFED)
def test_the_backend_sees_only_what_the_gateway_says(way: Way, name: str):
    _, plain = way.passed("GET", PATH, way.signed("GET", PATH))
    for spelling in spellings(name):
        for lines in ([(spelling, SPOOFED[name])], [(spelling, SPOOFED[name]), (spelling.title(), SPOOFED[name])]):
            _, seen = way.passed("GET", PATH, [*way.signed("GET", PATH), *lines])
            by_variable = {re.sub(r"[^a-z0-9]", "-", found.lower()): value for found, value in seen.headers}
            for said in (*ABOUT_THE_CLIENT, *ABOUT_THE_REQUEST):
                assert seen.all(said) == plain.all(said)
                assert by_variable.get(said.lower()) == (plain.all(said) or [None])[0]
    assert plain.all("Keywright-Client-Id") == [way.key.client_id]
    for said in set(ABOUT_THE_REQUEST) - {"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"}:
        assert plain.all(said) == []


def test_all_at_once_change_nothing(way: Way):
    half = len(spellings("X")) // 2  # HAProxy takes 100 lines at most
    for chosen in (slice(half), slice(half, None)):
        lines = [(spelling, value) for name, value in SPOOFED.items() for spelling in spellings(name)[chosen]]
        for placed in ([*way.signed("GET", PATH), *lines], [*lines, *way.signed("GET", PATH)]):
            _, seen = way.passed("GET", PATH, placed)
            assert seen.all("Keywright-Client-Id") == [way.key.client_id]
            assert "forged" not in str(seen.headers)
            assert "203.0.113.9" not in str(seen.headers)
            assert "other.example.com" not in str(seen.headers)


def test_a_client_cannot_have_another_request_judged_than_its_own(way: Way):
    """A request that is signed for elsewhere, with all the headers that would make it be from there."""
    told = [
        ("X-Original-Method", "GET"),
        ("X-Original-URL", OTHER + PATH),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "other.example.com"),
        ("X-Forwarded-Uri", PATH),
        ("Forwarded", "host=other.example.com;proto=https"),
    ]
    for lines in (told[:2], told[2:6], told[6:], told):
        headers = way.signed("GET", PATH, origin=OTHER)
        assert way.stopped("GET", PATH, [*headers, *lines]).status == 401
        assert way.stopped("POST", "/v1/other", [*headers, *lines], b"{}").status == 401
    # The same for another path of the same origin.
    told = [("X-Original-Method", "GET"), ("X-Original-URL", "https://api.example.com" + PATH), *told[2:5]]
    for lines in (told[:2], [*told[2:], ("X-Forwarded-Uri", PATH)], told):
        assert way.stopped("DELETE", "/v1/other", [*way.signed("GET", PATH), *lines]).status == 401


@pytest.mark.parametrize(
    "named", ["Keywright-Client-Id", "X-Original-URL, X-Original-Method", "X-Forwarded-Host, X-Forwarded-Uri"]
)
def test_a_client_cannot_have_the_gateways_headers_taken_out_on_the_way(way: Way, named: str):
    """Proxies drop what Connection names (RFC 9110 section 7.6.1); that must not reach what the gateway says."""
    _, seen = way.passed("GET", PATH, [*way.signed("GET", PATH), ("Connection", f"close, {named}")])
    for name, said in zip(ABOUT_THE_CLIENT, (way.key.client_id, way.account_id, "false"), strict=True):
        assert seen.all(name) == [said]


def test_what_connection_names_is_still_judged(way: Way):
    for named in ("Signature-Input", "Content-Digest", "Signature, Signature-Input, Authorization"):
        signed = way.signed("POST", PATH, b"{}")
        answer = way.gateway.send("POST", PATH, [*signed, ("Connection", f"close, {named}")], b"{}")
        # Either the name is overlooked, or the signature is gone with what it covers; never half of it.
        assert answer.status in {200, 401}
        if answer.status == 200:
            assert way.backend.seen[-1].all("Content-Digest")
            assert way.backend.seen[-1].all("Signature-Input")


def test_the_address_that_the_gateway_asks_at_is_not_open_to_clients(way: Way):
    for path in ("/_keywright", "/v1/forward-auth", "/v1/verify", "/metrics"):
        answer = way.stopped(
            "GET", path, [("X-Original-Method", "GET"), ("X-Original-URL", "https://api.example.com/")]
        )
        assert answer.status in {401, 404}
        assert b"# HELP" not in answer.body
