"""`keywright sign`: which headers to add to a request."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from keywright.cli.console import (
    Algorithm,
    ClientId,
    RefusedSecret,
    SecretFile,
    find_credential,
    refuse_secret_argument,
    reported,
    split_header,
)
from keywright.sdk import sign as sign_request


def sign(
    method: Annotated[str, typer.Argument(help="The method, as it will be sent.", show_default=False)],
    url: Annotated[str, typer.Argument(help="The absolute URL, exactly as it will be sent.", show_default=False)],
    client_id: ClientId = "",
    secret_file: SecretFile = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", help="A header of the request, 'Name: value'; may be repeated."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            "-d",
            help="The body: @FILE takes a file byte for byte, - takes stdin, anything else is the text itself.",
            show_default=False,
        ),
    ] = None,
    cover: Annotated[
        list[str] | None,
        typer.Option("--cover", help="Name of a given header to cover as well; may be repeated."),
    ] = None,
    algorithm: Algorithm = "",
    client_secret: RefusedSecret = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Print the headers that make a request a signed one.

    They are good for one request within the next minutes.
    """
    refuse_secret_argument(client_secret)
    key = find_credential(client_id, secret_file, algorithm)
    with reported():
        headers = sign_request(
            key,
            method=method,
            url=url,
            headers=[split_header(line) for line in header or ()],
            body=_body(data),
            cover=cover or (),
        )
    if as_json:
        print(json.dumps({"headers": headers}, indent=2))
    else:
        for name, value in headers.items():
            print(f"{name}: {value}")


def _body(data: str | None) -> bytes:
    if data is None:
        return b""
    if data in {"-", "@-"}:
        return sys.stdin.buffer.read()
    if data.startswith("@"):
        return Path(data[1:]).read_bytes()
    return data.encode("utf-8", "surrogateescape")
