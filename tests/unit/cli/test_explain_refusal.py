"""`keywright explain` and the server's refusal: what to change, and where the signature bases differ."""

import base64
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from keywright.cli.explain import explain
from keywright.diagnosis.remedies import OTHER_REMEDIES, REMEDIES
from keywright.errors import RefusalCode, Refused
from keywright.formats import format_client_secret, new_client_id
from keywright.problems import refusal_answer
from keywright.signatures import (
    NOT_SHOWN,
    Profile,
    SignedRequest,
    find_signature,
    public_key_of,
    sign_request,
    verify_signature,
)

SEED = bytes(range(32))
CLIENT_ID = new_client_id(lambda count: bytes(range(count)))
CLIENT_SECRET = format_client_secret(SEED, "live")
NOW = 1_800_000_000
DATE = "Fri, 15 Jan 2027 08:00:00 GMT"
URL = "https://api.example.com/v1/payments?a=b&c=d"
BODY = b'{"amount": 1}'

application = typer.Typer(pretty_exceptions_enable=False)
application.command("explain")(explain)


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch, tmp_path):
    monkeypatch.delenv("KEYWRIGHT_CLIENT_SECRET", raising=False)
    monkeypatch.chdir(tmp_path)


def signed(url=URL, headers=(("Content-Type", "application/json"),), **options):
    request = SignedRequest("POST", url, list(headers), BODY)
    added = sign_request(
        request, key_id=CLIENT_ID, algorithm="ed25519", key=SEED, created=NOW, nonce="n" * 20, **options
    )
    return [*headers, *added.items()]


def raw(headers, url=URL):
    path = url.removeprefix("https://api.example.com")
    lines = [f"POST {path} HTTP/1.1", "Host: api.example.com", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode() + BODY


def as_response(refused, status_line="HTTP/1.1 401 Unauthorized", before=""):
    _, headers, body = refusal_answer(refused, "POST")
    lines = [status_line, f"Date: {DATE}", *(f"{name}: {value}" for name, value in headers)]
    return before.encode() + "\r\n".join([*lines, "", ""]).encode() + body


def judged(headers, url=URL, method="POST"):
    """What a real verifier says of a request that arrived as another one."""
    request = SignedRequest(method, url, headers, BODY)
    found = find_signature(request, Profile(), lambda _: True)
    verdict = verify_signature(request, found, "ed25519", public_key_of(SEED), Profile(), NOW)
    assert isinstance(verdict, Refused)
    return verdict


def run(text, *arguments):
    return CliRunner().invoke(application, list(arguments), input=text)


def explained(text, *arguments):
    result = run(text, "--json", *arguments)
    assert result.exit_code == 1, result.output
    return json.loads(result.stdout)


def with_refusal(content, text, *arguments):
    Path("refusal").write_bytes(content)
    return explained(text, "--refusal", "refusal", *arguments)


def test_every_code_has_words_that_tell_what_to_change():
    assert set(REMEDIES) == set(RefusalCode)
    assert len(set(REMEDIES.values())) == len(REMEDIES)
    assert all(len(text) > 30 and text.endswith((".", ":")) for text in REMEDIES.values())


@pytest.mark.parametrize("code", [*RefusalCode, *OTHER_REMEDIES])
def test_a_pasted_refusal_of_every_code_is_named(code):
    body = json.dumps({"code": str(code), "detail": "What was wrong."}).encode()
    for text in (body, b"HTTP/2 401 \r\ncontent-type: application/problem+json\r\n\r\n" + body):
        result = run(text)
        assert result.exit_code == 1
        assert f"refused it with {code}" in result.stdout
        assert "What was wrong." in result.stdout
        assert f"To do      {REMEDIES.get(code) or OTHER_REMEDIES.get(code)}" in result.stdout
    assert explained(body)["refusal"]["remedy"]


@pytest.mark.parametrize("code", RefusalCode)
def test_the_header_alone_is_enough(code):
    headers = [line for line in refusal_answer(Refused(code, "x"), "POST")[1] if line[0] == "www-authenticate"]
    if not any("error=" in value for _, value in headers):
        return  # a 403 has none
    text = "\r\n".join(["HTTP/1.1 401 X", *(f"WWW-Authenticate: {value}" for _, value in headers), "", "<html>"])
    expected = "token_invalid" if code == "token_expired" else code  # RFC 6750 has one name for both
    assert explained(text.encode())["refusal"]["code"] == expected


def test_problems_of_a_request_come_with_their_remedy():
    result = run(raw([("Content-Type", "a/b")]))
    assert REMEDIES[RefusalCode.SIGNATURE_MISSING] in result.stdout
    document = explained(raw(signed()[:-1]), "--at", str(NOW))
    assert document["problems"][0]["remedy"] == REMEDIES[RefusalCode.SIGNATURE_MALFORMED]


@pytest.mark.parametrize(
    ("arrived", "component", "hint"),
    [
        (URL.replace("https", "http"), '"@target-uri"', "X-Forwarded-Proto"),
        (URL.replace("?a=b&c=d", "?c=d&a=b"), '"@target-uri"', "Only the query differs"),
        (URL.replace("api.example.com", "backend:8080"), '"@target-uri"', "Only the origin differs"),
        (URL.replace("/v1", ""), '"@target-uri"', "rewrote the URL"),
    ],
)
def test_the_signature_bases_are_compared(arrived, component, hint):
    headers = signed()
    document = with_refusal(as_response(judged(headers, arrived)), raw(headers))
    assert document["problems"] == []
    [difference] = document["refusal"]["differences"]
    assert (difference["component"], difference["here"], difference["server"]) == (component, URL, arrived)
    assert hint in difference["hint"]
    result = run(raw(headers), "--refusal", "refusal")
    assert f"    here    {URL}\n    server  {arrived}\n" in result.stdout


def test_a_changed_method_and_header():
    headers = signed()
    changed = [("Content-Type", "text/plain"), *headers[1:]]
    document = with_refusal(as_response(judged(changed, method="PUT")), raw(headers))
    found = {each["component"]: (each["here"], each["server"]) for each in document["refusal"]["differences"]}
    assert found == {'"@method"': ("POST", "PUT"), '"content-type"': ("application/json", "text/plain")}


def test_another_secret_shows_as_the_same_base():
    headers = signed()
    other = [*headers[:-1], ("Signature", f"sig1=:{base64.b64encode(bytes(64)).decode()}:")]
    document = with_refusal(as_response(judged(other)), raw(other))
    assert document["refusal"]["differences"] == []
    assert "another key's" in run(raw(other), "--refusal", "refusal").stdout


def test_another_request_than_the_refused_one():
    before, now = signed(), signed(components=["@method", "@target-uri", "content-digest"])
    document = with_refusal(as_response(judged(before, URL + "x")), raw(now))
    found = {each["component"]: each["hint"] for each in document["refusal"]["differences"]}
    assert set(found) == {'"@target-uri"', '"content-type"', '"@signature-params"'}
    assert "not the request that was refused" in found['"@signature-params"']


def test_headers_that_a_gateway_may_have_added_are_not_told():
    components = ["@method", "@target-uri", "content-digest", "x-internal"]
    headers = signed(headers=[("X-Internal", "guess")], components=components)
    arrived = [("X-Internal", "the gateway's secret"), *headers[1:]]
    refused = judged(arrived)
    assert refused.signature_base is not None
    assert f'"x-internal": {NOT_SHOWN}' in refused.signature_base
    response = as_response(refused)
    assert b"gateway's" not in response
    assert with_refusal(response, raw(headers))["refusal"]["differences"] == []


def test_other_refusals_tell_no_base():
    headers = [(name, value.replace(";nonce=", ";x=")) for name, value in signed()]
    assert b"signatureBase" not in as_response(judged(headers))


def test_the_refusals_date_is_the_time_to_judge_by():
    headers = signed()
    refused = Refused(RefusalCode.NONCE_REPLAYED, "used")
    document = with_refusal(as_response(refused), raw(headers))
    assert document["problems"] == []
    assert document["signature"]["ageSeconds"] == 0
    late = with_refusal(as_response(refused), raw(headers), "--at", str(NOW + 1000))
    assert [problem["code"] for problem in late["problems"]] == ["signature_too_old"]


def test_what_curl_prints_before_the_answer_is_passed_over():
    proxy = "HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    text = as_response(Refused(RefusalCode.DIGEST_MISMATCH, "x"), "HTTP/2 401", before=proxy)
    refusal = explained(text)["refusal"]
    assert (refusal["code"], refusal["status"]) == ("digest_mismatch", 401)


def test_a_refusal_without_a_request():
    Path("refusal").write_bytes(as_response(judged(signed(), URL + "x")))
    result = run("", "--refusal", "refusal")
    assert result.exit_code == 1
    assert f'  | "@target-uri": {URL}x' in result.stdout
    document = explained("", "--refusal", "refusal")
    assert document["refusal"]["differences"] is None
    assert f'"@target-uri": {URL}x\n' in document["refusal"]["base"]


@pytest.mark.parametrize(
    "content",
    [b"{}", b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n<html>", b"HTTP/1.1 502 Bad\r\n\r\n", b"["],
)
def test_what_is_no_refusal_of_ours(content):
    Path("refusal").write_bytes(content)
    result = run(raw(signed()), "--refusal", "refusal")
    assert result.exit_code == 1
    assert "names no code" in result.stderr


def jwt(**claims):
    parts = ({"typ": "at+jwt", "alg": "EdDSA"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "c2lnbmF0dXJl"])


def test_a_request_with_a_token():
    token = jwt(client_id=CLIENT_ID, exp=NOW + 60)
    result = run(raw([("Authorization", f"Bearer {token}")]), "--at", str(NOW))
    assert result.exit_code == 0
    assert f"Token      of {CLIENT_ID}, good until 2027-01-15T08:01:00Z." in result.stdout
    assert token not in result.stdout


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (f"Bearer {jwt(exp=NOW - 1)}", "token_expired"),
        ("Bearer abc", "token_invalid"),
        (f"Bearer {CLIENT_SECRET}", "token_invalid"),
        ("Bearer a.b.c", "token_invalid"),
        ("Basic dTpw", "authorization_missing"),
    ],
)
def test_what_is_wrong_with_a_token(value, code):
    document = explained(raw([("Authorization", value)]), "--at", str(NOW))
    assert [problem["code"] for problem in document["problems"]] == [code]
    assert CLIENT_SECRET not in json.dumps(document)


def test_a_secret_in_a_refusal_is_not_shown():
    body = json.dumps({"code": "signature_invalid", "detail": f"no {CLIENT_SECRET}"}).encode()
    assert CLIENT_SECRET not in run(body).stdout
