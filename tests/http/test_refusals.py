"""Every reason to refuse a request, over the real data plane: whatever is altered is noticed, and named rightly."""

from __future__ import annotations

import concurrent.futures
import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import keywright
from keywright.errors import RefusalCode
from keywright.formats import format_client_secret, is_client_id, new_client_id
from keywright.signatures import SignedRequest, content_digest
from peers.peers import NodePeer, PyPIPeer
from support import data
from support.server import Answer, Server, running, wait_until
from support.tokens import forged

ALGORITHMS = ("ed25519", "hmac-sha256")
SIGNERS = ("sdk", "pypi", "npm")

URL = "https://api.example.com/v1/payments?currency=EUR&note=a%20b"
BODY = b'{"amount":"12.50"}'
HEADERS = (("Content-Type", "application/json"), ("X-Trace", "a-b-c"), ("Accept", "*/*"))
WHOLE_URI = ("@method", "@target-uri", "content-digest", "content-type", "x-trace")
IN_PARTS = ("@method", "@authority", "@path", "@query", "content-digest", "content-type", "x-trace")
MADE_UP = new_client_id(os.urandom)


def now() -> int:
    return int(time.time())


def fresh_nonce() -> str:
    return os.urandom(16).hex()


@dataclass(frozen=True)
class Sent:
    """A request on its way, which anyone may alter."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None

    def value(self, name: str) -> str:
        return next(value for each, value in self.headers if each.lower() == name.lower())

    def with_header(self, name: str, value: str) -> Sent:
        assert self.value(name) != value, "nothing was altered"
        lines = tuple((each, value if each.lower() == name.lower() else old) for each, old in self.headers)
        return replace(self, headers=lines)

    def adding(self, *lines: tuple[str, str]) -> Sent:
        return replace(self, headers=(*self.headers, *lines))

    def without(self, *names: str) -> Sent:
        gone = {name.lower() for name in names}
        return replace(self, headers=tuple(line for line in self.headers if line[0].lower() not in gone))

    def editing(self, name: str, pattern: str, new: str) -> Sent:
        edited, count = re.subn(pattern, new, self.value(name), count=1)
        assert count == 1, f"{pattern} is not in {self.value(name)}"
        return self.with_header(name, edited)

    def parameters(self, pattern: str, new: str) -> Sent:
        return self.editing("Signature-Input", pattern, new)


@dataclass
class World:
    """Keys to sign with, and three implementations that sign."""

    server: Server
    account: str
    keys: dict[str, keywright.Credential]
    other_keys: dict[str, keywright.Credential]
    pypi: PyPIPeer
    npm: NodePeer

    def ask(self, sent: Sent) -> Answer:
        return self.server.verify(sent.headers, method=sent.method, url=sent.url, body=sent.body)

    def sign(
        self,
        sent: Sent | None = None,
        *,
        signer: str = "sdk",
        algorithm: str = "ed25519",
        key: keywright.Credential | None = None,
        components: tuple[str, ...] = WHOLE_URI,
        created: int | None = None,
        nonce: str | None = None,
        expires: int | None = None,
        tag: str | None = None,
    ) -> Sent:
        key = key or self.keys[algorithm]
        sent = sent or Sent("POST", URL, HEADERS, BODY)
        if sent.body and "content-digest" not in {name.lower() for name, _ in sent.headers}:
            sent = sent.adding(("Content-Digest", content_digest(sent.body)))
        request = SignedRequest(sent.method, sent.url, sent.headers, sent.body)
        created, nonce = now() if created is None else created, nonce or fresh_nonce()
        more = {name: value for name, value in (("expires", expires), ("tag", tag)) if value is not None}
        if signer == "sdk":
            added = key.sign_request(request, created=created, nonce=nonce, components=components, **more)
        else:
            peer = self.pypi if signer == "pypi" else self.npm
            if signer == "pypi":
                more["include_alg"] = True
            else:
                more["alg"] = key.algorithm
            added = peer.sign(
                request,
                key_id=key.client_id,
                algorithm=key.algorithm,
                key=key._secret,
                created=created,
                nonce=nonce,
                components=components,
                **more,
            )
        return sent.adding(*added.items())


@pytest.fixture(scope="module")
def world(server: Server) -> Iterator[World]:
    account = server.account()
    npm = NodePeer()
    yield World(
        server,
        account,
        {algorithm: server.key(account, algorithm=algorithm) for algorithm in ALGORITHMS},
        {algorithm: server.key(account, algorithm=algorithm) for algorithm in ALGORITHMS},
        PyPIPeer(),
        npm,
    )
    npm.close()


def assert_refused(answer: Answer, code: str) -> None:
    assert answer.status == 200, answer.text
    assert answer.code == code, answer.text
    # Where the base can be built: not of a header that is not there, which the detail then names.
    told = {"signatureBase"} if code == "signature_invalid" and "does not carry" not in answer.json["detail"] else set()
    assert set(answer.json) == {"outcome", "code", "title", "detail", *told}
    assert answer.json["outcome"] == "refused"
    assert answer.json["title"]
    assert answer.json["detail"]


# --- what anyone on the way can alter -------------------------------------------------------------------------------

Alteration = Callable[[Sent, World], Sent]


def _other_key(sent: Sent, world: World) -> Sent:
    mine = re.search('keyid="([^"]+)"', sent.value("Signature-Input"))
    assert mine is not None
    algorithm = next(name for name, key in world.keys.items() if key.client_id == mine[1])
    return sent.parameters(mine[1], world.other_keys[algorithm].client_id)


def _toggle_alg(sent: Sent, world: World) -> Sent:
    if ";alg=" in sent.value("Signature-Input"):
        return sent.parameters(';alg="[^"]+"', "")
    algorithm = next(name for name, key in world.keys.items() if key.client_id in sent.value("Signature-Input"))
    return sent.parameters("$", f';alg="{algorithm}"')


def _other_alg(sent: Sent, _world: World) -> Sent:
    without = re.sub(';alg="[^"]+"', "", sent.value("Signature-Input"))
    return sent.with_header("Signature-Input", without + ';alg="rsa-pss-sha512"')


def _shift(name: str, seconds: int) -> Alteration:
    def alter(sent: Sent, _world: World) -> Sent:
        found = re.search(rf";{name}=(\d+)", sent.value("Signature-Input"))
        assert found is not None
        return sent.parameters(found[0], f";{name}={int(found[1]) + seconds}")

    return alter


def _flip_signature(sent: Sent, _world: World) -> Sent:
    letter = sent.value("Signature").partition("=:")[2][0]
    return sent.editing("Signature", f"=:{re.escape(letter)}", "=:B" if letter != "B" else "=:C")


def _swap_parameters(sent: Sent, _world: World) -> Sent:
    return sent.parameters(r"(;created=\d+)(.*)$", r"\2\1")


ALTERATIONS: dict[str, tuple[str, Alteration]] = {
    "method": ("signature_invalid", lambda sent, _: replace(sent, method="PUT")),
    "method's case": ("signature_invalid", lambda sent, _: replace(sent, method="Post")),
    "path": ("signature_invalid", lambda sent, _: replace(sent, url=sent.url.replace("payments", "payouts"))),
    "path, with a slash": ("signature_invalid", lambda sent, _: replace(sent, url=sent.url.replace("?", "/?"))),
    "host": ("signature_invalid", lambda sent, _: replace(sent, url=sent.url.replace("api.", "apis."))),
    "query": ("signature_invalid", lambda sent, _: replace(sent, url=sent.url.replace("EUR", "USD"))),
    "query, one more": ("signature_invalid", lambda sent, _: replace(sent, url=sent.url + "&admin=1")),
    "query, none": ("signature_invalid", lambda sent, _: replace(sent, url=sent.url.partition("?")[0])),
    "query, encoded anew": ("signature_invalid", lambda sent, _: replace(sent, url=sent.url.replace("%20", "+"))),
    "body": ("digest_mismatch", lambda sent, _: replace(sent, body=BODY.replace(b"12", b"99"))),
    "body, none": ("digest_mismatch", lambda sent, _: replace(sent, body=b"")),
    "body and digest": (
        "signature_invalid",
        lambda sent, _: replace(sent.with_header("Content-Digest", content_digest(b"{}")), body=b"{}"),
    ),
    "digest": ("signature_invalid", lambda sent, _: sent.with_header("Content-Digest", content_digest(b"{}"))),
    "digest, one more": (
        "signature_invalid",
        lambda sent, _: sent.adding(("Content-Digest", content_digest(BODY, "sha-512"))),
    ),
    "content-type": ("signature_invalid", lambda sent, _: sent.with_header("Content-Type", "text/plain")),
    "x-trace": ("signature_invalid", lambda sent, _: sent.with_header("X-Trace", "a-b-d")),
    "x-trace, one more": ("signature_invalid", lambda sent, _: sent.adding(("x-trace", "d"))),
    "created": ("signature_invalid", _shift("created", -1)),
    "created, too old": ("signature_too_old", _shift("created", -400)),
    "created, in the future": ("signature_in_future", _shift("created", +90)),
    "nonce": ("signature_invalid", lambda sent, _: sent.parameters('nonce="[^"]+"', f'nonce="{fresh_nonce()}"')),
    "keyid": ("signature_invalid", _other_key),
    "keyid, unknown": ("credential_unknown", lambda sent, _: sent.parameters('keyid="[^"]+"', f'keyid="{MADE_UP}"')),
    "expires": ("signature_invalid", _shift("expires", +1)),
    "expires, past": ("signature_expired", _shift("expires", -60)),
    "expires, gone": ("signature_invalid", lambda sent, _: sent.parameters(r";expires=\d+", "")),
    "tag": ("signature_invalid", lambda sent, _: sent.parameters('tag="[^"]+"', 'tag="other"')),
    "tag, gone": ("signature_invalid", lambda sent, _: sent.parameters(';tag="[^"]+"', "")),
    "alg, gone or new": ("signature_invalid", _toggle_alg),
    "alg, another": ("algorithm_mismatch", _other_alg),
    "order of parameters": ("signature_invalid", _swap_parameters),
    "a parameter of nobody's": ("signature_invalid", lambda sent, _: sent.parameters("$", ";x=1")),
    "covered, one fewer": ("signature_invalid", lambda sent, _: sent.parameters(' "x-trace"', "")),
    "covered, one more": ("signature_invalid", lambda sent, _: sent.parameters(' "x-trace"', ' "x-trace" "accept"')),
    "covered, another order": (
        "signature_invalid",
        lambda sent, _: sent.parameters('"content-type" "x-trace"', '"x-trace" "content-type"'),
    ),
    "signature": ("signature_invalid", _flip_signature),
}


@pytest.mark.parametrize("components", [WHOLE_URI, IN_PARTS], ids=["target-uri", "in parts"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("signer", SIGNERS)
def test_whatever_is_altered_is_refused_and_the_genuine_request_accepted_once(
    world: World, signer: str, algorithm: str, components: tuple[str, ...]
):
    genuine = world.sign(
        signer=signer,
        algorithm=algorithm,
        components=components,
        created=now() - 30,
        expires=now() + 50,
        tag="payments",
    )
    wrong = {}
    for name, (code, alter) in ALTERATIONS.items():
        answer = world.ask(alter(genuine, world))
        if answer.code != code:
            wrong[name] = answer.text
    assert not wrong
    # None of them has used the nonce up.
    accepted = world.ask(genuine)
    assert accepted.json == {
        "outcome": "accepted",
        "clientId": world.keys[algorithm].client_id,
        "accountId": world.account,
        "accountType": "corporate",
        "scheme": "signature",
        "covered": list(components),
        "bodyVerified": True,
    }
    assert_refused(world.ask(genuine), "nonce_replayed")


@pytest.mark.parametrize("signer", SIGNERS)
def test_what_is_not_covered_may_change(world: World, signer: str):
    changes: list[Callable[[Sent], Sent]] = [
        lambda sent: sent.with_header("Accept", "text/html").adding(("X-Forwarded-For", "10.0.0.1")),
        lambda sent: replace(sent, headers=tuple((name.upper(), value) for name, value in reversed(sent.headers))),
        lambda sent: replace(sent, url=sent.url.replace("https://api.example.com", "HTTPS://API.Example.COM:443")),
        # The label is the headers' own affair (RFC 9421 section 4.1).
        lambda sent: sent.editing("Signature-Input", "^sig1=", "theirs=").editing("Signature", "^sig1=", "theirs="),
        lambda sent: replace(
            sent,
            headers=tuple((name, f"  {value}\t" if name == "X-Trace" else value) for name, value in sent.headers),
        ),
    ]
    for change in changes:
        assert world.ask(change(world.sign(signer=signer))).code == "accepted"


def test_a_request_without_body_and_one_whose_body_was_not_seen(world: World):
    bodiless = Sent("GET", URL, (), b"")
    answer = world.ask(world.sign(bodiless, components=("@method", "@target-uri")))
    assert (answer.code, answer.json["bodyVerified"]) == ("accepted", True)  # nothing came, as nothing was signed
    answer = world.ask(replace(world.sign(), body=None))
    assert (answer.code, answer.json["bodyVerified"]) == ("accepted", False)
    assert "content-digest" in answer.json["covered"]
    answer = world.ask(replace(world.sign(), body=b"anything"))
    assert answer.code == "digest_mismatch"


@pytest.mark.parametrize("digest", ["sha-256", "sha-512"])
def test_both_digests_that_we_trust_are_accepted(world: World, digest: str):
    sent = Sent("POST", URL, (*HEADERS, ("Content-Digest", content_digest(BODY, digest))), BODY)
    assert world.ask(world.sign(sent)).code == "accepted"


# --- the codes, one by one ------------------------------------------------------------------------------------------


def _unsigned(*lines: tuple[str, str]) -> Sent:
    return Sent("POST", URL, (*HEADERS, *lines), BODY)


def _deleted(world: World) -> Sent:
    key = world.server.key(world.account)
    sent = world.sign(key=key)
    assert world.server.delete_key(world.account, key.client_id).status == 200
    return sent


def _disabled(world: World) -> Sent:
    account = world.server.account("partner")
    sent = world.sign(key=world.server.key(account))
    world.server.set_access(account, False)
    return sent


def _replayed(world: World) -> Sent:
    sent = world.sign()
    assert world.ask(sent).code == "accepted"
    return sent


def _same_nonce_anew(world: World) -> Sent:
    nonce = fresh_nonce()
    assert world.ask(world.sign(nonce=nonce)).code == "accepted"
    return world.sign(Sent("DELETE", "https://api.example.com/v1/other", HEADERS, BODY), nonce=nonce)


def _twice(world: World, second: keywright.Credential) -> Sent:
    first, other = world.sign(), world.sign(key=second)
    return first.adding(
        *((name, other.value(name).replace("sig1=", "sig2=", 1)) for name in ("Signature-Input", "Signature"))
    )


def _covering(*components: str, method: str = "POST", url: str = URL, body: bytes = BODY) -> Callable[[World], Sent]:
    def make(world: World) -> Sent:
        return world.sign(Sent(method, url, HEADERS, body), components=components)

    return make


def _altered(pattern: str, new: str) -> Callable[[World], Sent]:
    return lambda world: world.sign(tag="t").parameters(pattern, new)


def _signature(pattern: str, new: str) -> Callable[[World], Sent]:
    return lambda world: world.sign().editing("Signature", pattern, new)


BAD_CHECKSUM = MADE_UP[:-1] + ("0" if MADE_UP[-1] != "0" else "1")
CASES: dict[RefusalCode, dict[str, Callable[[World], Sent]]] = {
    RefusalCode.SIGNATURE_MISSING: {
        "nothing": lambda _: _unsigned(),
        "empty": lambda _: _unsigned(("Signature-Input", ""), ("Signature", "")),
    },
    RefusalCode.AUTHORIZATION_MISSING: {
        "Basic": lambda _: _unsigned(("Authorization", "Basic dXNlcjpwYXNz")),
        "a scheme of nobody's": lambda _: _unsigned(("authorization", "Hawk id=1")),
        "an empty header": lambda _: _unsigned(("Authorization", "")),
    },
    RefusalCode.TOKEN_INVALID: {
        "Bearer": lambda _: _unsigned(("Authorization", "Bearer x")),
        "in another case": lambda _: _unsigned(("AUTHORIZATION", "bearer eyJhbGciOiJub25lIn0.e30.")),
        "an operator's own token": lambda w: _unsigned(("Authorization", f"Bearer {w.server.token()}")),
    },
    RefusalCode.TOKEN_EXPIRED: {
        "an hour ago": lambda w: _unsigned(
            ("Authorization", f"Bearer {forged(w.server, 'ck_any', exp=int(time.time()) - 3600)}")
        ),
    },
    RefusalCode.SIGNATURE_MALFORMED: {
        "input only": lambda w: w.sign().without("Signature"),
        "signature only": lambda w: w.sign().without("Signature-Input"),
        "labels differ": _altered("^sig1", "sig2"),
        "no list": lambda _: _unsigned(("Signature-Input", "sig1=1"), ("Signature", "sig1=:AAAA:")),
        "broken off": _altered(r";created=\d+.*$", ";created="),
        "created is text": _altered(r"created=(\d+)", r'created="\1"'),
        "created is a fraction": _altered(r"created=(\d+)", r"created=\1.5"),
        "created is huge": _altered(r"created=(\d+)", "created=" + "9" * 30),
        "keyid is a token": _altered('keyid="([^"]+)"', r"keyid=\1"),
        "nonce is a flag": _altered('nonce="[^"]+"', "nonce"),
        "nonce is short": lambda w: w.sign().parameters('nonce="[^"]+"', 'nonce="123456789012345"'),
        "nonce is long": lambda w: w.sign().parameters('nonce="[^"]+"', f'nonce="{"a" * 65}"'),
        "nonce holds spaces": lambda w: w.sign().parameters('nonce="[^"]+"', f'nonce="{"a " * 16}"'),
        "expires before created": lambda w: w.sign(expires=now() + 9).parameters(
            r"expires=\d+", f"expires={now() - 9}"
        ),
        "component twice": _altered('"@method"', '"@method" "@method"'),
        "component in capitals": _altered('"x-trace"', '"X-Trace"'),
        "component is a token": _altered('"x-trace"', "x-trace"),
        "component of an answer": _altered('"x-trace"', '"@status"'),
        "component of nobody's": _altered('"x-trace"', '"@client-ip"'),
        "component with req": _altered('"x-trace"', '"x-trace";req'),
        "covers too much": _altered('"x-trace"', " ".join(f'"x-{number}"' for number in range(40))),
        "label twice": lambda w: (s := w.sign()).adding(("Signature-Input", s.value("Signature-Input"))),
        "not base64": _signature("=:.*:", "=:!!!!:"),
        "signature is text": _signature("=:(.*):", r'="\1"'),
        "not ASCII": _altered('tag="t"', 'tag="\u00e9"'),
        "a line break": _altered('tag="t"', 'tag="a\nb"'),
        "nine signatures": lambda _: _unsigned(
            ("Signature-Input", ", ".join(f'a{n}=("@method");keyid="x"' for n in range(9))),
            ("Signature", ", ".join(f"a{n}=:AAAA:" for n in range(9))),
        ),
        "too long": _altered('tag="t"', f'tag="{"t" * 20_000}"'),
        "too many headers": lambda w: w.sign().adding(*((f"X-{n}", "1") for n in range(200))),
    },
    RefusalCode.SIGNATURE_AMBIGUOUS: {
        "two keys of one account": lambda w: _twice(w, w.other_keys["ed25519"]),
        "one key twice": lambda w: _twice(w, w.keys["ed25519"]),
        "with another algorithm": lambda w: _twice(w, w.keys["hmac-sha256"]),
    },
    RefusalCode.PARAMETER_MISSING: {
        "created": _altered(r";created=\d+", ""),
        "nonce": _altered(';nonce="[^"]+"', ""),
        "keyid": _altered(';keyid="[^"]+"', ""),
    },
    RefusalCode.CREDENTIAL_UNKNOWN: {
        "well-formed": _altered('keyid="[^"]+"', f'keyid="{MADE_UP}"'),
        "bad checksum": _altered('keyid="[^"]+"', f'keyid="{BAD_CHECKSUM}"'),
        "of another kind": _altered('keyid="[^"]+"', 'keyid="test-key-ed25519"'),
        "empty": _altered('keyid="[^"]+"', 'keyid=""'),
        "in capitals": lambda w: w.sign().parameters(w.keys["ed25519"].client_id, w.keys["ed25519"].client_id.upper()),
        "deleted": _deleted,
        "several of others": lambda _: _unsigned(
            ("Signature-Input", 'a=("@method");keyid="x", b=("@method");keyid="y"'),
            ("Signature", "a=:AAAA:, b=:AAAA:"),
        ),
    },
    RefusalCode.COVERAGE_INSUFFICIENT: {
        "nothing": _covering(),
        "no @method": _covering("@target-uri", "content-digest"),
        "no URI": _covering("@method", "content-digest"),
        "no @authority": _covering("@method", "@path", "@query", "content-digest"),
        "no @path": _covering("@method", "@authority", "@query", "content-digest"),
        "no @query": _covering("@method", "@authority", "@path", "content-digest"),
        "no @query, empty": _covering(
            "@method", "@authority", "@path", method="GET", url="https://api.example.com/v1?", body=b""
        ),
        "one parameter of the query": lambda w: w.sign(
            components=("@method", "@authority", "@path", "content-digest")
        ).parameters('"@path"', '"@path" "@query-param";name="currency"'),
        "no content-digest": _covering("@method", "@target-uri"),
        "half of content-digest": lambda w: w.sign().parameters('"content-digest"', '"content-digest";key="sha-256"'),
        "no content-digest, body not seen": lambda w: replace(w.sign(components=("@method", "@target-uri")), body=None),
    },
    RefusalCode.ALGORITHM_MISMATCH: {
        "hmac for an ed25519 key": _altered("$", ';alg="hmac-sha256"'),
        "ed25519 for an hmac key": lambda w: w.sign(algorithm="hmac-sha256").parameters("$", ';alg="ed25519"'),
        "none": _altered("$", ';alg="none"'),
    },
    RefusalCode.SIGNATURE_TOO_OLD: {
        "306 s": lambda w: w.sign(created=now() - 306),
        "of 1970": lambda w: w.sign(created=0),
        "though it expires later": lambda w: w.sign(created=now() - 306, expires=now() + 3600),
    },
    RefusalCode.SIGNATURE_IN_FUTURE: {
        "45 s": lambda w: w.sign(created=now() + 45),
        "of the year 5000": lambda w: w.sign(created=95_617_584_000),
    },
    RefusalCode.SIGNATURE_EXPIRED: {
        "a moment ago": lambda w: w.sign(created=now() - 20, expires=now() - 5),
    },
    RefusalCode.SIGNATURE_INVALID: {
        "by another key": lambda w: w.sign(key=w.other_keys["ed25519"]).parameters(
            w.other_keys["ed25519"].client_id, w.keys["ed25519"].client_id
        ),
        # The classical confusion: the public half taken for a MAC key.
        "by hmac with an ed25519 key": lambda w: w.sign(
            key=keywright.Credential(
                w.keys["ed25519"].client_id, _secret_text(w.keys["hmac-sha256"]), algorithm="hmac-sha256"
            )
        ),
        "too short": _signature("=:.*:", "=:AAAA:"),
        "empty": _signature("=:.*:", "=::"),
        "zeros": _signature("=:.*:", f"=:{'A' * 86}==:"),
        "covered header is gone": lambda w: w.sign().without("X-Trace"),
    },
    RefusalCode.DIGEST_MISMATCH: {
        "another body": lambda w: replace(w.sign(), body=b"{}"),
        "a digest that we do not trust": lambda w: w.sign(
            Sent("POST", URL, (*HEADERS, ("Content-Digest", "md5=:AAAAAAAAAAAAAAAAAAAAAA==:")), BODY), signer="npm"
        ),
        "unreadable": lambda w: w.sign(
            Sent("POST", URL, (*HEADERS, ("Content-Digest", "sha-256=what")), BODY), signer="npm"
        ),
        "one of two is wrong": lambda w: w.sign(
            Sent(
                "POST",
                URL,
                (*HEADERS, ("Content-Digest", f"{content_digest(BODY)}, {content_digest(b'', 'sha-512')}")),
                BODY,
            ),
            signer="npm",
        ),
    },
    RefusalCode.API_ACCESS_DISABLED: {"switched off": _disabled},
    RefusalCode.NONCE_REPLAYED: {"the same request": _replayed, "another request, the same nonce": _same_nonce_anew},
    # Takes a server whose memory is lost: test_a_lost_memory_of_nonces... below.
    RefusalCode.NONCE_UNPROVABLE: {},
}


def _secret_text(key: keywright.Credential) -> str:
    return format_client_secret(key._secret, "sandbox")


def test_every_code_has_a_case_or_comes_later():
    assert set(CASES) == set(RefusalCode)
    assert {code for code, cases in CASES.items() if not cases} == {RefusalCode.NONCE_UNPROVABLE}
    assert not is_client_id(BAD_CHECKSUM)


@pytest.mark.parametrize(
    ("code", "make"),
    [pytest.param(code, make, id=f"{code}: {name}") for code, cases in CASES.items() for name, make in cases.items()],
)
def test_each_refusal_has_its_code(world: World, code: RefusalCode, make: Callable[[World], Sent]):
    assert_refused(world.ask(make(world)), code)


def test_made_up_and_deleted_keys_are_answered_alike(world: World):
    texts = {
        world.ask(CASES[RefusalCode.CREDENTIAL_UNKNOWN][name](world)).text
        for name in ("well-formed", "bad checksum", "deleted")
    }
    assert len(texts) == 1


def test_the_edges_of_the_time_window_are_inside(world: World):
    for created in (now() - 290, now() + 20):
        assert world.ask(world.sign(created=created)).code == "accepted"
    assert world.ask(world.sign(expires=now() + 30)).code == "accepted"


def test_one_of_ours_among_others_is_taken(world: World):
    ours = world.sign()
    theirs = ('proxy=("@method");keyid="proxy-1"', "proxy=:AAAA:")
    for front in (False, True):
        lines = [
            (name, f"{other}, {ours.value(name)}" if front else f"{ours.value(name)}, {other}")
            for name, other in zip(("Signature-Input", "Signature"), theirs, strict=True)
        ]
        sent = ours.without("Signature-Input", "Signature").adding(*lines)
        assert world.ask(sent).code == ("nonce_replayed" if front else "accepted")


def test_a_signature_counts_even_beside_an_authorization_header(world: World):
    assert world.ask(world.sign().adding(("Authorization", "Bearer x"))).code == "accepted"


# --- replays --------------------------------------------------------------------------------------------------------


def _question(sent: Sent) -> tuple[dict[str, str], str, str, bytes]:
    assert sent.body is not None
    return dict(sent.headers), sent.method, sent.url, sent.body


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_replay_is_refused_by_every_worker(world: World, algorithm: str):
    for _ in range(10):
        headers, method, url, body = _question(world.sign(algorithm=algorithm))
        codes = [world.server.verify_anew(headers, method=method, url=url, body=body) for _ in range(6)]
        assert codes == ["accepted"] + ["nonce_replayed"] * 5


def test_of_many_copies_at_once_one_is_accepted(world: World):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for _ in range(8):
            headers, method, url, body = _question(world.sign())
            ask = [pool.submit(world.server.verify_anew, headers, method=method, url=url, body=body) for _ in range(16)]
            assert sorted(each.result() for each in ask) == ["accepted"] + ["nonce_replayed"] * 15


# --- what takes a server of its own ---------------------------------------------------------------------------------


def _verify(server: Server, key: keywright.Credential, **options: object) -> Answer:
    headers = keywright.sign(key, method="POST", url=URL, body=BODY, **options)
    return server.verify(headers, url=URL, body=BODY)


def _is_taken(server: Server, account: str) -> bool:
    """Whether a key that is made now is taken; it is deleted again."""
    key = server.key(account)
    code = _verify(server, key).code
    server.delete_key(account, key.client_id)
    assert code in {"accepted", "nonce_unprovable"}
    return code == "accepted"


def test_a_lost_memory_of_nonces_and_a_damaged_secret_are_owned_up_to(data_dir: Path):
    with running(data_dir) as server:
        account = server.account()
        key, mac = server.key(account), server.key(account, algorithm="hmac-sha256")
        used, unused = (keywright.sign(key, method="POST", url=URL, body=BODY) for _ in range(2))
        assert server.verify(used, url=URL, body=BODY).code == "accepted"
        assert _verify(server, mac).code == "accepted"

        assert server.stop() == 0
        data.forget_nonces(data_dir)
        server.start()
        with data.looking_into(data_dir) as database:
            ((sealed,),) = database.rows("SELECT sealed_secret FROM credentials WHERE sealed_secret IS NOT NULL")
            damaged = sealed[:20] + bytes(43)
            database.change("UPDATE credentials SET sealed_secret = ? WHERE sealed_secret IS NOT NULL", damaged)

        # Neither can be told apart from a replay any more, and what cannot be proved is not accepted.
        assert_refused(server.verify(used, url=URL, body=BODY), "nonce_unprovable")
        assert_refused(server.verify(unused, url=URL, body=BODY), "nonce_unprovable")
        # A key that was made since cannot have been used before; with Valkey, whose clock is another, a little later.
        wait_until(lambda: _is_taken(server, account), what="new keys are taken")
        assert_unavailable(_verify(server, mac))
        assert '"event": "verifier_unavailable"' in server.log
        assert "the sealed secret of" in server.log
        metrics = server.ask("GET", "/metrics").text
        assert 'keywright_verifications_total{code="verifier_unavailable"} 1.0' in metrics


def assert_unavailable(answer: Answer) -> None:
    assert answer.status == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1
    assert set(answer.json) == {"type", "title", "status", "detail", "code"}
    assert answer.code == "verifier_unavailable"


@pytest.mark.engines("sqlite")  # else Valkey remembers nonces: tests/cluster
def test_while_the_memory_of_nonces_is_held_nothing_is_accepted(world: World):
    control = world.server.data_dir / "nonces" / "control"
    with control.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as by a worker that was stopped at the wrong moment
        waiting = world.sign()
        assert_unavailable(world.ask(waiting))
        # Whatever does not come so far is answered as ever.
        assert world.ask(waiting.with_header("X-Trace", "z")).code == "signature_invalid"
        headers = {
            **dict(waiting.headers),
            "X-Original-Method": waiting.method,
            "X-Original-URL": waiting.url,
        }
        assert_unavailable(world.server.ask("POST", "/v1/forward-auth", headers=headers, content=waiting.body))
    assert world.ask(waiting).code == "accepted"
