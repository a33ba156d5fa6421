"""The commands of those who run a server."""

from __future__ import annotations

import typer

from keywright.cli import accounts, audit, credentials, demo, keyring, operator_tokens, serve, settings, users


def add_server_commands(application: typer.Typer) -> None:
    """Add the commands that serve and administer.

    Args:
        application: the command line.
    """
    application.command("serve")(serve.serve)
    application.command("demo")(demo.demo)
    application.command("migrate")(serve.migrate)
    application.command("settings")(settings.settings)
    for name, group, words in (
        ("operator-token", operator_tokens.group, "Tokens of the platform's own people and programs."),
        ("account", accounts.group, "Customers of the platform."),
        ("access", accounts.access_group, "API access: enable, decline, disable, pending requests."),
        ("user", users.group, "The people of an account."),
        ("credential", credentials.group, "API keys: list and delete. They are created by their owners."),
        ("keyring", keyring.group, "The keys that seal HMAC secrets."),
        ("audit", audit.group, "The audit trail: show, export, verify."),
    ):
        application.add_typer(group, name=name, help=words)
