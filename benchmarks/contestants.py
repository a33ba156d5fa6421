"""Whoever takes part over HTTP: a server that runs now, and the requests that it is sent."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cores import on_cores
from benchmarks.machine import tool
from support.gateways import free_port

ROOT = Path(__file__).parents[1]
PEERS, SERVERS = Path(__file__).parent / "peers", Path(__file__).parent / "servers"
_START_SECONDS = 60


@dataclass(frozen=True)
class Contestant:
    """One line of a table.

    Args:
        key: short, for results files.
        label: what the table says.
        url: scheme and authority of the server.
        process_id: of the server's first process.
        requests: which prepared requests it is sent.
        verifies: whether it must refuse a request that was tampered with.
        remembers: whether it must refuse a request that it has seen.
    """

    key: str
    label: str
    url: str
    process_id: int
    requests: str
    verifies: bool = True
    remembers: bool = False


@dataclass(frozen=True)
class Running:
    """A server's first process, its address, and the file that its output goes to."""

    process: subprocess.Popen[bytes]
    port: int
    output: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def running(
    folder: Path, name: str, command: list[str], port: int, *cores: int, stdin: bytes | None = None
) -> Iterator[Running]:
    """Run a server until it is not needed any more.

    Args:
        folder: for its output.
        name: its own, for messages.
        command: what starts it.
        port: where it will listen on 127.0.0.1.
        cores: that it may use.
        stdin: what it is told; the pipe stays open. None gives it no input.

    Yields:
        The server; it listens.
    """
    output = folder / f"{name}.log"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("KEYWRIGHT_")}
    environment |= {"PYTHONPATH": str(ROOT), "NODE_ENV": "production"}
    with output.open("wb") as log, on_cores(*cores):
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=environment,
        )
    try:
        if stdin is not None:
            process.stdin.write(stdin)
            process.stdin.flush()
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{name} did not start: {output.read_text()[-3000:]}")
            time.sleep(0.05)
        yield Running(process, port, output)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)
        if process.stdin is not None:
            process.stdin.close()


def python_server(
    folder: Path, name: str, arguments: list[str], *cores: int
) -> contextlib.AbstractContextManager[Running]:
    """Run one of benchmarks/servers, which takes its port first."""
    port = free_port()
    script, *rest = arguments
    return running(folder, name, [sys.executable, "-P", str(SERVERS / script), str(port), *rest], port, *cores)


def node_server(
    folder: Path, name: str, arguments: list[str], *cores: int
) -> contextlib.AbstractContextManager[Running]:
    """Run one of benchmarks/peers in Node, which takes its port first."""
    port = free_port()
    script, *rest = arguments
    return running(folder, name, [tool("node"), str(PEERS / script), str(port), *rest], port, *cores)


def noop(folder: Path, name: str, *cores: int, verify: bool = False) -> contextlib.AbstractContextManager[Running]:
    """Run the gateway's own web server with a handler that does nothing; see servers/noop.py."""
    from keywright.settings import load_settings  # noqa: PLC0415 - the server's settings load only where they are needed

    port = free_port()
    settings = load_settings(data_dir=folder / "none", gateway_port=port)
    line = settings.model_dump_json().encode() + b"\n\n"
    command = [sys.executable, "-P", str(SERVERS / "noop.py"), *(["verify"] if verify else [])]
    return running(folder, name, command, port, *cores, stdin=line)


def check(contestant: Contestant, request: bytes, tampered: bytes) -> None:
    """Make sure that a contestant does its work before it is measured.

    Args:
        contestant: takes the request, refuses the tampered one, and the same again if it remembers.
        request: good, and not sent before.
        tampered: the same with something else in it than what was signed.
    """
    where = f"{contestant.label} ({contestant.url})"
    # The tampered one first: a forger must not use up the nonce of the real one.
    if contestant.verifies and (status := ask(contestant.url, tampered)) not in {401, 403}:
        raise SystemExit(f"{where} answered a tampered request with {status}; it must refuse it")
    if (status := ask(contestant.url, request)) != 200:
        raise SystemExit(f"{where} answered a good request with {status}")
    if contestant.remembers and (status := ask(contestant.url, request)) != 401:
        raise SystemExit(f"{where} answered a replayed request with {status}; it must refuse it")


def ask(url: str, raw: bytes) -> int:
    """Send bytes as they are; the answer's status."""
    scheme, _, where = url.partition("://")
    host, _, port = where.rpartition(":")
    connection: http.client.HTTPConnection
    if scheme == "https":
        import ssl  # noqa: PLC0415 - needed by one part only

        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # our own, of a minute ago
        connection = http.client.HTTPSConnection(host, int(port), timeout=60, context=context)
    else:
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
    with contextlib.closing(connection):
        connection.connect()
        connection.sock.sendall(raw)
        answer = http.client.HTTPResponse(connection.sock)
        answer.begin()
        answer.read()
        return answer.status


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
