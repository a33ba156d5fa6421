import json
import re
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from keywright.cli.sign import sign
from keywright.formats import format_client_secret, is_client_id, new_client_id
from keywright.signatures import Profile, SignedRequest, Verified, find_signature, public_key_of, verify_signature

SEED = bytes(range(32))
CLIENT_ID = new_client_id(lambda count: bytes(range(count)))
CLIENT_SECRET = format_client_secret(SEED, "live")
URL = "https://api.example.com/v1/payments?a=b"

application = typer.Typer(pretty_exceptions_enable=False)
application.command("sign")(sign)


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch, tmp_path):
    for name in ("KEYWRIGHT_CLIENT_ID", "KEYWRIGHT_CLIENT_SECRET", "KEYWRIGHT_ALGORITHM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    Path("secret").write_text(CLIENT_SECRET + "\n")


def run(*arguments, stdin=None, env=None):
    return CliRunner().invoke(application, list(arguments), input=stdin, env=env)


def verify(output, method, url, headers, body, *, algorithm="ed25519"):
    added = [tuple(line.split(": ", 1)) for line in output.splitlines()]
    request = SignedRequest(method, url, headers + added, body)
    found = find_signature(request, Profile(), is_client_id)
    key = public_key_of(SEED) if algorithm == "ed25519" else SEED
    return verify_signature(request, found, algorithm, key, Profile(), time.time())


def test_it_prints_the_headers_to_add():
    result = run(
        *("--client-id", CLIENT_ID, "--secret-file", "secret", "POST", URL),
        *("-H", "Content-Type: application/json", "--header", "X-A: 1", "--data", '{"a": "ä"}', "--cover", "x-a"),
    )
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [
        "Content-Digest",
        "Signature-Input",
        "Signature",
    ]
    headers = [("Content-Type", "application/json"), ("X-A", "1")]
    verdict = verify(result.stdout, "POST", URL, headers, '{"a": "ä"}'.encode())
    assert isinstance(verdict, Verified)
    assert verdict.covered == ("@method", "@target-uri", "content-digest", "content-type", "x-a")


def test_all_of_it_from_the_environment():
    env = {
        "KEYWRIGHT_CLIENT_ID": CLIENT_ID,
        "KEYWRIGHT_CLIENT_SECRET": CLIENT_SECRET,
        "KEYWRIGHT_ALGORITHM": "hmac-sha256",
    }
    result = run("GET", URL, env=env)
    assert isinstance(verify(result.stdout, "GET", URL, [], b"", algorithm="hmac-sha256"), Verified)


@pytest.mark.parametrize(("data", "stdin"), [("@body", None), ("-", b"\x00\xff\r\n"), ("@-", b"\x00\xff\r\n")])
def test_a_body_byte_for_byte(data, stdin):
    Path("body").write_bytes(b"\x00\xff\r\n")
    result = run("--client-id", CLIENT_ID, "--secret-file", "secret", "POST", URL, "-d", data, stdin=stdin)
    verdict = verify(result.stdout, "POST", URL, [], b"\x00\xff\r\n")
    assert verdict.body_verified


def test_json():
    result = run("--client-id", CLIENT_ID, "--secret-file", "secret", "GET", URL, "--json")
    assert set(json.loads(result.stdout)["headers"]) == {"Signature-Input", "Signature"}


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["GET", URL], 2, "KEYWRIGHT_CLIENT_ID"),
        (["--client-id", CLIENT_ID, "GET", URL], 2, "KEYWRIGHT_CLIENT_SECRET"),
        (["--client-id", CLIENT_ID, "--secret-file", "absent", "GET", URL], 1, "absent: No such file"),
        (["--client-id", "ck_x", "--secret-file", "secret", "GET", URL], 1, "Client ID"),
        (["--client-id", CLIENT_ID, "--secret-file", "binary", "GET", URL], 1, "does not hold a Client Secret"),
        (["--client-id", CLIENT_ID, "--secret-file", "wrong", "GET", URL], 1, "not a Client Secret"),
        (["--client-id", CLIENT_ID, "--client-secret", CLIENT_SECRET, "GET", URL], 2, "never taken as an argument"),
        ([f"--client-secret={CLIENT_SECRET}", "GET", URL], 2, "never taken as an argument"),
        (["--client-id", CLIENT_ID, "--secret-file", "secret", "GET", "/relative"], 1, "absolute"),
        (["--client-id", CLIENT_ID, "--secret-file", "secret", "GET", URL, "-H", "nonsense"], 1, "Name: value"),
        (["--client-id", CLIENT_ID, "--secret-file", "secret", "GET", URL, "-d", "@absent"], 1, "absent"),
        (["--client-id", CLIENT_ID, "--secret-file", "secret", "GET", URL, "--algorithm", "x"], 1, "algorithm"),
        (["--client-id", CLIENT_ID, "--secret-file", "secret", "G T", URL], 1, "method"),
    ],
)
def test_faults_are_told_in_one_line_without_the_secret(arguments, status, says):
    Path("binary").write_bytes(b"\xff\xfe")
    Path("wrong").write_text(CLIENT_SECRET[:-1])
    result = run(*arguments)
    assert result.exit_code == status
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert CLIENT_SECRET[:40] not in result.output


def test_help_says_where_a_secret_goes():
    text = re.sub(r"\s+", " ", run("--help", env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"}).stdout)
    assert "KEYWRIGHT_CLIENT_SECRET" in text
    assert "--client-secret" not in text
