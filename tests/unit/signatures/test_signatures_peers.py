"""What we sign, others accept; what others sign, we accept."""

import base64
import string
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from http_message_signatures import InvalidSignature
from hypothesis import given, settings
from hypothesis import strategies as st
from signed_samples import KEY_ID, NOW, SEED, VERIFY_KEYS, check, edited, with_header

from keywright.signatures import (
    ED25519,
    HMAC_SHA256,
    SignedRequest,
    Verified,
    content_digest,
    sign_request,
)

ALGORITHMS = st.sampled_from([ED25519, HMAC_SHA256])
SAFE = string.ascii_letters + string.digits + "-._~"
NAMES = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=12).map("X-".__add__)
VALUES = st.text([chr(code) for code in range(0x20, 0x7F)], max_size=40).map(str.strip)
NONCES = st.text(string.ascii_letters + string.digits + "-_", min_size=16, max_size=64)
SEGMENTS = st.lists(st.text(SAFE, min_size=1, max_size=8), max_size=4).map(lambda parts: "/" + "/".join(parts))
QUERIES = st.one_of(st.just(""), st.text(SAFE + "=&%20".replace("%", ""), max_size=20).map("?".__add__))
HOSTS = st.sampled_from(
    ["api.example.com", "localhost:8080", "127.0.0.1:9000", "xn--bcher-kva.example", "[2001:db8::1]:81"]
)
URLS = st.builds("{}://{}{}{}".format, st.sampled_from(["http", "https"]), HOSTS, SEGMENTS, QUERIES)
METHODS = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
BODIES = st.one_of(st.just(b""), st.binary(min_size=1, max_size=200))
PARAMS = st.fixed_dictionaries({}, optional={"expires": st.just(NOW + 60), "tag": st.text(SAFE, max_size=10)})

SLOW = settings(max_examples=60, deadline=None)


@st.composite
def requests(draw):
    body = draw(BODIES)
    headers = draw(st.lists(st.tuples(NAMES, VALUES), max_size=15))
    if body:
        headers += [("Content-Type", "application/octet-stream"), ("Content-Digest", content_digest(body))]
    return SignedRequest(draw(METHODS), draw(URLS), headers, body)


@st.composite
def coverage(draw, sent):
    """A sufficient list of components, among them some of the headers, in any order."""
    url = draw(st.sampled_from([["@target-uri"], ["@authority", "@path", "@query"]]))
    names = sorted({name.lower() for name, _ in sent.headers})
    some = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    needed = ["@method", *url, *(["content-digest"] if sent.body else [])]
    return draw(st.permutations([*needed, *(name for name in some if name not in needed)]))


@st.composite
def cases(draw):
    sent = draw(requests())
    return Case(sent, draw(coverage(sent)), draw(ALGORITHMS), draw(NONCES), draw(PARAMS))


@dataclass
class Case:
    sent: SignedRequest
    components: Sequence[str | dict]
    algorithm: str = ED25519
    nonce: str = "0123456789abcdef"
    params: dict = field(default_factory=dict)

    def signed_by(self, sign, **more):
        added = sign(
            self.sent,
            key_id=KEY_ID,
            algorithm=self.algorithm,
            key=SEED,
            created=NOW,
            nonce=self.nonce,
            components=self.components,
            **(self.params | more),
        )
        return SignedRequest(self.sent.method, self.sent.url, [*self.sent.headers, *added.items()], self.sent.body)


@SLOW
@given(case=cases())
def test_pypi_peer_accepts_ours(pypi_peer, case):
    # This peer reads the real clock for "expires".
    more = {"expires": 4_000_000_000} if "expires" in case.params else {}
    result = case.signed_by(sign_request, **more)
    (verified,) = pypi_peer.verify(result, algorithm=case.algorithm, key=VERIFY_KEYS[case.algorithm])
    assert verified.nonce == case.nonce
    assert [f'"{name}"' for name in case.components] == list(verified.covered_components)[:-1]


@SLOW
@given(case=cases(), alg=st.booleans())
def test_we_accept_the_pypi_peer(pypi_peer, case, alg):
    answer = check(case.signed_by(pypi_peer.sign, include_alg=alg), case.algorithm)
    assert isinstance(answer, Verified), answer
    assert answer.covered == tuple(case.components)
    assert answer.body_verified


@SLOW
@given(case=cases())
def test_node_peer_accepts_ours(node_peer, case):
    answer = node_peer.verify(
        case.signed_by(sign_request),
        algorithm=case.algorithm,
        key=VERIFY_KEYS[case.algorithm],
        now=NOW,
        components=case.components,
    )
    assert answer["ok"], answer
    assert answer["parameters"]["nonce"] == case.nonce


@SLOW
@given(case=cases(), alg=st.booleans())
def test_we_accept_the_node_peer(node_peer, case, alg):
    more = {"alg": case.algorithm} if alg else {}
    answer = check(case.signed_by(node_peer.sign, **more), case.algorithm)
    assert isinstance(answer, Verified), answer
    assert answer.covered == tuple(case.components)


def example():
    return SignedRequest(
        "POST",
        "https://api.example.com/a?b=c",
        [
            ("Content-Digest", content_digest(b"x")),
            ("Example-Dict", " a=1,    b=2;x=1;y=2,   c=(a   b   c), d"),
            ("Example-Dict", "e=:AAAA:, f=-1.50"),
            ("Example-Header", "value, with, lots"),
            ("Example-Header", "of, commas"),
            ("Priority", "u=1,   i"),
        ],
        b"x",
    )


NEEDED = ["@method", "@target-uri", "content-digest"]
BY_BOTH = [f'"example-dict";key="{key}"' for key in "abcdef"]
BY_PYPI = ['"priority";sf', '"example-header";bs', '"@query-param";name="b"', "@scheme", "@request-target"]


@pytest.mark.parametrize("component", [*BY_BOTH, *BY_PYPI])
def test_pypi_peer_and_we_agree_on_a_component(pypi_peer, component):
    case = Case(example(), [*NEEDED, component])
    pypi_peer.verify(case.signed_by(sign_request), algorithm=ED25519, key=VERIFY_KEYS[ED25519])
    assert isinstance(check(case.signed_by(pypi_peer.sign)), Verified)


@pytest.mark.parametrize("key", "abcdef")
def test_node_peer_and_we_agree_on_a_component(node_peer, key):
    ours = Case(example(), [*NEEDED, f'"example-dict";key="{key}"']).signed_by(sign_request)
    answer = node_peer.verify(ours, algorithm=ED25519, key=VERIFY_KEYS[ED25519], now=NOW)
    assert answer["ok"], answer
    theirs = Case(example(), [*NEEDED, {"name": "example-dict", "parameters": {"key": key}}])
    assert isinstance(check(theirs.signed_by(node_peer.sign)), Verified)


@pytest.mark.parametrize("algorithm", [ED25519, HMAC_SHA256])
def test_peers_refuse_what_was_altered(node_peer, pypi_peer, algorithm):
    good = Case(example(), NEEDED, algorithm).signed_by(sign_request)
    key = VERIFY_KEYS[algorithm]
    for bad in (
        SignedRequest("PUT", good.url, good.headers, good.body),
        edited(good, "Signature-Input", "0123456789abcdef", "fedcba9876543210"),
        with_header(good, "Content-Digest", content_digest(b"y")),
        with_header(good, "Signature", f"sig1=:{base64.b64encode(bytes(64)).decode()}:"),
    ):
        assert not node_peer.verify(bad, algorithm=algorithm, key=key, now=NOW)["ok"]
        with pytest.raises(InvalidSignature):
            pypi_peer.verify(bad, algorithm=algorithm, key=key)


def test_node_peer_answers_nonsense_and_goes_on(node_peer):
    assert not node_peer.ask(op="no such thing")["ok"]
    assert node_peer.ask(op="ping")["ok"]
