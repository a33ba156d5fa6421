"""Runs `keywright` commands, each in a process of its own, forked from one that has loaded the modules already.

Loading takes a second and more, the command a fraction of it. One JSON object per line on stdin tells what to run,
one line on stdout its exit status. What a command prints goes to the files that are named.
"""

from __future__ import annotations

import json
import os
import sys

import keywright.app
import keywright.cli.main
from keywright.cli import accounts, audit, credentials, keyring, migrate, operator_tokens, serve, settings, users  # noqa: F401


def run(order: dict) -> None:
    """In the child: become the command, and never return."""
    for descriptor, name, flags in (
        (0, order["stdin"], os.O_RDONLY),
        (1, order["stdout"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, order["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(name, flags, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = ["keywright", *order["arguments"]]
    status = 70
    try:
        keywright.cli.main.run()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - told as the interpreter would, and never back into the loop
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


for line in sys.stdin:
    child = os.fork()
    if child == 0:
        run(json.loads(line))
    _, ended = os.waitpid(child, 0)
    sys.stdout.write(f"{os.waitstatus_to_exitcode(ended)}\n")
    sys.stdout.flush()
