"""`keywright settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keywright.cli.console import reported
from keywright.cli.local import AsJson, DatabaseUrl, DataDir, show
from keywright.settings import ENVIRONMENT_PREFIX, Settings, load_settings, without_password
from keywright.valkey.address import masked_url


def settings(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the effective settings, secrets masked, or every fault in them."""
    with reported(as_json=as_json):
        found = load_settings(config, data_dir=data_dir, database_url=database_url)
        rows = [
            {
                "setting": name,
                "value": _shown(name, getattr(found, name)),
                "variable": ENVIRONMENT_PREFIX + name.upper(),
                "meaning": field.description,
            }
            for name, field in Settings.model_fields.items()
        ]
        show(
            {row["setting"]: row["value"] for row in rows} if as_json else rows,
            as_json=as_json,
            columns={"setting": "Setting", "value": "Value", "variable": "Environment", "meaning": "Meaning"},
        )


def _shown(name: str, value: object) -> object:
    """A setting without the password that a URL may hold."""
    if isinstance(value, str) and "://" in value:
        return masked_url(value) if name == "valkey_url" else without_password(value)
    if isinstance(value, tuple):
        return ", ".join(value)
    return value if isinstance(value, int | None) else str(value)
