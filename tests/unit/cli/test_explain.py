import base64
import json
import re
import time
from pathlib import Path

import pytest
import typer
from nacl.signing import SigningKey
from typer.testing import CliRunner

from keywright import Credential
from keywright.cli.explain import explain
from keywright.formats import format_client_secret, new_client_id
from keywright.signatures import SignedRequest, content_digest, public_key_of, sign_request

SEED = bytes(range(32))
CLIENT_ID = new_client_id(lambda count: bytes(range(count)))
CLIENT_SECRET = format_client_secret(SEED, "live")
NOW = 1_800_000_000
URL = "https://api.example.com/v1/payments?a=b"
BODY = b'{"amount": 1}\n'

application = typer.Typer(pretty_exceptions_enable=False)
application.command("explain")(explain)


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch, tmp_path):
    for name in ("KEYWRIGHT_CLIENT_ID", "KEYWRIGHT_CLIENT_SECRET", "KEYWRIGHT_ALGORITHM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    Path("secret").write_text(CLIENT_SECRET)


def signed(method="POST", url=URL, headers=(("Content-Type", "application/json"),), body=BODY, **changes):
    options = {"key_id": CLIENT_ID, "algorithm": "ed25519", "key": SEED, "created": NOW - 3, "nonce": "n" * 20}
    request = SignedRequest(method, url, list(headers), body)
    return [*headers, *sign_request(request, **{**options, **changes}).items()]


def raw(headers, body=BODY, line="POST /v1/payments?a=b HTTP/1.1", end="\r\n", host="api.example.com"):
    lines = [line, *([f"Host: {host}"] if host else []), *(f"{name}: {value}" for name, value in headers), "", ""]
    return end.join(lines).encode("latin-1") + body


def run(text, *arguments, env=None):
    return CliRunner().invoke(application, ["--at", str(NOW), *arguments], input=text, env=env)


def explained(text, *arguments):
    result = run(text, "--json", *arguments)
    document = json.loads(result.stdout)
    assert result.exit_code == (0 if document["ok"] else 1)
    return document


def codes(document):
    return [problem["code"] for problem in document["problems"]]


def test_a_genuine_request_in_words():
    result = run(raw(signed()), "--secret-file", "secret")
    assert result.exit_code == 0
    assert "POST https://api.example.com/v1/payments?a=b, 14 bytes of body" in result.stdout
    assert f"keyid    {CLIENT_ID}" in result.stdout
    assert f"created  {NOW - 3} = 2027-01-15T07:59:57Z, 3 s ago" in result.stdout
    assert "nonce    nnnnnnnnnnnnnnnnnnnn" in result.stdout
    assert "covers   @method, @target-uri, content-digest, content-type" in result.stdout
    assert '  | "@target-uri": https://api.example.com/v1/payments?a=b\n' in result.stdout
    assert "fits its Content-Digest" in result.stdout
    assert "holds with the given key" in result.stdout
    assert CLIENT_SECRET not in result.stdout


def test_the_base_is_exact():
    headers = signed()
    document = explained(raw(headers))
    params = dict(headers)["Signature-Input"].removeprefix("sig1=")
    assert document["base"] == (
        '"@method": POST\n'
        '"@target-uri": https://api.example.com/v1/payments?a=b\n'
        f'"content-digest": {content_digest(BODY)}\n'
        '"content-type": application/json\n'
        f'"@signature-params": {params}'
    )


def test_without_a_key_it_says_what_it_cannot_check():
    result = run(raw(signed()))
    assert result.exit_code == 0
    assert "not checked: no key given" in result.stdout
    assert explained(raw(signed()))["signatureHolds"] is None


def test_a_public_key_or_the_environment_serve_as_well():
    assert explained(raw(signed()), "--public-key", public_key_of(SEED).hex())["signatureHolds"] is True
    result = run(raw(signed()), "--json", env={"KEYWRIGHT_CLIENT_SECRET": CLIENT_SECRET})
    assert json.loads(result.stdout)["signatureHolds"] is True


def test_the_sdk_and_the_clock_of_now():
    headers = Credential(CLIENT_ID, CLIENT_SECRET).sign_request(
        SignedRequest("GET", URL, [], b""), created=int(time.time()), nonce="n" * 16
    )
    Path("request").write_bytes(raw(headers.items(), b"", "GET /v1/payments?a=b HTTP/1.1"))
    result = CliRunner().invoke(application, ["request", "--secret-file", "secret"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("line", ["POST /v1/payments?a=b HTTP/1.1", f"POST {URL} HTTP/1.1", "POST /v1/payments?a=b"])
def test_forms_of_a_request(end, line):
    assert explained(raw(signed(), line=line, end=end), "--secret-file", "secret")["ok"]


def test_where_the_request_was_sent():
    local = "http://127.0.0.1:8080/v1/payments?a=b"
    assert explained(raw(signed(url=local), host="127.0.0.1:8080"), "--scheme", "http", "--secret-file", "secret")["ok"]
    for url in ("https://api.example.com", "https://api.example.com/", URL):
        assert explained(raw(signed(), host="10.0.0.1"), "--url", url, "--secret-file", "secret")["ok"]
    result = run(raw(signed(), host=""))
    assert result.exit_code == 1
    assert "--url" in result.stderr


def test_hmac():
    headers = signed(algorithm="hmac-sha256")
    assert explained(raw(headers), "--secret-file", "secret")["ok"]
    document = explained(raw(headers), "--secret-file", "secret", "--algorithm", "ed25519")
    assert "made with hmac-sha256" in document["problems"][0]["detail"]
    assert codes(explained(raw(headers), "--public-key", "00" * 32)) == ["algorithm_mismatch"]


def with_params(headers, pattern, replacement):
    return [
        (name, re.sub(pattern, replacement, value) if name == "Signature-Input" else value) for name, value in headers
    ]


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (lambda: [("Content-Type", "a/b")], ["signature_missing"]),
        (lambda: signed()[:-1], ["signature_malformed"]),
        (lambda: signed(created=NOW - 301), ["signature_too_old"]),
        (lambda: signed(created=NOW + 31), ["signature_in_future"]),
        (lambda: signed(created=NOW * 1000), ["signature_in_future"]),
        (lambda: signed(created=NOW - 9, expires=NOW - 1), ["signature_expired"]),
        (lambda: signed(include_alg=True, algorithm="hmac-sha256"), []),
        (lambda: signed(key_id="somebody"), ["credential_unknown"]),
        (lambda: with_params(signed(), ";nonce=.*", ""), ["parameter_missing"]),
        (lambda: with_params(signed(), ";created=[0-9]+", ""), ["parameter_missing"]),
        (lambda: with_params(signed(), ";keyid=[^;]+", ""), ["parameter_missing"]),
        (lambda: with_params(signed(), "n{20}", "short"), ["signature_malformed"]),
        (lambda: signed(components=["@target-uri", "content-digest"]), ["coverage_insufficient"]),
        (lambda: signed(components=["@method", "content-digest"]), ["coverage_insufficient"]),
        (lambda: signed(components=["@method", "@authority", "@path", "content-digest"]), ["coverage_insufficient"]),
        (lambda: signed(components=["@method", "@target-uri"]), ["coverage_insufficient"]),
        (lambda: signed(components=[], created=NOW - 999, key_id="x"), [
            "credential_unknown", "coverage_insufficient", "coverage_insufficient", "coverage_insufficient",
            "signature_too_old",
        ]),
        (lambda: [pair for pair in signed() if pair[0] != "Content-Type"], ["signature_invalid"]),
        (lambda: [pair for pair in signed() if pair[0] != "Content-Digest"], ["signature_invalid"]),
        (lambda: signed(body=b"another"), ["digest_mismatch"]),
        (lambda: with_params(signed(), "n{20}", ""), ["signature_malformed"]),
        (lambda: signed(body=b"x", components=["@path"], created=NOW - 999, algorithm="ed25519"), [
            "coverage_insufficient", "coverage_insufficient", "coverage_insufficient", "signature_too_old",
            "digest_mismatch",
        ]),
    ],
)  # fmt: skip
def test_all_that_is_wrong_is_named_also_without_a_key(headers, found):
    document = explained(raw(headers()))
    assert codes(document) == found
    assert all(problem["detail"] and problem["title"] for problem in document["problems"])


def test_milliseconds_are_recognised():
    assert "milliseconds" in explained(raw(signed(created=NOW * 1000)))["problems"][0]["detail"]


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        (lambda: signed(key=bytes(32)), "another secret or over another base"),
        (lambda: signed(url="http://api.example.com/v1/payments?a=b"), "http://"),
        (lambda: signed(url="https://api.example.com/v1/payments"), "without its query"),
        (lambda: signed(method="post"), "lower case"),
        (lambda: signed(method="PUT"), "another secret or over another base"),
    ],
)
def test_with_the_key_it_looks_for_the_mistake(headers, says):
    document = explained(raw(headers()), "--secret-file", "secret")
    assert codes(document) == ["signature_invalid"]
    assert says in document["problems"][0]["detail"]
    assert document["signatureHolds"] is False


def test_bases_written_wrongly_are_recognised():
    base = explained(raw(signed()))["base"]
    for wrong, says in (
        (base + "\n", "ends in a line end"),
        (base.replace("\n", "\r\n"), "CRLF"),
        (base.rpartition("\n")[0], "@signature-params"),
        (base.replace("https://api.example.com/", "/"), "absolute URL"),
    ):
        signature = base64.b64encode(SigningKey(SEED).sign(wrong.encode()).signature).decode()
        headers = [(name, f"sig1=:{signature}:" if name == "Signature" else value) for name, value in signed()]
        document = explained(raw(headers), "--secret-file", "secret")
        assert says in document["problems"][0]["detail"]


def test_a_body_that_lost_or_won_something():
    length = [("Content-Length", str(len(BODY)))]
    document = explained(raw([*length, *signed()], BODY + b"\n"))
    assert document["ok"]
    assert "left out" in document["request"]["remarks"][0]
    document = explained(raw([*length, *signed()], BODY[:-1]))
    assert codes(document) == ["digest_mismatch"]
    assert "cut off" in document["request"]["remarks"][0]


def test_a_chunked_body():
    chunks = b"5\r\n" + BODY[:5] + b"\r\n9;x=y\r\n" + BODY[5:] + b"\r\n0\r\n\r\n"
    assert explained(raw([("Transfer-Encoding", "chunked"), *signed()], chunks))["digestHolds"] is True
    document = explained(raw([("Transfer-Encoding", "chunked"), *signed()], BODY))
    assert document["digestHolds"] is True
    assert "not in chunks" in document["request"]["remarks"][0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "nothing to read"),
        (b"hello", "line 1 is no request line"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno header here\r\n\r\n", "line 3 is no header"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", "line 3 begins with a space"),
        (b"\xff\x00\xfe", "line 1"),
    ],
)
def test_what_cannot_be_read(text, says):
    result = run(text)
    assert result.exit_code == 1
    assert says in result.stderr


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["absent"], 1),
        (["--public-key", "00"], 2),
        (["--algorithm", "rsa"], 2),
        (["--client-secret", CLIENT_SECRET], 2),
        (["--secret-file", "absent"], 1),
        (["--url", "api.example.com"], 1),
    ],
)
def test_misuse(arguments, status):
    result = run(raw(signed()), *arguments)
    assert result.exit_code == status
    assert CLIENT_SECRET not in result.output


def test_secrets_in_the_request_are_not_shown():
    headers = [("Authorization", "Bearer token-that-counts"), ("X-Key", CLIENT_SECRET)]
    headers = signed(headers=headers, components=["@method", "@target-uri", "content-digest", "authorization", "x-key"])
    for arguments in ([], ["--json"]):
        result = run(raw(headers), *arguments, "--secret-file", "secret")
        assert result.exit_code == 0
        assert "token-that-counts" not in result.stdout
        assert CLIENT_SECRET not in result.stdout
        assert SEED.hex() not in result.stdout


def test_created_beyond_all_dates():
    result = run(raw(signed(created=999_999_999_999_999)))
    assert result.exit_code == 1
    assert "s ahead" in result.stdout
