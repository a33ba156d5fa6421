"""An application behind Keywright's middleware, in a process of its own, for tests to call."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

import keywright
from support.server import Server

HOST = "127.0.0.1"
LIMIT = 100_000
BODY = b'{"amount":"12.50"}'


@dataclass
class Guarded:
    """A served application."""

    framework: str
    way: str
    port: int
    client: httpx2.Client

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.port}"

    def ask(self, method: str, path: str = "/v1/echo", **options: Any) -> httpx2.Response:
        return self.client.request(method, self.origin + path, **options)


def body_of(response: httpx2.Response) -> bytes:
    """The body that reached the application."""
    return base64.b64decode(response.json()["body"])


@contextlib.contextmanager
def guarded(framework: str, way: str, options: dict[str, Any], log: Path, **environment: str) -> Iterator[Guarded]:
    """Serve an application for a while; what it warned of or failed at fails the test."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("KEYWRIGHT_")}
    with log.open("w") as stderr:
        process = subprocess.Popen(
            # -P: modules of that folder must not stand in the way of Python's own of the same name.
            [
                *(sys.executable, "-P", "-W", "error"),
                *(str(Path(__file__).with_name("guarded_apps.py")), framework, json.dumps(options)),
            ],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**outside, **environment},
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.strip().isdigit(), log.read_text()
        port = int(line)
        wait_for(port, process, log)
        with httpx2.Client(timeout=30, trust_env=False) as client:
            yield Guarded(framework, way, port, client)
    finally:
        process.terminate()
        try:
            status = process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)
            raise
        finally:
            process.stdout.close()
    # The small WSGI servers have no handler for SIGTERM.
    assert status in {0, -15}, f"status {status}: {log.read_text()}"
    assert "Warning" not in log.read_text()


def wait_for(port: int, process: subprocess.Popen[str], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return


def place(deployment: Server, way: str) -> dict[str, Any]:
    """Where the middleware is to verify."""
    return {"gateway": deployment.data} if way == "gateway" else {"data_dir": str(deployment.data_dir)}


def signed(
    app: Guarded,
    key: keywright.Credential,
    method: str = "POST",
    body: bytes = BODY,
    path: str = "/v1/echo",
    **more: Any,
) -> dict[str, str]:
    return keywright.sign(key, method=method, url=app.origin + path, body=body, **more)


def assert_refused(response: httpx2.Response, code: str, status: int = 401) -> None:
    """As the gateway's forward-auth refuses."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert (response.json()["status"], response.json()["code"]) == (status, code)
    assert ("www-authenticate" in response.headers) == (status == 401)
    assert ("accept-signature" in response.headers) == (status == 401)


def raw(app: Guarded, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    """Ask for a path exactly as it stands."""
    connection = http.client.HTTPConnection(HOST, app.port, timeout=30)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()


def chunked(app: Guarded, headers: dict[str, str], pieces: list[bytes]) -> tuple[int, bytes]:
    """Send a body in chunks."""
    connection = http.client.HTTPConnection(HOST, app.port, timeout=30)
    with contextlib.closing(connection):
        with contextlib.suppress(ConnectionError):  # a server may answer and close before it has read all
            connection.request(
                "POST", "/v1/echo", iter(pieces), {**headers, "Host": f"{HOST}:{app.port}"}, encode_chunked=True
            )
        response = connection.getresponse()
        return response.status, response.read()
