"""The command line: serve, administer, sign, explain."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; the console script `keywright`."""
    try:
        from keywright.cli.main import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "keywright":
            raise
        print(
            f"keywright: the command line needs {error.name}, which is not installed.\n"
            "To sign requests: pip install 'keywright[cli]'. To run the server: pip install 'keywright[server]'.",
            file=sys.stderr,
        )
        sys.exit(1)
    run()
