import re
import time

import pytest
from verifying_server import CLIENT_ID, SEED

from keywright import sign
from keywright.formats import is_client_id
from keywright.sdk.signing import new_nonce, same_site, without_label
from keywright.signatures import Profile, SignedRequest, Verified, find_signature, public_key_of, verify_signature

URL = "https://api.example.com/v1/payments?limit=10"


def verified(method, url, headers, body, added, *, now=None):
    request = SignedRequest(method, url, [*headers, *added.items()], body)
    found = find_signature(request, Profile(), is_client_id)
    return verify_signature(
        request, found, "ed25519", public_key_of(SEED), Profile(), time.time() if now is None else now
    )


def test_as_in_the_contract(key):
    headers = sign(key, method="POST", url=URL, headers={}, body=b"{}")
    assert list(headers) == ["Content-Digest", "Signature-Input", "Signature"]
    verdict = verified("POST", URL, [], b"{}", headers)
    assert isinstance(verdict, Verified)
    assert verdict.key_id == CLIENT_ID
    assert verdict.covered == ("@method", "@target-uri", "content-digest")


def test_without_a_body_there_is_no_digest(key):
    headers = sign(key, method="GET", url=URL)
    assert list(headers) == ["Signature-Input", "Signature"]
    assert verified("GET", URL, [], b"", headers).covered == ("@method", "@target-uri")


def test_content_type_is_covered_where_it_is(key):
    sent = [("Content-Type", "application/json"), ("X-Request-Id", "7")]
    headers = sign(key, method="POST", url=URL, headers=sent, body=b"{}")
    assert verified("POST", URL, sent, b"{}", headers).covered[-1] == "content-type"


def test_more_headers_are_covered_on_demand(key):
    sent = {"Idempotency-Key": '"a1"', "Content-Type": "text/plain"}
    headers = sign(key, method="POST", url=URL, headers=sent, body=b"x", cover=["Idempotency-Key", "content-type"])
    verdict = verified("POST", URL, list(sent.items()), b"x", headers)
    assert verdict.covered == ("@method", "@target-uri", "content-digest", "content-type", "idempotency-key")


@pytest.mark.parametrize(
    ("cover", "says"),
    [
        (["Connection"], "changed on the way"),
        (["content-length"], "changed on the way"),
        (["signature"], "cannot be covered"),
        (["@method"], "not the name of a header"),
        (["x y"], "not the name of a header"),
        (["idempotency-key"], "idempotency-key"),
    ],
)
def test_what_cannot_be_covered(key, cover, says):
    with pytest.raises(ValueError, match=says):
        sign(key, method="GET", url=URL, cover=cover)


def test_clock_and_nonce_can_be_given(key):
    headers = sign(key, method="GET", url=URL, clock=lambda: 1_800_000_000.9, nonce=lambda: "n" * 16)
    assert f';created=1800000000;keyid="{CLIENT_ID}";nonce="nnnnnnnnnnnnnnnn"' in headers["Signature-Input"]
    assert headers == sign(key, method="GET", url=URL, clock=lambda: 1_800_000_000, nonce=lambda: "n" * 16)


def test_expiry_and_tag(key):
    headers = sign(key, method="GET", url=URL, expires_after_seconds=5, tag="bank", label="mine", clock=lambda: 1000)
    assert headers["Signature-Input"].startswith("mine=(")
    assert headers["Signature-Input"].endswith(';expires=1005;tag="bank"')
    assert isinstance(verified("GET", URL, [], b"", headers, now=1005), Verified)
    assert verified("GET", URL, [], b"", headers, now=1006).code == "signature_expired"


def test_nonces_are_wide_and_never_the_same():
    nonces = {new_nonce() for _ in range(1000)}
    assert len(nonces) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", nonce) for nonce in nonces)


def test_a_host_header_says_whom_the_request_is_for(key):
    headers = sign(key, method="GET", url="http://10.0.0.7:8080/a?b", headers={"host": "api.example.com"})
    assert isinstance(verified("GET", "http://api.example.com/a?b", [], b"", headers), Verified)


@pytest.mark.parametrize(
    ("signed", "sent"),
    [
        ("HTTPS://API.Example.com:443", "https://api.example.com/"),
        ("https://api.example.com?x", "https://api.example.com/?x"),
        ("https://api.example.com/a#fragment", "https://api.example.com/a"),
        ("http://[::1]:8080/a", "http://[::1]:8080/a"),
        ("https://api.example.com/a//b;c|d?e[]=%C3%A4&&f", "https://api.example.com/a//b;c|d?e[]=%C3%A4&&f"),
    ],
)
def test_urls_as_they_go_out(key, signed, sent):
    assert isinstance(verified("GET", sent, [], b"", sign(key, method="GET", url=signed)), Verified)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("/v1/payments", "absolute"),
        ("api.example.com/v1", "absolute"),
        ("ftp://api.example.com/", "absolute"),
        ("https://", "no host"),
        ("https:///path", "no host"),
        ("https://user:pw@api.example.com/", "leave them out"),
        ("https://müller.example/", "xn--"),
        ("https://api.example.com/a b", "percent-encode"),
        ("https://api.example.com/ä", "percent-encode"),
        ("https://api.example.com:999999/", "cannot be signed"),
    ],
)
def test_urls_that_cannot_go_out(key, url, says):
    with pytest.raises(ValueError, match=says):
        sign(key, method="GET", url=url)


def test_other_mistakes(key):
    with pytest.raises(TypeError, match="bytes"):
        sign(key, method="POST", url=URL, body="{}")
    with pytest.raises(TypeError, match="headers"):
        sign(key, method="POST", url=URL, headers={"X": 1})
    with pytest.raises(TypeError, match="cover"):
        sign(key, method="POST", url=URL, cover="date")
    with pytest.raises(ValueError, match="more than one Host"):
        sign(key, method="POST", url=URL, headers=[("Host", "a"), ("host", "b")])
    with pytest.raises(ValueError, match="Content-Digest does not fit"):
        sign(key, method="POST", url=URL, headers={"Content-Digest": "sha-256=:AAAA:"}, body=b"x")
    first = sign(key, method="GET", url=URL)
    with pytest.raises(ValueError, match="another label"):
        sign(key, method="GET", url=URL, headers=first)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, None),
        ("sig1=:AAAA:", None),
        ('other=("a,b");tag="x, sig1", sig1=("@method")', 'other=("a,b");tag="x, sig1"'),
        ("other=:BBBB:,sig1=:AAAA:", "other=:BBBB:"),
        ("xsig1=:AAAA:", "xsig1=:AAAA:"),
    ],
)
def test_an_earlier_signature_is_taken_away(value, kept):
    assert without_label(value, "sig1") == kept


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example/x", "https://a.example:443/y", True),
        ("http://a.example/x", "https://a.example/x", True),
        ("https://a.example/x", "http://a.example/x", False),
        ("http://a.example:8080/x", "https://a.example/x", False),
        ("https://a.example/x", "https://b.example/x", False),
        ("https://a.example/x", "https://a.example:8443/x", False),
    ],
)
def test_a_redirect_is_followed_signed_only_on_the_same_site(one, other, same):
    assert same_site(one, other) is same
