"""One listener: a web server process with its workers. Forked from the supervisor, ends with it.

The supervisor writes one byte to a pipe when there is something to serve, and keeps the pipe open; when it ends,
however it ends, the pipe closes, and so do we. Nothing that was started is left behind to hold the port. Until that
byte comes, what only this listener needs is loaded, while the supervisor makes the database ready; workers are forked
from here.
"""

from __future__ import annotations

import gc
import math
import multiprocessing
import os
import signal
import threading
import time
from functools import partial
from importlib import import_module
from typing import Any, Literal

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from keywright.serving.draining import DrainFlag, leavable
from keywright.settings import Settings
from keywright.telemetry import configure_logs

Plane = Literal["control", "data"]
# What is being answered when the end comes has this long at least.
_FINISH_SECONDS = 20
_HEADER_TIMEOUT_MS = 10_000


def main(plane: Plane, settings: Settings, lifeline: int, flag: DrainFlag) -> None:
    """Serve until told to end; what the process does once it is forked.

    Args:
        plane: which listener.
        settings: the deployment's.
        lifeline: descriptor of the pipe from the supervisor.
        flag: up when the node ends soon.
    """
    # Workers share the flag and the pipe with us; a later Python would start them otherwise.
    multiprocessing.set_start_method("fork", force=True)
    for room in ("api", "web") if plane == "control" else ("gateway",):
        import_module(f"keywright.{room}")
    if not os.read(lifeline, 1):
        return  # the supervisor gave up before there was anything to serve
    settings_document = settings.model_dump(mode="json")
    configure_logs(settings.log_level, settings.log_format)
    end_with(lifeline, finish_seconds(settings) + 5)
    is_control = plane == "control"
    server = Server(
        "keywright",
        address=settings.host if is_control else settings.gateway_host,
        port=settings.port if is_control else settings.gateway_port,
        interface=Interfaces.ASGI,
        workers=1 if is_control else settings.gateway_workers,
        backlog=1024,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=finish_seconds(settings),
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_TIMEOUT_MS),
        log_level=LogLevels.warning,
        log_dictconfig={"loggers": {"_granian": {"handlers": [], "level": "WARNING", "propagate": True}}},
    )
    server.serve(target_loader=partial(load, plane, settings_document, lifeline, flag), wrap_loader=False)


def load(plane: Plane, settings_document: dict[str, Any], lifeline: int, flag: DrainFlag) -> Any:
    """Make the application, in a worker process.

    Args:
        plane: which listener.
        settings_document: the settings as JSON has them.
        lifeline: descriptor of the pipe to the supervisor.
        flag: up when the node ends soon.

    Returns:
        The ASGI application of that listener.
    """
    from keywright.app import control_plane, data_plane  # noqa: PLC0415 - only workers need it, so only they load it

    settings = Settings.model_validate(settings_document)
    configure_logs(settings.log_level, settings.log_format)
    end_with(lifeline, finish_seconds(settings) + 5)
    if plane == "control":
        return leavable(control_plane(settings), flag, code="unavailable")
    app = leavable(data_plane(settings), flag, code="verifier_unavailable")
    collect_seldom()
    return app


def collect_seldom() -> None:
    """Look for garbage less often: it costs each request microseconds, and the one that waits for it milliseconds.

    What is there now stays, so it is not looked through again. Few requests leave cycles behind.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


def finish_seconds(settings: Settings) -> int:
    """Tell how long what is being answered may take when the end comes.

    Args:
        settings: the deployment's.

    Returns:
        Seconds; a deletion can wait for its receipt for as long as a lease.
    """
    return max(_FINISH_SECONDS, math.ceil(settings.lease_seconds) + 5)


def end_with(lifeline: int, within_seconds: int) -> None:
    """End this process, first politely, when the other end of a pipe closes.

    Args:
        lifeline: descriptor of a pipe that only the supervisor can write to, and never does.
        within_seconds: how long to be polite.
    """

    def watch() -> None:
        while os.read(lifeline, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(within_seconds)
        os._exit(1)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
