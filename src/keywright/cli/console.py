"""What commands share: options, the credential, and how a fault is told."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from keywright.errors import InvalidRequest, KeywrightError
from keywright.sdk import Credential
from keywright.sdk.credential import ALGORITHM_VARIABLE, CLIENT_ID_VARIABLE, CLIENT_SECRET_VARIABLE

FAILED = 1
MISUSED = 2

ClientId = Annotated[
    str,
    typer.Option("--client-id", help=f"The key's Client ID; default: ${CLIENT_ID_VARIABLE}.", show_default=False),
]
SecretFile = Annotated[
    Path | None,
    typer.Option(
        "--secret-file",
        help=f"File that holds the Client Secret and nothing else; default: ${CLIENT_SECRET_VARIABLE}.",
        show_default=False,
    ),
]
Algorithm = Annotated[
    str,
    typer.Option(
        "--algorithm",
        help=f"The key's algorithm, ed25519 or hmac-sha256; default: ${ALGORITHM_VARIABLE}, else ed25519.",
        show_default=False,
    ),
]
# Taken only to say where a secret goes instead; "not an option" would send people searching.
RefusedSecret = Annotated[str | None, typer.Option("--client-secret", "--secret", hidden=True)]


def fail(message: str, *, status: int = FAILED) -> NoReturn:
    """Tell of a fault on stderr and end.

    Args:
        message: public: what is wrong and what to do.
        status: the exit status: 1, or 2 for a command used wrongly.

    Raises:
        typer.Exit: always.
    """
    print(f"keywright: {message}", file=sys.stderr)
    raise typer.Exit(status)


@contextlib.contextmanager
def reported(*, as_json: bool = False) -> Iterator[None]:
    """Tell of faults in what is being done, line by line on stderr, and end with status 1.

    Args:
        as_json: tell of them as one JSON document, for programs.

    Raises:
        typer.Exit: something could not be done, or holds a value that is not of its form.
    """
    try:
        yield
    except KeywrightError as error:
        faults = error.faults if isinstance(error, InvalidRequest) else []
        if as_json:
            document: dict[str, object] = {"code": error.code, "detail": error.message}
            if faults:
                document["errors"] = [{"field": fault.field, "message": fault.message} for fault in faults]
            print(json.dumps(document), file=sys.stderr)
            raise typer.Exit(FAILED) from None
        for fault in faults:
            print(f"keywright: {fault.field + ': ' if fault.field else ''}{fault.message}", file=sys.stderr)
        if faults:
            raise typer.Exit(FAILED) from None
        fail(f"{error.message} ({error.private})" if error.private else error.message)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except ValueError as error:
        fail(str(error))


def refuse_secret_argument(given: str | None) -> None:
    """End with status 2 if a secret was given on the command line.

    Args:
        given: the value of `--client-secret`.

    Raises:
        typer.Exit: it was given.
    """
    if given is not None:
        fail(
            "a secret is never taken as an argument: every program on this machine can read it there, and the shell "
            f"keeps it. Put it into a file that only you can read and say --secret-file FILE, or set "
            f"{CLIENT_SECRET_VARIABLE}. What was typed now should be replaced by a new key.",
            status=MISUSED,
        )


def read_secret(secret_file: Path | None) -> str | None:
    """Read the Client Secret from where it may stand.

    Args:
        secret_file: the file; None takes the environment.

    Returns:
        The secret without white space around it; None if there is none.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not text.
    """
    if secret_file is None:
        return os.environ.get(CLIENT_SECRET_VARIABLE, "").strip() or None
    content = secret_file.read_bytes()
    if not content.isascii():
        raise ValueError(f"{secret_file}: this file does not hold a Client Secret")
    return content.decode("ascii").strip()


def find_credential(client_id: str, secret_file: Path | None, algorithm: str) -> Credential:
    """Put the credential together from options and environment, or say what is missing.

    Args:
        client_id: from the option; empty takes the environment.
        secret_file: from the option; None takes the environment.
        algorithm: from the option; empty takes the environment, else `ed25519`.

    Returns:
        The credential.

    Raises:
        typer.Exit: something is missing (status 2), unreadable or not of its form (status 1).
    """
    with reported():
        found_id = client_id or os.environ.get(CLIENT_ID_VARIABLE, "").strip()
        secret = read_secret(secret_file)
        if not found_id:
            fail(f"whose signature? Say --client-id ID or set {CLIENT_ID_VARIABLE}", status=MISUSED)
        if secret is None:
            fail(f"no Client Secret: say --secret-file FILE or set {CLIENT_SECRET_VARIABLE}", status=MISUSED)
        return Credential(found_id, secret, algorithm or os.environ.get(ALGORITHM_VARIABLE, "").strip() or "ed25519")


def split_header(line: str) -> tuple[str, str]:
    """Read `Name: value`.

    Args:
        line: as typed.

    Returns:
        Name and trimmed value.

    Raises:
        ValueError: it has no colon or no name.
    """
    name, colon, value = line.partition(":")
    if not colon or not name.strip() or name != name.strip():
        raise ValueError(f"a header is written as 'Name: value'; this is not: {line[:40]!r}")
    return name, value.strip(" \t")
