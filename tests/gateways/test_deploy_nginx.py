"""The nginx of the compose file: its configuration is read, and leads to the control plane with what that believes."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import httpx2

from support.backends import Backend
from support.gateways import filled
from support.server import wait_until

PAGE = (Path(__file__).parents[2] / "deploy/compose/nginx.conf").read_text()


def test_it_leads_to_the_control_plane_and_says_who_the_client_is(tmp_path: Path):
    backend = Backend().start()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    site = filled(PAGE, {"control:8080": backend.address, "listen 8080": f"listen 127.0.0.1:{port}"})
    folders = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = tmp_path / "nginx.conf"
    file.write_text(
        f"daemon off; master_process off; pid {tmp_path}/pid; error_log {tmp_path}/log;\n"
        f"events {{}}\nhttp {{ access_log off;\n{folders}{site} }}\n"
    )
    process = subprocess.Popen(["nginx", "-p", str(tmp_path), "-e", f"{tmp_path}/log", "-c", str(file)])
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(address) or process.poll() is not None, what="nginx answers")
        assert process.poll() is None, (tmp_path / "log").read_text()
        backend.seen.clear()
        with httpx2.Client() as client:
            assert client.get(f"{address}/sign-in", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 200
            assert client.get(f"{address}/metrics").status_code == 404
        (seen,) = backend.seen
        assert seen.target == "/sign-in"
        assert seen.all("X-Forwarded-For") == ["127.0.0.1"]
        assert seen.all("Host") == [f"127.0.0.1:{port}"]
    finally:
        process.terminate()
        process.wait(30)
        backend.stop()


def _answers(address: str) -> bool:
    try:
        return httpx2.get(f"{address}/healthz").status_code == 200
    except httpx2.TransportError:
        return False
