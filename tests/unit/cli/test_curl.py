"""The real curl against a real server: what it sends must verify, and must be what plain curl would have sent."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "sdk"))  # test folders are not packages

from verifying_server import CLIENT_ID, CLIENT_SECRET, running

from keywright.cli.curl import CURL_CONTEXT, curl
from keywright.signatures import Verified

application = typer.Typer(pretty_exceptions_enable=False)
application.command("curl", context_settings=CURL_CONTEXT)(curl)

ADDED = {"content-digest", "signature", "signature-input"}


@pytest.fixture(scope="module")
def shared_server():
    with running() as server:
        yield server


@pytest.fixture
def server(shared_server):
    shared_server.arrivals.clear()
    shared_server.algorithm = "ed25519"
    return shared_server


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch, tmp_path):
    monkeypatch.setenv("KEYWRIGHT_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("KEYWRIGHT_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.delenv("KEYWRIGHT_ALGORITHM", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "body.txt").write_bytes(b"a=1&\r\nb=\xc3\xa4\n\nc")
    (tmp_path / "body.bin").write_bytes(bytes(range(256)) * 10)
    (tmp_path / "headers.txt").write_bytes(b"X-One: 1\r\n\nX-Two: zwei \xc3\xa4\n")


@pytest.fixture
def execute(monkeypatch):
    """Runs the command in this process; the program that it would become runs beside it."""
    output = {}

    def become(program, arguments, environment):
        done = subprocess.run(
            arguments, executable=program, env=environment, close_fds=False, capture_output=True, check=False
        )
        output.update(arguments=arguments, environment=environment, stdout=done.stdout, stderr=done.stderr)
        raise typer.Exit(done.returncode)

    monkeypatch.setattr(os, "execve", become)

    def run(*arguments, stdin=None):
        output.clear()
        result = CliRunner().invoke(application, list(arguments), input=stdin)
        return result, dict(output)

    return run


def plain_curl(*arguments, stdin=None):
    subprocess.run(["curl", "-sS", *arguments], input=stdin, check=True, capture_output=True)


SAME = [
    [],
    ["-I"],
    ["--head"],
    ["-X", "DELETE"],
    ["-XDELETE"],
    ["-sSX", "PATCH", "-da=b"],
    ["-sSXPUT", "-d", "@body.txt"],
    ["-X", "report"],
    ["-d", "a=1", "-d", "b=2"],
    ["-d", "@body.txt", "--data-raw", "@not-a-file", "--data-binary", "@body.txt"],
    ["--data-ascii", "a b"],
    ["--data-binary", "@body.bin"],
    ["--data-urlencode", "a b&c=d"],
    ["--data-urlencode", "=a b&c"],
    ["--data-urlencode", "name=ä ~-._*"],
    ["--data-urlencode", "@body.txt", "--data-urlencode", "n@body.txt"],
    ["--json", '{"a": 1}'],
    ["--json", '{"a":', "--json", " 1}"],
    ["--json", "{}", "-H", "Content-Type: application/problem+json", "-H", "accept: text/plain"],
    ["-d", ""],
    ["-d", "ä=ö"],
    ["-d", "a", "-H", "Content-Type: text/plain"],
    ["-d", "a", "-H", "Content-Type:"],
    ["-d", "a", "-H", "content-type;"],
    ["-H", "X-Several: 1", "-HX-Several: 2", "--header", "Host: api.example.com"],
    ["-H", "@headers.txt", "-H", "X-Three;"],
    ["-H", "X-Name: ü"],
    ["-G", "-d", "a=1", "--data-urlencode", "b=c d"],
    ["-IG", "-d", "a=1"],
    ["-G"],
    ["-A", "me", "-b", "c=d", "-e", "http://x/", "-u", "user:password"],
    ["--no-keepalive", "--compressed", "-v", "--max-time", "5"],
    ["-d", "x" * 1_100_000],
]
PATHS = ["/", "", "?q", "/a/./b/../c/..", "/a/%2e%2e/b", "/?a=b&&c=%2f", "/a#fragment", "/a|b;c?d=(e)'*!$", "/?"]


def compared(arrival):
    headers = sorted((name.lower(), value) for name, value in arrival.headers if name.lower() not in ADDED)
    return arrival.method, arrival.target, headers, arrival.body


@pytest.mark.parametrize("arguments", SAME, ids=lambda arguments: " ".join(arguments)[:40])
def test_it_sends_what_curl_sends_and_signed(execute, server, arguments):
    if len(arguments) > 1 and len(arguments[1]) > 100_000:
        Path("large").write_text(arguments[1])
        arguments = ["-d", "@large"]
    url = server.origin + "/a/b?c=d"
    plain_curl(*arguments, url)
    result, output = execute(*arguments, url)
    assert (result.exit_code, result.stderr) == (0, ""), output
    plain, signed = server.arrivals
    assert isinstance(signed.verdict, Verified), (signed, output)
    assert compared(signed) == compared(plain)


@pytest.mark.parametrize("path", PATHS)
def test_urls(execute, server, path):
    plain_curl(server.origin + path)
    result, _ = execute("-s", "--url", server.origin + path)
    assert result.exit_code == 0
    plain, signed = server.arrivals
    assert isinstance(signed.verdict, Verified), signed
    assert signed.target == plain.target


def test_urls_that_curl_takes_only_on_demand(execute, server):
    for arguments, target in (
        (["-g", "/[a]{b}?c[]={d}"], "/[a]{b}?c[]={d}"),
        (["--path-as-is", "/a/../b"], "/a/../b"),
        (["/ä?ö"], "/%C3%A4?%C3%B6"),
        (["-G", "-d", "ä=1", "/"], "/?%C3%A4=1"),
    ):
        result, _ = execute(*arguments[:-1], "--", server.origin + arguments[-1])
        assert result.exit_code == 0, result.stderr
        assert isinstance(server.last.verdict, Verified)
        assert server.last.target == target


def test_user_information_in_the_url(execute, server):
    execute(server.origin.replace("//", "//user:pw@") + "/a")
    assert isinstance(server.last.verdict, Verified)
    assert server.last.header["authorization"].startswith("Basic ")


def test_stdin_as_a_body(execute, server):
    result, _ = execute("--data-binary", "@-", server.origin, stdin=b"\x00\xffbody\r\n")
    assert result.exit_code == 0
    assert server.last.body == b"\x00\xffbody\r\n"
    assert server.last.verdict.body_verified


def test_both_algorithms_and_options_of_our_own(execute, server, tmp_path, monkeypatch):
    monkeypatch.delenv("KEYWRIGHT_CLIENT_SECRET")
    monkeypatch.delenv("KEYWRIGHT_CLIENT_ID")
    (tmp_path / "secret").write_text(CLIENT_SECRET + "\n")
    server.algorithm = "hmac-sha256"
    result, _ = execute(
        *("--client-id", CLIENT_ID, "--secret-file", "secret", "--algorithm", "hmac-sha256", "--cover", "x-a"),
        *("-sS", "-H", "X-A: 1", server.origin),
    )
    assert result.exit_code == 0, result.stderr
    assert server.last.verdict.covered == ("@method", "@target-uri", "x-a")


def test_the_secret_is_neither_in_arguments_nor_environment_of_curl(execute, server):
    _, output = execute("-d", "confidential", "-H", "X-Token: confidential", server.origin)
    shown = json.dumps([output["arguments"], output["environment"]])
    assert CLIENT_SECRET not in shown
    assert "confidential" not in shown
    assert "KEYWRIGHT_CLIENT_SECRET" not in output["environment"]


def test_a_curlrc_does_not_change_what_was_signed(execute, server, tmp_path):
    (tmp_path / ".curlrc").write_text('data = "more"\n')
    result, _ = execute("-d", "a", server.origin)
    assert result.exit_code == 0
    assert server.last.body == b"a"


def test_curls_own_status(execute, server):
    result, output = execute("-sS", "--fail", server.origin + "/redirect/404/x")
    assert result.exit_code == 22
    assert b"404" in output["stderr"]
    assert execute("-s", "http://127.0.0.1:1/")[0].exit_code == 7


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-F", "a=b", "URL"], "boundary"),
        (["-T", "body.txt", "URL"], "--data-binary @FILE"),
        (["URL", "URL"], "several URLs"),
        (["URL", "--next", "URL"], "once for each"),
        (["URL", "-:", "URL"], "once for each"),
        (["-K", "config", "URL"], "write them out"),
        (["-sSL", "URL"], "final URL"),
        (["--retry", "3", "URL"], "repeat the whole command"),
        (["--digest", "-u", "a:b", "URL"], "several requests"),
        (["--request-target", "/x", "URL"], "into the URL"),
        (["URL/{a,b}"], "-g"),
        (["URL/[1-3]"], "-g"),
        (["-I", "-d", "a", "URL"], "no body"),
        (["-s"], "no URL"),
        (["example.com"], "absolute"),
        (["https://müller.example/"], "xn--"),
        (["-X"], "needs a value"),
        (["--data=a", "URL"], "values behind a space"),
        (["--reque", "GET", "URL"], "in full"),
        (["-s\u00e4", "URL"], "no option"),
        (["URL", "--client-id", "x"], "write it first"),
        (["-d", "@absent", "URL"], "absent"),
        (["-H", "@absent", "URL"], "absent"),
        (["--client-secret", "cs_live_00", "URL"], "never taken as an argument"),
        (["URL", "--client-secret", "cs_live_00"], "write it first"),
        (["--cover", "x-absent", "URL"], "x-absent"),
        (["URL/a b"], "percent-encode"),
    ],
)
def test_what_cannot_be_signed_is_refused_before_anything_is_sent(execute, server, arguments, says):
    result, output = execute(*(argument.replace("URL", server.origin) for argument in arguments))
    assert result.exit_code in {1, 2}
    assert says in result.stderr
    assert "cs_live_00" not in result.output
    assert not output
    assert not server.arrivals


def test_without_curl(execute, server, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    result, _ = execute(server.origin)
    assert result.exit_code == 1
    assert "not installed" in result.stderr


def test_the_command_becomes_curl(server, tmp_path):
    """As a process of its own, with nothing put in the place of anything."""
    (tmp_path / "run.py").write_text(
        "import typer\n"
        "from keywright.cli.curl import CURL_CONTEXT, curl\n"
        "application = typer.Typer(pretty_exceptions_enable=False)\n"
        "application.command('curl', context_settings=CURL_CONTEXT)(curl)\n"
        "application()\n"
    )
    url = server.origin + "/a"
    done = subprocess.run(
        [sys.executable, "run.py", "-sS", "--data-binary", "@-", "-w", "%{http_code}", url],
        input=b"body\n",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"ok\n200", b"")
    assert server.last.verdict.body_verified
