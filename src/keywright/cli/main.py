"""Every command, put together."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from keywright import __version__
from keywright.cli import (
    accounts,
    audit,
    credentials,
    demo,
    keyring,
    operator_tokens,
    serve,
    settings,
    users,
)

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


application.command("serve")(serve.serve)
application.command("demo")(demo.demo)
application.command("migrate")(serve.migrate)
application.command("settings")(settings.settings)
application.add_typer(
    operator_tokens.group, name="operator-token", help="Tokens of the platform's own people and programs."
)
application.add_typer(accounts.group, name="account", help="Customers of the platform.")
application.add_typer(
    accounts.access_group, name="access", help="API access: enable, decline, disable, pending requests."
)
application.add_typer(users.group, name="user", help="The people of an account.")
application.add_typer(
    credentials.group, name="credential", help="API keys: list and delete. They are created by their owners."
)
application.add_typer(keyring.group, name="keyring", help="The keys that seal HMAC secrets.")
application.add_typer(audit.group, name="audit", help="The audit trail: show, export, verify.")


def run() -> None:
    """Run the command that the arguments name."""
    # Names and remarks may hold any character; a terminal that cannot show one must not end a command.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    application()
