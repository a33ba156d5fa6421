"""Signing: what is added, and what is refused as misuse."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signed_samples import BODY, HEADERS, KEY_ID, NONCE, NOW, SEED, URL, check, request, signed, with_header

from keywright.signatures import (
    ED25519,
    HMAC_SHA256,
    SignedRequest,
    Verified,
    accept_signature,
    algorithms,
    content_digest,
    public_key_of,
    sign_request,
)
from keywright.signatures.algorithms import hmac_sha256
from keywright.signatures.structured_fields_parser import parse_dictionary

BASIC = {"key_id": KEY_ID, "algorithm": ED25519, "key": SEED, "created": NOW, "nonce": NONCE}


def sign(sent=None, **options):
    return sign_request(sent or request(), **(BASIC | options))


def test_headers_that_are_added():
    added = sign()
    assert list(added) == ["Content-Digest", "Signature-Input", "Signature"]
    assert added["Content-Digest"] == content_digest(BODY)
    assert added["Signature-Input"] == (
        f'sig1=("@method" "@target-uri" "content-digest" "content-type");created={NOW};keyid="{KEY_ID}";nonce="{NONCE}"'
    )
    assert sign() == added, "the same request gives the same signature"


def test_what_can_be_asked_for():
    added = sign(
        request(body=b"", headers=[]), label="a", expires=NOW + 5, tag='a"b', include_alg=True, algorithm=HMAC_SHA256
    )
    assert added["Signature-Input"] == (
        f'a=("@method" "@target-uri" "content-digest");created={NOW};keyid="{KEY_ID}";nonce="{NONCE}";expires={NOW + 5}'
        ';alg="hmac-sha256";tag="a\\"b"'
    )
    assert list(added) == ["Content-Digest", "Signature-Input", "Signature"]
    assert list(sign(request("GET", body=b"", headers=[]))) == ["Signature-Input", "Signature"]


def test_request_is_left_alone():
    sent = request(url=URL + "#fragment")
    headers = list(sent.headers)
    sign(sent)
    assert sent == SignedRequest("POST", URL + "#fragment", headers, BODY)


def test_fragment_is_not_sent_and_not_signed():
    assert sign(request(url=URL + "#fragment")) == sign()


def test_digest_that_is_there_is_used():
    sent = request(headers=[*HEADERS, ("content-digest", content_digest(BODY, "sha-512"))])
    assert "Content-Digest" not in sign(sent)
    assert isinstance(check(signed(sent)), Verified)


def test_digest_is_added_also_where_components_have_parameters():
    sent = request(headers=[*HEADERS, ("Priority", "u=1")])
    components = ["@method", "@target-uri", "content-digest", '"priority";sf']
    assert isinstance(check(signed(sent, components=components)), Verified)


def test_empty_body_gets_no_digest_but_may_have_one():
    sent = request("GET", body=b"", headers=[("Content-Digest", content_digest(b""))])
    assert '"content-digest"' in sign(sent)["Signature-Input"]
    assert isinstance(check(signed(sent)), Verified)


def test_second_signature_is_added_beside_the_first():
    sent = signed(label="first")
    added = sign(sent, label="second")
    assert list(added) == ["Signature-Input", "Signature"]


MISUSE = {
    "empty key_id": {"key_id": ""},
    "key_id beyond ASCII": {"key_id": "é"},
    "tag beyond ASCII": {"tag": "é"},
    "unknown algorithm": {"algorithm": "rsa"},
    "short seed": {"key": b"short"},
    "short MAC key": {"key": b"short", "algorithm": HMAC_SHA256},
    "short nonce": {"nonce": "short"},
    "long nonce": {"nonce": "x" * 65},
    "nonce with quote": {"nonce": '"' * 16},
    "negative created": {"created": -1},
    "huge created": {"created": 10**15},
    "expires before created": {"expires": NOW - 1},
    "label in capitals": {"label": "Sig"},
    "label with a line break": {"label": "a\n"},
    "one string as components": {"components": "@method"},
    "unknown component": {"components": ["@moon"]},
    "two in one": {"components": ['"a" "b"']},
    "component with a quote": {"components": ['a" "b']},
    "missing field": {"components": ["@method", "x-missing"]},
    "relative URL": {"sent": request(url="/v1")},
    "URL beyond ASCII": {"sent": request(url="https://é.example/")},
    "method with a space": {"sent": request("GET /")},
    "header with a line break": {"sent": request(headers=[("Content-Type", "a\nb")])},
    "wrong digest": {"sent": request(headers=[("Content-Digest", content_digest(b"other"))])},
    "label taken": {"sent": signed()},
    "signature header unreadable": {"sent": with_header(signed(), "Signature", "(("), "label": "other"},
}


@pytest.mark.parametrize("options", MISUSE.values(), ids=MISUSE.keys())
def test_misuse(options):
    with pytest.raises(ValueError, match=r"\w{3}"):
        sign(**options)


def test_digest_algorithms():
    with pytest.raises(ValueError, match="sha-256"):
        content_digest(b"", "md5")


def test_public_key_is_made_without_keeping_the_seed():
    algorithms._signing_key.cache_clear()
    public_key_of(SEED)
    assert algorithms._signing_key.cache_info().currsize == 0


def test_public_key_needs_a_whole_seed():
    with pytest.raises(ValueError, match="32 bytes"):
        public_key_of(b"short")


def test_what_the_server_asks_for():
    assert accept_signature() == 'sig1=("@method" "@target-uri" "content-digest");created'
    assert accept_signature(body_expected=False, tag="a", label="x") == 'x=("@method" "@target-uri");created;tag="a"'
    assert parse_dictionary(accept_signature())["sig1"].params == {"created": True}
    with pytest.raises(ValueError, match="ASCII"):
        accept_signature(tag="é")


@given(st.binary(max_size=200), st.binary(max_size=500))
def test_our_hmac_is_the_standard_librarys(key: bytes, message: bytes):
    assert hmac_sha256(key, message) == hmac.digest(key, message, "sha256")
