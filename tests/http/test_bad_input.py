"""Input that nobody sends on purpose, or somebody very much so: it is named, refused, and changes nothing."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from support.data import Data, looking_into
from support.raw import RawAnswer, chunked_request, exchange, raw_request
from support.server import Server

MEMBERS = {"type", "title", "status", "detail", "code"}
TEN_MB = 10_000_000
TABLES = ("accounts", "people", "memberships", "invitations", "sessions", "credentials", "audit_events", "audit_heads")


@dataclass(frozen=True)
class Field:
    """A member of a body: a good value, values of the right type that it refuses, and whether it must be there."""

    good: Any
    bad: tuple[Any, ...]
    required: bool = True


NAME = Field("Acme Ltd", ("", " ", "a\nb", "a\x00b", "a\u202eb", "x" * 201))
EMAIL = Field(
    "kim@example.com",
    (
        "",
        "kim",
        "@example.com",
        "kim@",
        "kim@example",
        "a@b@c.d",
        "kim @example.com",
        "k\x00m@example.com",
        "kim@ex.a\n",
    ),
)
REMARK = Field("Please", ("x" * 1001, "a\x00b", "a\x1bb", "a\u202eb"), required=False)
# Of the right type in every field, all of them are taken as they are: a wrong password is no fault of the input.
BODIES: dict[str, dict[str, Field]] = {
    "POST /v1/accounts": {"name": NAME, "type": Field("corporate", ("", "CORPORATE", "owner"))},
    "PUT /v1/accounts/A/api-access": {"enabled": Field(False, ("false", 0, 1, "")), "reason": REMARK},
    "POST /v1/accounts/A/api-access/requests": {"message": REMARK},
    "POST /v1/accounts/A/users": {
        "email": EMAIL,
        "name": NAME,
        "role": Field("viewer", ("", "Viewer", "partner_admin", "operator")),
    },
    "PATCH /v1/accounts/A/users/U": {"role": Field("executor", ("", "Viewer", "onboarding_agent", "operator"))},
    "POST /v1/accounts/A/credentials": {
        "email": EMAIL,
        "label": Field("shop", ("", "\t", "x" * 101, "a\x7fb"), required=False),
        "algorithm": Field("ed25519", ("", "ED25519", "none", "rsa-pss-sha512"), required=False),
    },
    "POST /v1/session": {
        "email": Field("kim@example.com", ("x" * 255,)),
        "password": Field("correct horse battery", ("x" * 257,)),
        "code": Field("123456", ("x" * 41,), required=False),
    },
    "POST /v1/invitations/I": {"password": Field("correct horse battery", ("", "eleven char", "x" * 257))},
    "POST /v1/verify": {
        "method": Field("GET", ("", "x" * 65)),
        "url": Field("https://api.example.com/", ("", "/v1", "ftp://example.com/")),
        "headers": Field([["Accept", "*/*"]], ([["a"]], [["a", "b", "c"]], [["a", 1]], ["ab"], {"a": "b"})),
        "body": Field(base64.b64encode(b"x").decode(), ("?", "YQ", "a b="), required=False),
    },
}
WRONG_TYPES: tuple[Any, ...] = (None, True, 1, -1.5, "\u0000", [], ["x"], {}, {"x": 1})


@dataclass
class Ground:
    """A server, a place in it, and a look into its database."""

    server: Server
    names: dict[str, str]
    token: str
    cookie: str
    database: Data = field(repr=False)

    def rows(self) -> dict[str, int]:
        return {table: self.database.rows(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}

    def state(self) -> Any:
        """What any write would change: each chain's head, rows, and what is decided without new ones."""
        heads = self.database.rows("SELECT chain, seq, hash FROM audit_heads ORDER BY chain")
        decided = self.database.rows("SELECT id, api_access, active_credentials FROM accounts ORDER BY id")
        return self.rows(), heads, decided

    def path(self, call: str) -> tuple[bytes, bytes]:
        method, path = call.split()
        for letter, value in self.names.items():
            path = re.sub(rf"/{letter}(?=/|$)", f"/{value}", path)
        return method.encode(), path.encode()

    def send(
        self,
        call: str,
        body: bytes,
        *,
        content_type: bytes | None = b"application/json",
        chunked: bool = False,
        more: tuple[tuple[bytes, bytes], ...] = (),
    ) -> RawAnswer:
        method, path = self.path(call)
        headers = [*more]
        if content_type is not None:
            headers.append((b"Content-Type", content_type))
        if call != "POST /v1/verify":
            headers.append((b"Authorization", f"Bearer {self.token}".encode()))
        make = chunked_request if chunked else raw_request
        return exchange(self.base(call), make(method, path, headers, body))

    def base(self, call: str) -> str:
        return self.server.data if "/v1/verify" in call or "/v1/forward-auth" in call else self.server.control


@pytest.fixture(scope="module")
def ground(server: Server) -> Iterator[Ground]:
    account = server.account()
    server.set_access(account, False)
    user = server.call(
        "POST",
        f"/v1/accounts/{account}/users",
        {"email": f"{os.urandom(4).hex()}@example.com", "name": "Kim", "role": "viewer"},
        caller=server.operator,
    ).json
    names = {"A": account, "U": user["userId"], "I": user["invitationUrl"].rpartition("/")[2], "C": "ck_x"}
    cookie = server.person(account, "owner").headers["Cookie"]
    with looking_into(server.data_dir) as database:
        yield Ground(server, names, server.token("platform"), cookie, database)


@pytest.fixture(autouse=True)
def nothing_written(ground: Ground) -> Iterator[None]:
    before = ground.state()
    yield
    assert ground.state() == before


def assert_problem(answer: RawAnswer, status: int, code: str, what: Any = "") -> dict[str, Any]:
    said = (what, answer.status, answer.body[:500])
    assert answer.status == status, said
    assert answer.headers["content-type"] == "application/problem+json", said
    assert answer.headers["cache-control"] == "no-store", said
    document: dict[str, Any] = answer.json
    assert set(document) == (MEMBERS | {"errors"} if code == "invalid_request" else MEMBERS), said
    assert (document["status"], document["code"], document["type"]) == (status, code, "about:blank"), said
    assert document["title"], said
    assert document["detail"], said
    for fault in document.get("errors", []):
        assert set(fault) == {"field", "message"}, said
        assert fault["message"], said
    assert document.get("errors", True), said
    assert len(answer.body) < 20_000, "a fault is not answered at greater length than it was made"
    return document


def assert_invalid(answer: RawAnswer, what: Any = "") -> list[str]:
    document = assert_problem(answer, 400, "invalid_request", what)
    return [fault["field"] for fault in document["errors"]]


def good(call: str) -> dict[str, Any]:
    return {name: each.good for name, each in BODIES[call].items()}


UNREADABLE = {
    "empty": b"",
    "white space": b" \r\n\t",
    "broken off": b'{"name": "x"',
    "no JSON": b"name=x&type=corporate",
    "a comma too many": b'{"name": "x",}',
    "two documents": b"{} {}",
    "null": b"null",
    "an array": b"[]",
    "an array of the right things": b'["x", "corporate"]',
    "a number": b"12",
    "a text": b'"x"',
    "true": b"true",
    "NaN": b'{"name": NaN}',
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "not UTF-8 at all": b"\xff\xfe\x00\x80",
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"name": "x"}',
    "overlong UTF-8": b'{"name": "\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"name": "\xed\xa0\x80"}',
    "a lone surrogate": b'{"name": "\\ud800"}',
    "a lone surrogate in an unknown field": b'{"zzz": "\\ud800"}',
    "surrogates the wrong way round": b'{"email": "\\udc00\\ud800"}',
    "a raw NUL": b'{"name": "a\x00b"}',
    "a raw line end": b'{"name": "a\nb"}',
    "NUL bytes": b"\x00" * 100,
    "a huge number": b'{"name": 1' + b"0" * 5000 + b"}",
    "a huge exponent": b'{"name": 1e999999}',
    "nested arrays": b"[" * 50_000,
    "nested objects": b'{"a":' * 10_000,
    "nested in a known field": b'{"email":' + b"[" * 50_000 + b"]" * 5_000 + b"}",
    "a field twice": b'{"name": "x", "name": "y"}',
    "ten thousand fields": b"{" + b",".join(b'"%d":1' % number for number in range(6000)) + b"}",
    "a long name": b'{"' + b"n" * 60_000 + b'": 1}',
    "a name of control characters": b'{"\\u0000\\u001b\\u2028": 1}',
}


@pytest.mark.parametrize("call", BODIES)
def test_a_body_that_cannot_be_read(ground: Ground, call: str):
    for name, body in UNREADABLE.items():
        assert_invalid(ground.send(call, body), name)


@pytest.mark.parametrize("call", BODIES)
def test_a_value_of_a_wrong_kind(ground: Ground, call: str):
    for name, known in BODIES[call].items():
        for value in (*WRONG_TYPES, *known.bad):
            allowed = (value is None and not known.required) or _is_taken(call, name, value)
            if allowed:
                continue
            fields = assert_invalid(ground.send(call, json.dumps({**good(call), name: value}).encode()), (name, value))
            assert len(fields) == 1, (name, value, fields)
            assert re.split(r"[\[.]", fields[0])[0] == name, (name, value, fields)


def _is_taken(call: str, name: str, value: Any) -> bool:
    """Whether a value of the wrong-type list is none for this field after all."""
    if (name, type(value)) == ("enabled", bool) or (name, value) == ("headers", []):
        return True
    if (call, name, value) == ("POST /v1/verify", "method", "\0"):
        return True  # a fault of the request that is judged, which is a matter of the verdict
    return call == "POST /v1/session" and isinstance(value, str) and len(value) < 200


@pytest.mark.parametrize("call", BODIES)
def test_all_faults_are_named_at_once(ground: Ground, call: str):
    fields = BODIES[call]
    required = {name for name, each in fields.items() if each.required}
    assert set(assert_invalid(ground.send(call, b'{"bogus": 1, "more": [2]}'))) == {"bogus", "more"} | required
    wrong = {name: {"x": 1} for name in fields}
    assert set(assert_invalid(ground.send(call, json.dumps({**wrong, "bogus": 1}).encode()))) == {"bogus", *fields}
    for name in required:
        rest = {other: each for other, each in good(call).items() if other != name}
        assert assert_invalid(ground.send(call, json.dumps(rest).encode())) == [name]
    if required:
        assert set(assert_invalid(ground.send(call, b"{}"))) == required


def test_a_field_that_stands_twice_is_not_guessed_at(ground: Ground):
    calls = {call: fields for call, fields in BODIES.items() if call != "POST /v1/verify"}
    for call, fields in calls.items():
        for name in fields:
            text = json.dumps(good(call))
            twice = f"{text[:-1]}, {json.dumps(name)}: {json.dumps(fields[name].good)}}}"
            assert assert_invalid(ground.send(call, twice.encode()), (call, name)) == [name]


@pytest.mark.parametrize("call", [call for call in BODIES if call != "POST /v1/verify"])
def test_another_content_type(ground: Ground, call: str):
    body = json.dumps(good(call)).encode()
    for content_type in (
        None,
        b"",
        b"text/plain",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data",
        b"\xff",
    ):
        assert assert_invalid(ground.send(call, body, content_type=content_type), content_type) == ["Content-Type"]


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "chunked"])
@pytest.mark.parametrize("call", BODIES)
def test_a_body_of_ten_megabytes(ground: Ground, call: str, chunked: bool):
    for filler in (b" ", b"["):
        answer = ground.send(call, filler * TEN_MB, chunked=chunked)
        assert_problem(answer, 413, "payload_too_large")


def test_a_body_that_is_announced_too_large_is_refused_before_it_comes(ground: Ground):
    for call in BODIES:
        more = ((b"Content-Length", str(TEN_MB).encode()),)
        assert_problem(ground.send(call, b"", more=more), 413, "payload_too_large", call)


def test_a_large_body_goes_unread_where_none_is_taken(ground: Ground):
    for call in ("GET /v1/accounts", "GET /v1/accounts/A", "DELETE /v1/accounts/A/credentials/C"):
        answer = ground.send(call, b"x" * TEN_MB)
        assert answer.status in {200, 404, 413, 0}, answer


def test_the_largest_body_that_is_read(ground: Ground):
    call = "POST /v1/accounts/A/api-access/requests"
    body = json.dumps({"message": "x" * 1001}).encode()
    assert assert_invalid(ground.send(call, body.ljust(65_536))) == ["message"]
    assert_problem(ground.send(call, body.ljust(65_537)), 413, "payload_too_large")


# --- headers, queries, paths ------------------------------------------------------------------------------------------

CALLS = ("GET /v1/accounts", "GET /healthz", "GET /v1/nothing", "POST /v1/verify", "GET /v1/forward-auth")


@pytest.mark.parametrize("call", CALLS)
def test_headers_that_no_client_sends(ground: Ground, call: str):
    for line in (
        (b"X-Big", b"a" * 65_536),
        (b"X-Bytes", b"\xff\xfe\x80"),
        (b"Cookie", b"keywright_session=" + b"a" * 65_536),
        (b"Cookie", b"keywright_session=\xff; \xfe; =; ;;"),
        (b"Cookie", b'keywright_session="\\377"'),
        (b"Origin", b"\xff://[::1"),
        (b"Origin", b"http://[::1"),
        (b"Signature-Input", b"a" * 65_536),
        (b"Keywright-On-Behalf-Of", b"\xff"),
        (b"Content-Type", b"application/json; charset=\xff"),
        (b"Accept", b"\xff/*"),
        (b"Content-Length", b"abc"),
        (b"Content-Length", b"-1"),
        (b"Content-Length", b"\xb2"),
        (b"Content-Length", b"9" * 40),
        (b"Transfer-Encoding", b"nonsense"),
        (b"X-\x00", b"a"),
    ):
        assert_civil(ground.send(call, b"", more=(line,)), (call, line[0], line[1][:20]))
    for token in (b"\xff", b"a" * 65_536, b"", b"\x7f"):
        method, path = ground.path(call)
        lines = [(b"Authorization", b"Bearer " + token)]
        answer = exchange(ground.base(call), raw_request(method, path, lines))
        assert_civil(answer, (call, token[:20]))
        if call == "GET /v1/accounts" and answer.status != 400:
            assert_problem(answer, 401, "unauthenticated")


def assert_civil(answer: RawAnswer, what: Any) -> None:
    """A proper answer of ours; or, where this is no HTTP, the web server's own, which has no body."""
    assert 200 <= answer.status < 500, (what, answer)
    if answer.status >= 400 and answer.body:
        assert answer.headers["content-type"] == "application/problem+json", (what, answer)
        assert set(answer.json) >= MEMBERS, (what, answer)
    elif answer.status >= 400:
        assert answer.status in {400, 413, 414, 431}, (what, answer)
        assert answer.headers["content-length"] == "0", (what, answer)


def test_a_cookie_call_from_an_unreadable_origin_is_refused(ground: Ground):
    path = ground.path("POST /v1/accounts/A/credentials")[1]
    for origin in (b"http://[::1", b"\xff", b"null", b"", b"http://evil.example", b"https://127.0.0.1:1"):
        lines = [(b"Cookie", ground.cookie.encode()), (b"Origin", origin), (b"Content-Type", b"application/json")]
        answer = exchange(ground.server.control, raw_request(b"POST", path, lines, b'{"email": "a@example.com"}'))
        assert_problem(answer, 403, "forbidden", origin)
        signing_in = raw_request(b"POST", b"/v1/session", lines[1:], b'{"email": "a@example.com", "password": "x"}')
        assert_problem(exchange(ground.server.control, signing_in), 403, "forbidden", origin)
    without_host = b"POST %s HTTP/1.0\r\nCookie: %s\r\nOrigin: null\r\n\r\n" % (path, ground.cookie.encode())
    assert exchange(ground.server.control, without_host).status in {400, 403}


QUERIES = {
    "limit": ["0", "-1", "201", "abc", "", "1.5", "%00", "%ff", "%D9%A1", "9" * 400, "1%200", "%F0%9F%98%80", "null"],
    "cursor": [
        *("junk", "", "%00", "%ff", "%D9%A1-acc_x", "1-", "-acc_x", "1-acc_x%0A", "1-ACC", "9" * 19 + "-acc_x"),
        *("9" * 101, "9" * 400, "-1", "0", "%F0%9F%98%80", "1-acc_x'--"),
    ],
}


@pytest.mark.parametrize("call", ["GET /v1/accounts", "GET /v1/api-access/requests", "GET /v1/accounts/A/audit-events"])
def test_bad_query_parameters(ground: Ground, call: str):
    for name, values in QUERIES.items():
        for value in values:
            answer = ground.send(f"{call}?{name}={value}".replace("/A/", f"/{ground.names['A']}/"), b"")
            assert assert_invalid(answer, (name, value)) == [name]
            assert "`" not in answer.json["detail"], "said in words, not in types"
    both = ground.send(f"{call}?limit=x&cursor=%00".replace("/A/", f"/{ground.names['A']}/"), b"")
    assert "limit" in assert_invalid(both)


SEGMENTS = (
    *(b"%00", b"%ff", b"%ed%a0%80", b"%F0%9F%98%80", b"..", b"%2e%2e", b"a;b", b"%", b"%zz", b"%0d%0a", b"'--", b"~"),
    *(b"a" * 8000, b"%41" * 3000, b"*", b"{account_id}", b"acc_", b"ck_\xff", b"\x00", b"a b"),
)


@pytest.mark.parametrize(
    "call",
    [
        *("GET /v1/accounts/X", "PUT /v1/accounts/X/api-access", "POST /v1/accounts/X/api-access/requests"),
        *("POST /v1/accounts/X/users", "GET /v1/accounts/X/users", "GET /v1/accounts/A/users/X"),
        *("PATCH /v1/accounts/A/users/X", "DELETE /v1/accounts/A/users/X", "POST /v1/accounts/X/credentials"),
        *("GET /v1/accounts/X/credentials", "DELETE /v1/accounts/A/credentials/X", "GET /v1/accounts/X/audit-events"),
        *("GET /v1/invitations/X", "POST /v1/invitations/X", "GET /X", "GET /v1/X"),
    ],
)
def test_bad_path_segments(ground: Ground, call: str):
    shape = call.replace("/X", "/A", 1) if "/accounts/X" in call else call.replace("users/X", "users/U")
    body = json.dumps(good(shape)).encode() if shape in BODIES else b""
    if call == "POST /v1/invitations/X":
        body = json.dumps(good("POST /v1/invitations/I")).encode()
    method, path = ground.path(call)
    for segment in SEGMENTS:
        head = [(b"Authorization", f"Bearer {ground.token}".encode()), (b"Content-Type", b"application/json")]
        answer = exchange(ground.server.control, raw_request(method, path.replace(b"/X", b"/" + segment), head, body))
        if answer.body:
            assert answer.status in {404, 405}, (segment, answer)
            assert_problem(answer, answer.status, answer.json["code"], segment)
        else:
            assert_civil(answer, segment)  # a request line that is none


def test_paths_of_the_data_plane(ground: Ground):
    for segment in SEGMENTS:
        answer = exchange(ground.server.data, raw_request(b"POST", b"/v1/" + segment, [], b"{}"))
        if answer.body:
            assert_problem(answer, 404, "not_found", segment)
        else:
            assert_civil(answer, segment)


def test_a_request_line_of_64_kb(ground: Ground):
    for base in (ground.server.control, ground.server.data):
        assert exchange(base, raw_request(b"GET", b"/" + b"a" * 65_536)).status in {404, 414}
        assert exchange(base, raw_request(b"GET", b"/?" + b"a" * 65_536)).status in {404, 414}


def test_methods_that_are_not_offered(ground: Ground):
    for method in (b"PUT", b"PATCH", b"TRACE", b"BREW"):
        for base, path in ((ground.server.control, b"/v1/accounts"), (ground.server.data, b"/v1/verify")):
            answer = exchange(base, raw_request(method, path, [], b"{}"))
            assert answer.status == 405
            assert answer.json["code"] == "method_not_allowed"
            assert answer.headers["allow"]


def test_what_is_no_http_at_all(ground: Ground):
    for base in (ground.server.control, ground.server.data):
        for sent in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n", b"GET / HTTP/9\r\n", b"\xff" * 9):
            answer = exchange(base, sent + b"\r\n\r\n")
            assert answer.status in {0, 400, 404, 505}, (sent, answer)
        assert ground.server.call("GET", "/healthz").status == 200
        assert ground.server.ask("GET", "/healthz").status == 200
