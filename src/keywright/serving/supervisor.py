"""Starts the listeners of this node, says when they answer, and ends them in good order."""

from __future__ import annotations

import contextlib
import gc
import http.client
import multiprocessing
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import FrameType

from keywright.errors import Unavailable
from keywright.serving.draining import DrainFlag
from keywright.serving.listener import Plane, finish_seconds, main
from keywright.settings import Settings
from keywright.telemetry.metrics import MULTIPROCESS_VARIABLE

_START_SECONDS = 60
# What hangs is killed by its listener after a while, and a listener that hangs by us so much later.
_STOP_LATER_SECONDS = 10
# A signal wakes us, SIGCHLD among them; in between we look whether all still run, in case none came.
_LOOK_SECONDS = 5.0
_PLANES: dict[str, tuple[Plane, ...]] = {
    "all": ("control", "data"),
    "control": ("control",),
    "gateway": ("data",),
}
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class _Listener:
    """A listener's process, and our end of the pipe that keeps it running."""

    plane: Plane
    process: BaseProcess
    lifeline: int


def serve(settings: Settings, *, prepare: Callable[[Settings], None], announce: Callable[[str], None]) -> int:
    """Serve the listeners of the node's role until SIGTERM or SIGINT, then drain.

    Args:
        settings: the deployment's.
        prepare: makes ready what the listeners need; called while their processes load.
        announce: is given one line with the addresses when they answer.

    Returns:
        The exit status: 0 after a signal, 1 if a listener ended by itself.

    Raises:
        Unavailable: a port is taken, or a listener does not come up.
    """
    planes = _PLANES[settings.role]
    settings = _with_ports(settings, planes)
    flag = DrainFlag()
    with _signals() as (told_to_end, woken), _metrics_folder(settings) as environment:
        listeners: list[_Listener] = []
        try:
            # Forked before anything is opened or any thread started: SQLite does not outlive a fork.
            for plane in planes:
                listeners.append(_start(plane, settings, environment, flag, listeners))
            prepare(settings)
            for listener in listeners:
                _order(listener)
            _await_answers(settings, listeners, told_to_end)
            is_known = not told_to_end
            if is_known:
                serving = ", ".join(f"{plane} plane {_address(*_place(settings, plane))}" for plane in planes)
                announce(f"keywright is ready: {serving}")
            while not told_to_end and _all_run(listeners):
                _await_signal(woken, _LOOK_SECONDS)
            flag.put_up()
            # Who never knew of this node need not leave it; and a second signal is from somebody who does not wait.
            until = time.monotonic() + (settings.drain_seconds if is_known else 0)
            while len(told_to_end) == 1 and (left := until - time.monotonic()) > 0 and _all_run(listeners):
                _await_signal(woken, min(left, _LOOK_SECONDS))
            return 0 if told_to_end else 1
        finally:
            _stop(listeners, finish_seconds(settings) + _STOP_LATER_SECONDS)


def _all_run(listeners: list[_Listener]) -> bool:
    return all(listener.process.is_alive() for listener in listeners)


def _await_signal(woken: Connection, seconds: float) -> None:
    """Wait without looking again and again: that takes time from the workers."""
    if woken.poll(seconds):
        os.read(woken.fileno(), 64)


def _place(settings: Settings, plane: Plane) -> tuple[str, int]:
    if plane == "control":
        return settings.host, settings.port
    return settings.gateway_host, settings.gateway_port


def _with_ports(settings: Settings, planes: tuple[Plane, ...]) -> Settings:
    """Make sure that the ports are free; pick one where 0 was asked for."""
    ports = {}
    if "control" in planes:
        ports["port"] = _free_port(settings.host, settings.port, "--port")
    if "data" in planes:
        ports["gateway_port"] = _free_port(settings.gateway_host, settings.gateway_port, "--gateway-port")
    return settings.model_copy(update=ports)


def _free_port(host: str, port: int, flag: str) -> int:
    # The web server shares ports among its workers (SO_REUSEPORT), and so would share ours with a second server,
    # unnoticed. This bind does not share, and fails.
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        deadline = time.monotonic() + 5
        while True:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(address)
                except OSError:
                    # A server that was killed a moment ago may still be letting go of it.
                    if time.monotonic() > deadline:
                        raise
                else:
                    return int(probe.getsockname()[1])
            time.sleep(0.1)
    except OSError as error:
        raise Unavailable(
            f"cannot listen on {host} port {port} ({error.strerror}); end what uses it, or choose another with {flag}"
        ) from error


def _start(
    plane: Plane, settings: Settings, environment: dict[str, str], flag: DrainFlag, started: list[_Listener]
) -> _Listener:
    """Fork a listener, which has what we have loaded and goes on to load what it alone needs."""
    theirs, ours = os.pipe()

    def become() -> None:
        # A copy of the end that is ours would keep this process, or the other listener, running after us.
        for descriptor in (ours, *(listener.lifeline for listener in started)):
            os.close(descriptor)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us all; until granian listens to it, we end it
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING_SIGNALS)
        if plane == "data":
            os.environ.clear()
            os.environ.update(environment)
        main(plane, settings, theirs, flag)

    process = multiprocessing.get_context("fork").Process(target=become, name=f"keywright {plane}")
    gc.freeze()  # what is loaded now stays: looking through it again would only copy the memory that is shared
    # A signal that came between the fork and the lines above would be noted in a copy of our list, and lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING_SIGNALS)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING_SIGNALS)
        os.close(theirs)
    return _Listener(plane, process, ours)


def _order(listener: _Listener) -> None:
    """Tell a listener to serve; one that has ended already is noticed afterwards."""
    with contextlib.suppress(BrokenPipeError):
        os.write(listener.lifeline, b"\n")  # and left open: it is the lifeline


def _await_answers(settings: Settings, listeners: list[_Listener], told_to_end: list[int]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    for each in listeners:
        host, port = _place(settings, each.plane)
        while not told_to_end and not _answers(host, port):
            if not _all_run(listeners):
                raise Unavailable("a listener ended while it started; the log above says why")
            if time.monotonic() > deadline:
                raise Unavailable(f"nothing answers on {host} port {port} after {_START_SECONDS} s; see the log above")
            time.sleep(0.02)


def _answers(host: str, port: int) -> bool:
    # An address that means "every interface" is asked on this machine's own.
    connection = http.client.HTTPConnection({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port, timeout=2)  # noqa: S104 - compared, not bound
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(listeners: list[_Listener], within_seconds: int) -> None:
    for listener in listeners:
        listener.process.terminate()
    deadline = time.monotonic() + within_seconds
    for listener in listeners:
        listener.process.join(max(0.1, deadline - time.monotonic()))
        if listener.process.is_alive():
            listener.process.kill()
            listener.process.join()
        os.close(listener.lifeline)


@contextlib.contextmanager
def _signals() -> Iterator[tuple[list[int], Connection]]:
    """Gather the signals that tell us to end; there is something to read from the connection when any has come."""
    told: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        told.append(number)

    woken, wake = multiprocessing.Pipe(duplex=False)
    os.set_blocking(wake.fileno(), False)
    woken_before = signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    before = {number: signal.signal(number, note) for number in _ENDING_SIGNALS}
    # Handled, though nothing is to be done, so that it wakes us; and whoever started us may have had it ignored, and
    # then nobody is told of a child's end. The end of a listener's pipe would not do: its workers hold that, too.
    before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        yield told, woken
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(woken_before)
        woken.close()
        wake.close()


@contextlib.contextmanager
def _metrics_folder(settings: Settings) -> Iterator[dict[str, str]]:
    """Give the workers of one listener a folder to sum up their metrics in, where there are several."""
    environment = {name: value for name, value in os.environ.items() if name != MULTIPROCESS_VARIABLE}
    if settings.gateway_workers == 1:
        yield environment
        return
    folder = tempfile.mkdtemp(prefix="keywright-metrics-")
    try:
        yield {**environment, MULTIPROCESS_VARIABLE: folder}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
