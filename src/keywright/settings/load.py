"""Reading the settings; every fault reported at once.

Sources, the first that names a setting wins: command-line flags, `KEYWRIGHT_*` environment variables, the TOML file
named by `KEYWRIGHT_CONFIG` or `--config`, `keywright.toml` in the working directory, the defaults of `model.py`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from keywright.errors import Fault, InvalidRequest
from keywright.settings.model import ENVIRONMENT_PREFIX, Settings

CONFIG_VARIABLE = "KEYWRIGHT_CONFIG"
# Environment variables with our prefix that are not settings of the server: they belong to those who sign.
_CLIENT_VARIABLES = frozenset(
    {"KEYWRIGHT_CLIENT_ID", "KEYWRIGHT_CLIENT_SECRET", "KEYWRIGHT_ALGORITHM", CONFIG_VARIABLE}
)


def load_settings(config: Path | None = None, **flags: Any) -> Settings:
    """Read the settings from flags, environment and file.

    Args:
        config: the TOML file; None takes `KEYWRIGHT_CONFIG`, then `keywright.toml` here if there is one.
        **flags: settings given on the command line; None means not given.

    Returns:
        The effective settings.

    Raises:
        InvalidRequest: with every fault that any source holds.
    """
    named = config or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    if named is not None and not named.is_file():
        raise InvalidRequest([Fault("config", f"there is no file {named}; correct the path or leave it out")])
    path = named or Path("keywright.toml")

    class _FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=path)

    faults = [
        Fault(name.lower(), "is not a setting; `keywright settings` lists them")
        for name in sorted(os.environ)
        if name.startswith(ENVIRONMENT_PREFIX)
        and name not in _CLIENT_VARIABLES
        and name.removeprefix(ENVIRONMENT_PREFIX).lower() not in Settings.model_fields
    ]
    try:
        found = _FromFile(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        faults += [
            Fault(".".join(map(str, fault["loc"])), fault["msg"].removeprefix("Value error, "))
            for fault in error.errors()
        ]
    except (OSError, ValueError) as error:
        faults.append(Fault("config", f"{path} cannot be read as TOML: {error}"))
    if faults:
        raise InvalidRequest(faults)
    return Settings.model_construct(**found.model_dump())
