"""The commands of those who run a server. Only the module of the command that is run is loaded."""

from __future__ import annotations

from importlib import import_module

import typer

# Name: module, and what it holds: a function, or a group of commands with its help.
_COMMANDS = {
    "serve": ("serve", "serve", None),
    "demo": ("demo", "demo", None),
    "migrate": ("migrate", "migrate", None),
    "settings": ("settings", "settings", None),
    "operator": ("operators", "group", "Relationship managers who sign in."),
    "operator-token": ("operator_tokens", "group", "Tokens of the platform's own people and programs."),
    "account": ("accounts", "group", "Customers of the platform."),
    "access": ("accounts", "access_group", "API access: enable, decline, disable, pending requests."),
    "user": ("users", "group", "The people of an account."),
    "credential": ("credentials", "group", "API keys: list and delete. They are created by their owners."),
    "keyring": ("keyring", "group", "The keys that seal HMAC secrets."),
    "token-key": ("token_keys", "group", "The keys that sign access tokens."),
    "nodes": ("nodes", "group", "The processes that verify, and their leases."),
    "audit": ("audit", "group", "The audit trail: show, export, verify."),
}


def add_server_commands(application: typer.Typer, wanted: str | None) -> None:
    """Add the commands that serve and administer.

    Args:
        application: the command line.
        wanted: the command that will be run; None or one that is not ours adds all of them, for the help.

    Raises:
        ModuleNotFoundError: the server's parts are not installed.
    """
    for name in [wanted] if wanted in _COMMANDS else _COMMANDS:
        module, attribute, help_text = _COMMANDS[str(name)]
        held = getattr(import_module(f"keywright.cli.{module}"), attribute)
        if help_text is None:
            application.command(name)(held)
        else:
            application.add_typer(held, name=name, help=help_text)
