"""Every refusal that these functions can produce, and the alterations that must lead to each."""

import pytest
from signed_samples import (
    BODY,
    HEADERS,
    NONCE,
    NOW,
    OTHER_ID,
    PROFILE,
    SEED,
    URL,
    check,
    edited,
    header,
    request,
    signed,
    with_header,
)

from keywright.errors import RefusalCode as Code
from keywright.errors import Refused
from keywright.signatures import ED25519, HMAC_SHA256, SignedRequest, Verified, sign_request

FULL = ("@method", "@target-uri", "content-digest", "content-type")
NO_BODY = [("Host", "api.example.com")]


def covering(*components, **changes):
    return signed(request(**changes), components=components)


def second(label, key_id, sent=None):
    """A request with one more signature."""
    sent = sent or signed()
    added = sign_request(
        sent, key_id=key_id, algorithm=ED25519, key=SEED, created=NOW, nonce=NONCE, components=FULL, label=label
    )
    headers = {name: f"{header(sent, name)}, {value}" for name, value in added.items()}
    for name, value in headers.items():
        sent = with_header(sent, name, value)
    return sent


def wrapping_content_type():
    return covering("@method", "@target-uri", "content-digest", '"content-type";bs')


def unseen(*components, headers=NO_BODY, method="POST"):
    return signed(request(method, headers=headers, body=None), components=components)


SIG, INP = "Signature", "Signature-Input"
REFUSED = {
    # finding
    "no headers": (Code.SIGNATURE_MISSING, request),
    "empty headers": (Code.SIGNATURE_MISSING, lambda: with_header(with_header(request(), SIG, ""), INP, "")),
    "only Signature": (Code.SIGNATURE_MALFORMED, lambda: with_header(signed(), INP, None)),
    "only Signature-Input": (Code.SIGNATURE_MALFORMED, lambda: with_header(signed(), SIG, None)),
    "labels differ": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), SIG, "sig1=", "sig2=")),
    "label without counterpart": (
        Code.SIGNATURE_MALFORMED,
        lambda: with_header(signed(), SIG, header(signed(), SIG) + ", b=:AAAA:"),
    ),
    "label twice": (
        Code.SIGNATURE_MALFORMED,
        lambda: with_header(signed(), INP, ", ".join([header(signed(), INP)] * 2)),
    ),
    "label twice over two lines": (
        Code.SIGNATURE_MALFORMED,
        lambda: SignedRequest("POST", URL, [*signed().headers, (INP.lower(), header(signed(), INP))], BODY),
    ),
    "parameter twice": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), INP, ";keyid", f";created={NOW};keyid")),
    "component twice": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), INP, '("@method"', '("@method" "@method"')),
    "component twice, parameters swapped": (
        Code.SIGNATURE_MALFORMED,
        lambda: edited(signed(), INP, '("@method"', '("a";sf;key="x" "a";key="x";sf "@method"'),
    ),
    "no syntax": (Code.SIGNATURE_MALFORMED, lambda: with_header(signed(), INP, "(((")),
    "not a list": (Code.SIGNATURE_MALFORMED, lambda: with_header(signed(), INP, "sig1=5")),
    "not bytes": (Code.SIGNATURE_MALFORMED, lambda: with_header(signed(), SIG, "sig1=5")),
    "signature with parameter": (
        Code.SIGNATURE_MALFORMED,
        lambda: with_header(signed(), SIG, header(signed(), SIG) + ";a"),
    ),
    "lax base64": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), SIG, "==:", ":")),
    "base64 with leftover bits": (Code.SIGNATURE_MALFORMED, lambda: with_header(signed(), SIG, "sig1=:AAF=:")),
    "folded line": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), INP, ";keyid", "\r\n ;keyid")),
    "null": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), INP, ";keyid", "\0;keyid")),
    "beyond ASCII": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), INP, 'keyid="', 'keyid="é')),
    "huge integer": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), INP, str(NOW), "9" * 16)),
    "oversize": (
        Code.SIGNATURE_MALFORMED,
        lambda: with_header(signed(), INP, header(signed(), INP) + ' ;x="' + "a" * 65536),
    ),
    "too many lines": (
        Code.SIGNATURE_MALFORMED,
        lambda: SignedRequest("POST", URL, [*signed().headers, *[("A", "b")] * 200], BODY),
    ),
    "too many signatures": (
        Code.SIGNATURE_MALFORMED,
        lambda: with_header(
            with_header(signed(), INP, ", ".join(f"a{n}=()" for n in range(9))),
            SIG,
            ", ".join(f"a{n}=:AAAA:" for n in range(9)),
        ),
    ),
    "too many components": (
        Code.SIGNATURE_MALFORMED,
        lambda: edited(signed(), INP, '("@method"', "(" + " ".join(f'"a{n}"' for n in range(40)) + ' "@method"'),
    ),
    "component of a response": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), INP, "@method", "@status")),
    "unknown derived component": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), INP, "@method", "@moon")),
    "the parameters themselves": (
        Code.SIGNATURE_MALFORMED,
        lambda: edited(signed(), INP, "@method", "@signature-params"),
    ),
    "component of the other message": (
        Code.SIGNATURE_MALFORMED,
        lambda: edited(signed(), INP, '"@method"', '"@method";req'),
    ),
    "component in the trailer": (
        Code.SIGNATURE_MALFORMED,
        lambda: edited(signed(), INP, '"content-digest"', '"content-digest";tr'),
    ),
    "bs with sf": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), INP, '"content-type"', '"content-type";bs;sf')),
    "bs with key": (
        Code.SIGNATURE_MALFORMED,
        lambda: edited(signed(), INP, '"content-type"', '"content-type";bs;key="a"'),
    ),
    "flag with value": (
        Code.SIGNATURE_MALFORMED,
        lambda: edited(signed(), INP, '"content-type"', '"content-type";sf=?0'),
    ),
    "key of wrong type": (
        Code.SIGNATURE_MALFORMED,
        lambda: edited(signed(), INP, '"content-type"', '"content-type";key=a'),
    ),
    "unknown component parameter": (
        Code.SIGNATURE_MALFORMED,
        lambda: edited(signed(), INP, '"content-type"', '"content-type";moon'),
    ),
    "query parameter without name": (
        Code.SIGNATURE_MALFORMED,
        lambda: edited(signed(), INP, '"@method"', '"@query-param"'),
    ),
    "component in capitals": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), INP, "content-type", "Content-Type")),
    "component that is a token": (
        Code.SIGNATURE_MALFORMED,
        lambda: edited(signed(), INP, '"content-type"', "content-type"),
    ),
    "created of wrong type": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), INP, str(NOW), f'"{NOW}"')),
    "created as decimal": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), INP, str(NOW), f"{NOW}.5")),
    "created as date": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), INP, str(NOW), f"@{NOW}")),
    "keyid of wrong type": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), INP, 'keyid="ck_', 'keyid=ck;a="')),
    "nonce of wrong type": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), INP, f'"{NONCE}"', ":AAAA:")),
    "nonce with space": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), INP, NONCE, NONCE + " ")),
    "nonce with quote": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), INP, NONCE, NONCE + '\\"')),
    "two of ours": (Code.SIGNATURE_AMBIGUOUS, lambda: second("sig2", OTHER_ID)),
    "several, none ours": (
        Code.CREDENTIAL_UNKNOWN,
        lambda: second("sig2", "theirs", signed(key_id="somebody", label="sig1")),
    ),
    "no keyid": (Code.PARAMETER_MISSING, lambda: edited(signed(), INP, ";keyid=", ";kid=")),
    # verifying
    "no created": (Code.PARAMETER_MISSING, lambda: edited(signed(), INP, f";created={NOW}", "")),
    "no nonce": (Code.PARAMETER_MISSING, lambda: edited(signed(), INP, f';nonce="{NONCE}"', "")),
    "nonce too short": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), INP, NONCE, NONCE[1:])),
    "nonce too long": (Code.SIGNATURE_MALFORMED, lambda: edited(signed(), INP, NONCE, "x" * 65)),
    "method not covered": (Code.COVERAGE_INSUFFICIENT, lambda: covering("@target-uri", "content-digest")),
    "URL not covered": (Code.COVERAGE_INSUFFICIENT, lambda: covering("@method", "content-digest")),
    "authority not covered": (
        Code.COVERAGE_INSUFFICIENT,
        lambda: covering("@method", "@path", "@query", "content-digest"),
    ),
    "path not covered": (
        Code.COVERAGE_INSUFFICIENT,
        lambda: covering("@method", "@authority", "@query", "content-digest"),
    ),
    "query not covered": (
        Code.COVERAGE_INSUFFICIENT,
        lambda: covering("@method", "@authority", "@path", "content-digest"),
    ),
    "empty query not covered": (
        Code.COVERAGE_INSUFFICIENT,
        lambda: covering("@method", "@authority", "@path", "content-digest", url="https://api.example.com/?"),
    ),
    "one query parameter covered": (
        Code.COVERAGE_INSUFFICIENT,
        lambda: covering("@method", "@authority", "@path", '"@query-param";name="limit"', "content-digest"),
    ),
    "body not covered": (Code.COVERAGE_INSUFFICIENT, lambda: covering("@method", "@target-uri")),
    "digest covered in part": (
        Code.COVERAGE_INSUFFICIENT,
        lambda: covering("@method", "@target-uri", '"content-digest";key="sha-256"'),
    ),
    "digest covered in another form": (
        Code.COVERAGE_INSUFFICIENT,
        lambda: covering("@method", "@target-uri", '"content-digest";sf'),
    ),
    "unseen body by its length": (
        Code.COVERAGE_INSUFFICIENT,
        lambda: unseen("@method", "@target-uri", headers=[("Content-Length", "3")]),
    ),
    "unseen body by its coding": (
        Code.COVERAGE_INSUFFICIENT,
        lambda: unseen("@method", "@target-uri", headers=[("Transfer-Encoding", "chunked")]),
    ),
    "unseen body by its digest": (
        Code.COVERAGE_INSUFFICIENT,
        lambda: unseen("@method", "@target-uri", headers=[("Content-Digest", "sha-256=:AAAA:")]),
    ),
    "alg of another key": (Code.ALGORITHM_MISMATCH, lambda: signed(algorithm=HMAC_SHA256, include_alg=True)),
    "alg altered": (Code.ALGORITHM_MISMATCH, lambda: edited(signed(include_alg=True), INP, ED25519, HMAC_SHA256)),
    "too old": (Code.SIGNATURE_TOO_OLD, lambda: signed(created=NOW - 301)),
    "too old, and expired": (Code.SIGNATURE_TOO_OLD, lambda: signed(created=NOW - 301, expires=NOW - 300)),
    "in the future": (Code.SIGNATURE_IN_FUTURE, lambda: signed(created=NOW + 31)),
    "expired": (Code.SIGNATURE_EXPIRED, lambda: signed(created=NOW - 60, expires=NOW - 1)),
    "expired before created": (
        Code.SIGNATURE_MALFORMED,
        lambda: edited(signed(expires=NOW), INP, f"expires={NOW}", f"expires={NOW - 1}"),
    ),
    "URL too long": (Code.SIGNATURE_MALFORMED, lambda: SignedRequest("POST", URL + "a" * 9000, signed().headers, BODY)),
    "URL not absolute": (
        Code.SIGNATURE_MALFORMED,
        lambda: SignedRequest("POST", "/v1/payments", signed().headers, BODY),
    ),
    "URL with fragment": (Code.SIGNATURE_MALFORMED, lambda: SignedRequest("POST", URL + "#a", signed().headers, BODY)),
    "URL with user": (
        Code.SIGNATURE_MALFORMED,
        lambda: SignedRequest("POST", "https://u:p@api.example.com/", signed().headers, BODY),
    ),
    "URL with space": (Code.SIGNATURE_MALFORMED, lambda: SignedRequest("POST", URL + " ", signed().headers, BODY)),
    "method with line break": (
        Code.SIGNATURE_MALFORMED,
        lambda: SignedRequest("POST\nGET", URL, signed().headers, BODY),
    ),
    "covered header folded": (Code.SIGNATURE_MALFORMED, lambda: with_header(signed(), "Content-Type", "a\r\n b")),
    "covered header beyond ASCII": (Code.SIGNATURE_MALFORMED, lambda: with_header(signed(), "Content-Type", "é")),
    "covered header too long": (Code.SIGNATURE_MALFORMED, lambda: with_header(signed(), "Content-Type", "a" * 20000)),
    "wrapped header too long": (
        Code.SIGNATURE_MALFORMED,
        lambda: with_header(wrapping_content_type(), "Content-Type", "a" * 20000),
    ),
    "wrapped header folded": (
        Code.SIGNATURE_MALFORMED,
        lambda: with_header(wrapping_content_type(), "Content-Type", "a\r\n b"),
    ),
    "wrapped header beyond latin-1": (
        Code.SIGNATURE_MALFORMED,
        lambda: with_header(wrapping_content_type(), "Content-Type", "\u20ac"),
    ),
    "derived component with parameter": (
        Code.SIGNATURE_MALFORMED,
        lambda: edited(signed(), INP, '"@method"', '"@method";moon'),
    ),
    "query parameter twice": (
        Code.SIGNATURE_MALFORMED,
        lambda: SignedRequest(
            "POST",
            URL + "&limit=11",
            signed(components=("@method", "@target-uri", '"@query-param";name="limit"', "content-digest")).headers,
            BODY,
        ),
    ),
    "wrapped header altered": (
        Code.SIGNATURE_INVALID,
        lambda: with_header(wrapping_content_type(), "Content-Type", "\xe9"),
    ),
    "wrapped header gone": (
        Code.SIGNATURE_INVALID,
        lambda: with_header(wrapping_content_type(), "Content-Type", None),
    ),
    "signature not base64": (Code.SIGNATURE_MALFORMED, lambda: with_header(signed(), SIG, "sig1=:A=A=:")),
    "covered header gone": (Code.SIGNATURE_INVALID, lambda: with_header(signed(), "Content-Type", None)),
    "covered header altered": (Code.SIGNATURE_INVALID, lambda: with_header(signed(), "Content-Type", "text/plain")),
    "covered header repeated": (
        Code.SIGNATURE_INVALID,
        lambda: SignedRequest("POST", URL, [*signed().headers, ("content-type", "a/b")], BODY),
    ),
    "covered member gone": (
        Code.SIGNATURE_INVALID,
        lambda: with_header(
            signed(request(headers=[*HEADERS, ("Priority", "u=1, i")]), components=(*FULL, '"priority";key="u"')),
            "Priority",
            "i",
        ),
    ),
    "covered structured field broken": (
        Code.SIGNATURE_INVALID,
        lambda: with_header(
            signed(request(headers=[*HEADERS, ("Priority", "u=1, i")]), components=(*FULL, '"priority";sf')),
            "Priority",
            "u=(",
        ),
    ),
    "covered query parameter gone": (
        Code.SIGNATURE_INVALID,
        lambda: SignedRequest(
            "POST",
            "https://api.example.com/v1/payments",
            signed(components=("@method", "@target-uri", '"@query-param";name="limit"', "content-digest")).headers,
            BODY,
        ),
    ),
    "method altered": (Code.SIGNATURE_INVALID, lambda: SignedRequest("PUT", URL, signed().headers, BODY)),
    "method in lower case": (Code.SIGNATURE_INVALID, lambda: SignedRequest("post", URL, signed().headers, BODY)),
    "host altered": (
        Code.SIGNATURE_INVALID,
        lambda: SignedRequest("POST", URL.replace("api.", "apj."), signed().headers, BODY),
    ),
    "scheme altered": (
        Code.SIGNATURE_INVALID,
        lambda: SignedRequest("POST", URL.replace("https", "http"), signed().headers, BODY),
    ),
    "path altered": (
        Code.SIGNATURE_INVALID,
        lambda: SignedRequest("POST", URL.replace("v1", "v2"), signed().headers, BODY),
    ),
    "query altered": (Code.SIGNATURE_INVALID, lambda: SignedRequest("POST", URL + "1", signed().headers, BODY)),
    "digest altered": (
        Code.SIGNATURE_INVALID,
        lambda: with_header(signed(), "Content-Digest", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"),
    ),
    "created altered": (Code.SIGNATURE_INVALID, lambda: edited(signed(), INP, str(NOW), str(NOW - 1))),
    "nonce altered": (Code.SIGNATURE_INVALID, lambda: edited(signed(), INP, NONCE, NONCE[::-1])),
    "keyid altered": (Code.SIGNATURE_INVALID, lambda: edited(signed(), INP, "ck_0", "ck_1")),
    "expires altered": (
        Code.SIGNATURE_INVALID,
        lambda: edited(signed(expires=NOW + 60), INP, str(NOW + 60), str(NOW + 61)),
    ),
    "expires removed": (
        Code.SIGNATURE_INVALID,
        lambda: edited(signed(expires=NOW + 60), INP, f";expires={NOW + 60}", ""),
    ),
    "tag altered": (Code.SIGNATURE_INVALID, lambda: edited(signed(tag="a"), INP, 'tag="a"', 'tag="b"')),
    "alg added": (Code.SIGNATURE_INVALID, lambda: edited(signed(), INP, ";keyid", f';alg="{ED25519}";keyid')),
    "alg removed": (Code.SIGNATURE_INVALID, lambda: edited(signed(include_alg=True), INP, f';alg="{ED25519}"', "")),
    "unknown parameter added": (Code.SIGNATURE_INVALID, lambda: edited(signed(), INP, ";keyid", ";moon;keyid")),
    "parameters reordered": (
        Code.SIGNATURE_INVALID,
        lambda: edited(edited(signed(), INP, f";created={NOW}", ""), INP, ";nonce", f";created={NOW};nonce"),
    ),
    "component dropped": (Code.SIGNATURE_INVALID, lambda: edited(signed(), INP, ' "content-type"', "")),
    "components reordered": (
        Code.SIGNATURE_INVALID,
        lambda: edited(signed(), INP, '"@method" "@target-uri"', '"@target-uri" "@method"'),
    ),
    "other key": (Code.SIGNATURE_INVALID, lambda: signed(key=bytes(32))),
    "short signature": (Code.SIGNATURE_INVALID, lambda: with_header(signed(), SIG, "sig1=:AAAA:")),
    "no signature bytes": (Code.SIGNATURE_INVALID, lambda: with_header(signed(), SIG, "sig1=::")),
    "body altered": (Code.DIGEST_MISMATCH, lambda: SignedRequest("POST", URL, signed().headers, BODY + b" ")),
    "body removed": (Code.DIGEST_MISMATCH, lambda: SignedRequest("POST", URL, signed().headers, b"")),
    "digest of no known algorithm": (
        Code.DIGEST_MISMATCH,
        lambda: resigned_with_digest("md5=:AAAA:, unixsum=:AAAA:"),
    ),
    "digest unreadable": (Code.DIGEST_MISMATCH, lambda: resigned_with_digest("((")),
    "digest not bytes": (Code.DIGEST_MISMATCH, lambda: resigned_with_digest('sha-256="x"')),
    "one of two digests wrong": (
        Code.DIGEST_MISMATCH,
        lambda: resigned_with_digest(header(signed(), "Content-Digest") + ", sha-512=:AAAA:"),
    ),
}


def resigned_with_digest(value):
    """A genuine signature over a digest that we would not have made ourselves."""
    headers = [*HEADERS, ("Content-Digest", value)]
    unseen_body = signed(request(headers=headers, body=None), components=FULL)
    return SignedRequest("POST", URL, unseen_body.headers, BODY)


@pytest.mark.parametrize(("code", "make"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(code, make):
    answer = check(make())
    assert isinstance(answer, Refused), answer
    assert answer.code is code, answer
    assert answer.detail.endswith("."), answer
    assert len(answer.detail) < 400
    assert answer.detail.isprintable()


def test_every_code_of_this_room_is_in_the_table():
    assert {code for code, _ in REFUSED.values()} == {
        Code.SIGNATURE_MISSING,
        Code.SIGNATURE_MALFORMED,
        Code.SIGNATURE_AMBIGUOUS,
        Code.PARAMETER_MISSING,
        Code.CREDENTIAL_UNKNOWN,
        Code.COVERAGE_INSUFFICIENT,
        Code.ALGORITHM_MISMATCH,
        Code.SIGNATURE_TOO_OLD,
        Code.SIGNATURE_IN_FUTURE,
        Code.SIGNATURE_EXPIRED,
        Code.SIGNATURE_INVALID,
        Code.DIGEST_MISMATCH,
    }


ACCEPTED = {
    "ordinary": signed,
    "alg named": lambda: signed(include_alg=True),
    "expires and tag": lambda: signed(expires=NOW + 60, tag="payments"),
    "oldest": lambda: signed(created=NOW - PROFILE.max_age_seconds),
    "furthest ahead": lambda: signed(created=NOW + PROFILE.max_ahead_seconds),
    "expires now": lambda: signed(created=NOW - 10, expires=NOW),
    "parts of the URL": lambda: covering("@method", "@authority", "@path", "@query", "content-digest"),
    "parts of a URL without query": lambda: covering(
        "@method", "@authority", "@path", "content-digest", url="https://api.example.com/v1"
    ),
    "without body": lambda: signed(request("GET", headers=NO_BODY, body=b"")),
    "without body, digest not covered": lambda: covering(
        "@method",
        "@target-uri",
        headers=[("Content-Digest", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:")],
        body=b"",
    ),
    "ours beside another's": lambda: second("theirs", "somebody-else"),
    "other header added": lambda: with_header(signed(), "X-Forwarded-For", "192.0.2.1"),
    "wrong signature of another": lambda: with_header(
        with_header(signed(), INP, 'b=("@status");keyid="x";created="y", ' + header(signed(), INP)),
        SIG,
        "b=:AAAA:, " + header(signed(), SIG),
    ),
    "spaces in the list": lambda: edited(signed(), INP, '("@method" "@target-uri"', '( "@method"   "@target-uri"'),
    "longest nonce": lambda: signed(nonce="x" * 64),
    "nonce with a semicolon": lambda: signed(nonce=NONCE + ";(=)"),
    "default port spelled out": lambda: SignedRequest("POST", URL.replace(".com", ".com:443"), signed().headers, BODY),
    "host in capitals": lambda: SignedRequest("POST", URL.replace("api", "API"), signed().headers, BODY),
    "headers in lower case": lambda: SignedRequest(
        "POST", URL, [(name.lower(), value) for name, value in signed().headers], BODY
    ),
}


@pytest.mark.parametrize("make", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(make):
    answer = check(make())
    assert isinstance(answer, Verified), answer
    assert answer.body_verified


def test_unseen_body_is_accepted_but_not_verified():
    seen = signed()
    answer = check(SignedRequest("POST", URL, seen.headers, None))
    assert isinstance(answer, Verified)
    assert not answer.body_verified


@pytest.mark.parametrize(
    ("method", "headers"),
    [("POST", [("Content-Length", "0")]), *((method, NO_BODY) for method in ("GET", "HEAD", "OPTIONS", "DELETE"))],
)
def test_request_that_has_no_body_as_method_or_headers_tell(method, headers):
    answer = check(unseen("@method", "@target-uri", headers=headers, method=method))
    assert isinstance(answer, Verified)
    assert not answer.body_verified


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        *((method, NO_BODY) for method in ("POST", "PUT", "PATCH", "PURGE")),
        ("GET", [("Content-Length", "3")]),
        ("DELETE", [("Transfer-Encoding", "chunked")]),
    ],
)
def test_request_whose_body_cannot_be_ruled_out_needs_a_digest(method, headers):
    answer = check(unseen("@method", "@target-uri", headers=headers, method=method))
    assert isinstance(answer, Refused)
    assert answer.code is Code.COVERAGE_INSUFFICIENT


@pytest.mark.parametrize(
    "value",
    ["garbage!!", "", "md5=:AAAAAAAAAAAAAAAAAAAAAA==:", "sha-256=:AAAA:", "sha-256", "sha-256=:AAAA:, md5=:AAAA:"],
)
def test_digest_of_an_unseen_body_must_be_one_to_trust(value):
    headers = [*NO_BODY, ("Content-Digest", value)]
    answer = check(unseen("@method", "@target-uri", "content-digest", headers=headers))
    assert isinstance(answer, Refused)
    assert answer.code is Code.DIGEST_MISMATCH


def test_a_header_named_like_a_derived_component_changes_nothing():
    sent = signed()
    for name in ("@method", "@target-uri"):
        sent = with_header(sent, name, "evil")
    assert isinstance(check(sent), Verified)
    assert check(SignedRequest("PUT", URL, [*sent.headers, ("@METHOD", "POST")], BODY)).code is Code.SIGNATURE_INVALID


def test_what_is_reported():
    components = (*FULL, '"priority";key="u"')
    answer = check(signed(request(headers=[*HEADERS, ("Priority", "u=1")]), components=components))
    assert answer == Verified("ck_01234567890123456789abcdef", NOW, NONCE, components, body_verified=True)
