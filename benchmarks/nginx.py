"""nginx, with one worker and all its files in a folder of ours."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from benchmarks.machine import tool
from support.gateways import Certificate, block, filled

_SERVERS = Path(__file__).parent / "servers"
_MODULES = "/usr/lib/nginx/modules"


def command(folder: Path, http: str, *, modules: tuple[str, ...] = ()) -> list[str]:
    """Write a configuration around this content of `http {}`; the command that runs it."""
    folder.mkdir()
    loaded = "".join(f"load_module {_MODULES}/{each}.so;\n" for each in modules)
    user = "user root;" if os.geteuid() == 0 else ""
    spool = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"{loaded}daemon off; worker_processes 1; pid {folder}/pid; {user} error_log stderr warn;\n"
        # Connections are kept for longer than any run needs them: wrk counts a closed one as an error.
        f"events {{ worker_connections 1024; }}\nhttp {{ access_log off; keepalive_requests 10000000; {spool}\n"
        f"{http}\n}}\n"
    )
    return [tool("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def lua_check(folder: Path, port: int, client_id: str, secret: bytes) -> list[str]:
    """The command of an nginx that checks signatures of one key in Lua."""
    missing = [
        each for each in ("ndk_http_module", "ngx_http_lua_module") if not Path(f"{_MODULES}/{each}.so").exists()
    ]
    if missing:
        raise SystemExit("nginx has no Lua; on Debian, as root: apt-get install libnginx-mod-http-lua")
    encoded = base64.b64encode(secret).decode()
    http = f"""
    lua_package_path "{_SERVERS}/?.lua;;";
    init_worker_by_lua_block {{ check, secret = require "hmac", ngx.decode_base64("{encoded}") }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ content_by_lua_block {{ check("{client_id}", secret) }} }}
    }}"""
    return command(folder, http, modules=("ndk_http_module", "ngx_http_lua_module"))


def backend(folder: Path, port: int) -> list[str]:
    """The command of a backend that answers 200 and nothing else."""
    return command(folder, f"server {{ listen 127.0.0.1:{port}; location / {{ return 200; }} }}")


def as_documented(
    folder: Path, port: int, certificate: Certificate, *, keywright: str | None, backend: str
) -> list[str]:
    """The command of a gateway with the file of docs/gateways/nginx.md.

    Args:
        folder: to be made.
        port: to listen on, with TLS.
        certificate: its.
        keywright: host and port that `auth_request` asks; None takes that line out.
        backend: host and port of the backend.
    """
    places = {
        "443": str(port),
        "127.0.0.1:8081": keywright or "127.0.0.1:9",
        "127.0.0.1:9000": backend,
        "/etc/ssl/certs/api.example.com.pem": str(certificate.chain),
        "/etc/ssl/private/api.example.com.key": str(certificate.key),
    }
    text = filled(block("gateways/nginx.md", "nginx"), places)
    line = "auth_request /_keywright;"
    if line not in text:
        raise SystemExit(f"docs/gateways/nginx.md no longer says {line}")
    return command(folder, text if keywright else text.replace(line, "", 1))
