"""Whatever comes in, a value goes out; and the short way of reading gives what the general way gives."""

import string
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from signed_samples import (
    BODY,
    KEY_ID,
    NONCE,
    NOW,
    PROFILE,
    SEED,
    check,
    header,
    is_ours,
    request,
    signed,
    with_header,
)

from keywright.errors import Refused
from keywright.signatures import (
    ED25519,
    HMAC_SHA256,
    Profile,
    SignedRequest,
    Verified,
    digest,
    find_signature,
    signature_base,
    verify_signature,
)
from keywright.signatures.base import build_base
from keywright.signatures.components import Plan, plan_for
from keywright.signatures.find import read_any
from keywright.signatures.ordinary import read_ordinary
from keywright.signatures.request import combine_fields

TEXT = st.text(st.characters(exclude_categories=[]), max_size=60)
SYNTAX = st.text(st.sampled_from('sig1ab=()";:,@?%\\ \t\r\n\x00é-.0123456789AZ/+'), max_size=60)
GOOD = signed(include_alg=True, expires=NOW + 60, tag="t", algorithm=HMAC_SHA256)
INPUT, SIGNATURE = header(GOOD, "Signature-Input"), header(GOOD, "Signature")


def answer_to(sent):
    answer = check(sent, HMAC_SHA256)
    assert isinstance(answer, Verified | Refused)
    if isinstance(answer, Refused):
        assert answer.detail.isprintable()
        assert len(answer.detail) < 500
    return answer


@st.composite
def mutated(draw, text):
    """The text with a few places cut, doubled or replaced."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + draw(st.sampled_from([0, 1, 8, 60])))))
        new = draw(st.one_of(st.just(""), st.just(text[start:end] * 2), SYNTAX, TEXT, st.sampled_from(FRAGMENTS)))
        text = text[:start] + new + text[end:]
    return text


FRAGMENTS = [
    ';created="x"',
    ";created=1",
    ';nonce="' + NONCE + '"',
    ' "@path";req',
    '"@query-param";name="a"',
    '"a";sf;bs',
    ', sig1=("@method")',
    "9" * 400,
    "(" * 50,
    '"' + "a" * 30_000 + '"',
    "\r\n ",
    "\0",
    ' "content-type";key="x"',
    ' "@status"',
    " ",
    ';x=%"%ff"',
]


@settings(max_examples=150, deadline=None)
@given(sent_input=st.one_of(TEXT, SYNTAX), sent_signature=st.one_of(TEXT, SYNTAX))
def test_raw_text(sent_input, sent_signature):
    answer_to(with_header(with_header(GOOD, "Signature-Input", sent_input), "Signature", sent_signature))


@settings(max_examples=300, deadline=None)
@given(sent_input=mutated(INPUT), sent_signature=st.one_of(st.just(SIGNATURE), mutated(SIGNATURE)))
def test_mutated_signature_headers(sent_input, sent_signature):
    sent = with_header(with_header(GOOD, "Signature-Input", sent_input), "Signature", sent_signature)
    if isinstance(answer_to(sent), Verified):
        # Only the spelling around the signed values may differ: what was signed is the same.
        assert signature_base(sent, find_signature(sent, PROFILE, is_ours)) == signature_base(
            GOOD, find_signature(GOOD, PROFILE, is_ours)
        )


@settings(max_examples=150, deadline=None)
@given(
    method=st.one_of(st.just("POST"), TEXT),
    url=st.one_of(st.just(GOOD.url), mutated(GOOD.url), TEXT),
    header_line=st.tuples(
        st.one_of(TEXT, st.sampled_from(["content-type", "Content-Digest", "@method", "Signature"])),
        st.one_of(TEXT, SYNTAX),
    ),
    body=st.one_of(st.none(), st.just(BODY), st.binary(max_size=20)),
    now=st.floats(0, 1e12),
)
def test_anything_else(method, url, header_line, body, now):
    sent = SignedRequest(method, url, [*GOOD.headers, header_line], body)
    found = find_signature(sent, PROFILE, is_ours)
    if not isinstance(found, Refused):
        assert isinstance(verify_signature(sent, found, HMAC_SHA256, SEED, PROFILE, now), Verified | Refused)


COMPONENTS = st.one_of(
    st.sampled_from(
        [
            '"@path"',
            '"@query"',
            '"@authority"',
            '"@scheme"',
            '"@request-target"',
            '"@query-param";name="limit"',
            '"content-type";sf',
            '"content-type";bs',
            '"host"',
            '"x-missing"',
            '"content-digest";key="sha-256"',
            '"@status"',
        ]
    ),
    SYNTAX.map('"{}"'.format),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(COMPONENTS, max_size=6).map(" ".join), SYNTAX)
def test_any_component_list(components, value):
    sent = with_header(GOOD, "Content-Type", value)
    base = signature_base(sent, f"({components})")
    if isinstance(base, str):
        plan = plan_for(f"({components})")
        assert isinstance(plan, Plan)
        assert base.isascii()
        assert base.count("\n") == len(plan.components)


def both_ways(sent_input, sent_signature, profile=PROFILE):
    fields = combine_fields(with_header(GOOD, "Signature-Input", sent_input).headers)
    return (
        read_ordinary(sent_input, sent_signature, fields, profile),
        read_any(sent_input, sent_signature, fields, profile, is_ours),
    )


@settings(max_examples=400, deadline=None)
@given(sent_input=st.one_of(mutated(INPUT), SYNTAX), sent_signature=st.one_of(st.just(SIGNATURE), mutated(SIGNATURE)))
@example(sent_input=INPUT, sent_signature=SIGNATURE)
@example(sent_input='sig1=("a b");keyid="x"', sent_signature=SIGNATURE)
@example(sent_input='sig1=("a";b="\\"");keyid="x"', sent_signature=SIGNATURE)
@example(sent_input='sig1=();keyid="x";created=0', sent_signature=SIGNATURE)
@example(sent_input=INPUT, sent_signature="sig1=:")
@example(sent_input=INPUT, sent_signature="sig1=:" + "A" * 86 + "B=:")
def test_short_way_reads_like_the_general_way(sent_input, sent_signature):
    short, general = both_ways(sent_input, sent_signature)
    assert short is None or short == general


LABELS = st.from_regex(r"[a-z*][a-z0-9_.*-]{0,5}", fullmatch=True)
VISIBLE = st.text(sorted(set(string.printable) - set(string.whitespace) - set('"\\')), min_size=16, max_size=64)


@given(
    label=LABELS,
    order=st.permutations(["created", "keyid", "nonce", "expires", "alg", "tag"]),
    kept=st.integers(0, 6),
    nonce=VISIBLE,
    others=st.tuples(
        st.integers(0, 10**15 - 1),
        st.text([chr(code) for code in range(0x20, 0x7F) if chr(code) not in '"\\'], max_size=20),
    ),
)
def test_short_way_reads_any_order_of_parameters(label, order, kept, nonce, others):
    number, text = others
    values = {
        "created": str(number),
        "keyid": f'"{KEY_ID}"',
        "nonce": f'"{nonce}"',
        "expires": str(number),
        "alg": f'"{text}"',
        "tag": f'"{text}"',
    }
    params = "".join(f";{name}={values[name]}" for name in order if name == "keyid" or order.index(name) < kept)
    sent_input = f'{label}=("@method" "@target-uri" "content-digest"){params}'
    short, general = both_ways(sent_input, SIGNATURE.replace("sig1", label, 1))
    assert short is not None
    assert short == general


@given(
    method=st.sampled_from(["GET", "M-SEARCH", "bad method", ""]),
    url=st.sampled_from([GOOD.url, "http://[::1]:80", "HTTP://A.example:8080?", "https://a/#f", ""]),
    value=st.sampled_from(["a", " a\t", "a\tb", "", "a\nb", "é", "x" * 20_000]),
    names=st.lists(
        st.sampled_from(
            ["@method", "@target-uri", "@authority", "@path", "@query", "@scheme", "@request-target", "x-a", "x-b"]
        ),
        min_size=1,
        unique=True,
    ),
    twice=st.booleans(),
)
def test_ordinary_components_are_gathered_as_the_long_way_gathers_them(method, url, value, names, twice):
    sent = SignedRequest(method, url, [("X-A", value), ("@path", "evil"), *[("x-a", value)] * twice], b"")
    plan = plan_for("(" + " ".join(f'"{name}"' for name in names) + ")")
    assert isinstance(plan, Plan)
    every_line_the_long_way = tuple(
        (start, name, component) for (start, name, _), component in zip(plan.lines, plan.components, strict=True)
    )
    slow = replace(plan, lines=every_line_the_long_way)
    fields = combine_fields(sent.headers)
    first = build_base(plan, sent, dict(fields), plan.text, PROFILE)
    second = build_base(slow, sent, dict(fields), plan.text, PROFILE)
    assert first == second


def test_bounds_hold_for_everything_covered_together():
    small = Profile(max_base_bytes=300)
    headers = [(f"X-{n}", "v" * 20) for n in range(12)]
    for components in (None, '"x-0";bs'):
        names = ["@method", "@target-uri", "content-digest", *[f"x-{n}" for n in range(1, 12)]]
        sent = signed(request(headers=headers), components=[*names, components] if components else names)
        assert isinstance(check(sent), Verified)
        refused = check(sent, profile=small)
        assert isinstance(refused, Refused)
        assert "300 bytes" in refused.detail


def test_long_hostile_headers_are_cheap_to_refuse():
    for junk in ("(" * 16_000, "a=1," * 4_000, "sig1=(" + '"a" ' * 3_900 + ")", 'sig1=();x="' + "\\\\" * 7_000):
        sent = with_header(with_header(GOOD, "Signature-Input", junk), "Signature", junk)
        assert isinstance(answer_to(sent), Refused)


@pytest.mark.parametrize(("algorithm", "key"), [(ED25519, b"short"), (HMAC_SHA256, b"short"), ("rsa", SEED)])
def test_keys_that_are_none_are_our_fault(algorithm, key):
    sent = signed(algorithm=HMAC_SHA256)
    found = find_signature(sent, PROFILE, is_ours)
    assert not isinstance(found, Refused)
    with pytest.raises(ValueError, match=r"key|algorithm"):
        verify_signature(sent, found, algorithm, key, PROFILE, NOW)


@given(
    st.sampled_from(["sha-256", "sha-512", "md5", "SHA-256"]),
    st.text("AEIMQUYcgkosw048+/=: \tBq", max_size=90),
    st.sampled_from(["", "=", "=="]),
    st.sampled_from([":", ":;a=1", ":, sha-512=:AA==:", ": "]),
)
@example("sha-256", "A" * 43, "=", ":")
@example("sha-256", "A" * 42 + "B", "=", ":")
@example("sha-512", "A" * 86, "==", ":")
@example("sha-512", "A" * 85 + "E", "==", ":")
def test_a_digest_of_the_ordinary_form_is_one_to_the_general_reader(name: str, text: str, padding: str, end: str):
    value = f"{name}=:{text}{padding}{end}"
    assert digest.check_digest_form(value) == digest._check_each(value, None)
