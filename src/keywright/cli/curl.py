"""`keywright curl`: the real curl, with a signature added to its request.

curl gets the very bytes that were signed: body and headers go to it through files that are open in its process and
have no name, so that neither its argument list nor the disk shows them.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from typing import Annotated, NoReturn

import typer

from keywright.cli.console import (
    Algorithm,
    ClientId,
    RefusedSecret,
    SecretFile,
    fail,
    find_credential,
    refuse_secret_argument,
    reported,
)
from keywright.cli.curl_arguments import CurlOptions, CurlRequest, final_url, read_arguments
from keywright.cli.curl_data import join_data
from keywright.sdk import Credential
from keywright.sdk import sign as sign_request
from keywright.sdk.credential import CLIENT_SECRET_VARIABLE

# How the command is registered: what is not ours is curl's.
CURL_CONTEXT: dict[str, bool] = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "allow_interspersed_args": False,
}


def curl(
    context: typer.Context,
    client_id: ClientId = "",
    secret_file: SecretFile = None,
    cover: Annotated[
        list[str] | None,
        typer.Option("--cover", help="Name of a given header to cover as well; may be repeated."),
    ] = None,
    algorithm: Algorithm = "",
    client_secret: RefusedSecret = None,
) -> None:
    """Run curl with a signed request: keywright's options first, then curl's own.

    The request is curl's but for what a signature cannot follow: redirects, retries, several URLs, multipart forms
    and ~/.curlrc. Ends with curl's own status.
    """
    refuse_secret_argument(client_secret)
    key = find_credential(client_id, secret_file, algorithm)
    program = shutil.which("curl")
    if program is None:
        fail("curl is not installed; install it with the system's package manager, e.g. apt-get install curl")
    try:
        options = CurlOptions.from_help(_help_of(program))
        request = read_arguments(context.args, options)
    except ValueError as error:
        fail(str(error), status=2)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    with reported():
        _run(program, _prepare(key, request, cover or []))


def _help_of(program: str) -> str:
    done = subprocess.run([program, "--help", "all"], capture_output=True, text=True, check=False)
    return done.stdout


def _prepare(key: Credential, request: CurlRequest, cover: list[str]) -> list[str]:
    """Sign, and give the arguments for curl."""
    body: bytes | None = join_data(request.data) if request.data else None
    query = b""
    if body is not None and "get" in request.switches:
        query, body = body, None
    if body is not None and "head" in request.switches:
        raise ValueError("-I asks for no body, and there is one: leave one of them out, or say -G")
    url = final_url(request, query)
    lines = _header_lines(request, has_body=body is not None)
    default = "HEAD" if "head" in request.switches else "GET" if body is None else "POST"
    added = sign_request(
        key,
        method=request.method or default,
        url=re.sub(r"^(https?://)[^/?#]*@", r"\1", url, flags=re.IGNORECASE),  # user information is not part of it
        headers=_sent(lines),
        body=body or b"",
        cover=cover,
    )
    lines += [f"{name}: {value}" for name, value in added.items()]
    # -q: a .curlrc could change what was signed. The other two: the URL is already what goes out.
    arguments = ["-q", *request.passed, "--globoff", "--path-as-is"]
    arguments += ["--header", "@" + _nameless_file("".join(f"{line}\n" for line in lines).encode("latin-1"))]
    if body is not None:
        arguments += ["--data-binary", "@" + _nameless_file(body)]
    return [*arguments, "--url", url]


def _header_lines(request: CurlRequest, *, has_body: bool) -> list[str]:
    """The lines of -H as curl takes them, with what curl would add for a body written out."""
    lines = [line.encode("utf-8", "surrogateescape").decode("latin-1") for line in request.header_lines]
    names = {line.replace(";", ":").partition(":")[0].strip().lower() for line in lines}
    as_json = any(option == "json" for option, _ in request.data)
    if has_body and "content-type" not in names:
        kind = "json" if as_json else "x-www-form-urlencoded"
        lines.append(f"Content-Type: application/{kind}")
    if as_json and "accept" not in names:
        lines.append("Accept: application/json")
    return lines


def _sent(lines: list[str]) -> list[tuple[str, str]]:
    """The headers that curl makes of its lines: `Name:` sends none, `Name;` sends an empty one."""
    headers: list[tuple[str, str]] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if colon and value.strip():
            headers.append((name.strip(), value.strip()))
        elif not colon and line.endswith(";"):
            headers.append((line[:-1].strip(), ""))
    return headers


def _nameless_file(content: bytes) -> str:
    """Write content where only this process and the curl that it becomes can read it."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        descriptor = os.dup(file.fileno())
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.set_inheritable(descriptor, True)
    return f"/dev/fd/{descriptor}"


def _run(program: str, arguments: list[str]) -> NoReturn:
    """Become curl: its output, its signals and its status are then the command's own."""
    environment = {name: value for name, value in os.environ.items() if name != CLIENT_SECRET_VARIABLE}
    sys.stdout.flush()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and a program that is executed inherits that
    os.execve(program, ["curl", *arguments], environment)  # noqa: S606 - arguments are a list, no shell sees them
