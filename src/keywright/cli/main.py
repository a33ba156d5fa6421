"""Every command, put together. Those that sign need no server parts, and do not load them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from keywright import __version__
from keywright.cli import curl, explain, sign

# What developers of a platform's customers use; the base install with the extra `cli` is enough for these.
SIGNING_COMMANDS = frozenset({"sign", "curl", "explain"})

application = typer.Typer(
    name="keywright",
    help="Self-service API credentials: keys, signed requests, and their verification.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, which may be secrets
    rich_markup_mode=None,
)


def _version(value: bool) -> None:
    if value:
        print(f"keywright {__version__}")
        raise typer.Exit


@application.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Self-service API credentials: keys, signed requests, and their verification."""


application.command("sign")(sign.sign)
application.command("curl", context_settings=curl.CURL_CONTEXT)(curl.curl)
application.command("explain")(explain.explain)


def run() -> None:
    """Run the command that the arguments name."""
    # Names and remarks may hold any character; a terminal that cannot show one must not end a command.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    wanted = sys.argv[1] if len(sys.argv) > 1 else None
    if wanted not in SIGNING_COMMANDS:
        _add_server_commands(wanted)
    application()


def _add_server_commands(wanted: str | None) -> None:
    try:
        from keywright.cli.administer import add_server_commands
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "keywright":
            raise
        # Without the server's parts, --help still shows what there is.
        print("keywright: to serve and administer, pip install 'keywright[server]'", file=sys.stderr)
    else:
        add_server_commands(application, wanted)
