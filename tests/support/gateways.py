"""Real gateways for tests: nginx, Caddy and HAProxy, run with the very configuration that their pages show."""

from __future__ import annotations

import contextlib
import datetime as dt
import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "api.example.com"
DOCS = Path(__file__).parents[2] / "docs"
START_SECONDS = 15


def block(page: str, language: str) -> str:
    """The one fenced block of a page in this language.

    Args:
        page: its path below docs/.
        language: the word behind the fence.

    Returns:
        What stands in it.
    """
    found = re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"docs/{page} has {len(found)} blocks of {language}"
    return str(found[0])


def filled(text: str, places: dict[str, str]) -> str:
    """A page's configuration with the test's own addresses and files in the place of the page's.

    Args:
        text: the configuration.
        places: what stands on the page, and what to put there; each of them must occur.
    """
    left = dict(places)

    def fill(match: re.Match[str]) -> str:
        left.pop(match[0], None)
        return places[match[0]]

    done = re.sub("|".join(rf"(?<![\w.-]){re.escape(shown)}(?![\w-])" for shown in places), fill, text)
    assert not left, f"the page does not show {left}"
    return done


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for `HOST`: the chain, the key, and both in one file."""

    chain: Path
    key: Path
    both: Path


def make_certificate(folder: Path) -> Certificate:
    """Make one that lasts an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    made = Certificate(folder / "chain.pem", folder / "key.pem", folder / "both.pem")
    for file, content in ((made.chain, chain), (made.key, secret), (made.both, chain + secret)):
        file.write_bytes(content)
        file.chmod(0o600)
    return made


def free_port() -> int:
    """A port of the loopback address that nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass(frozen=True)
class Received:
    """What came back through the gateway."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for found, value in self.headers if found.lower() == name.lower()]


@dataclass
class RunningGateway:
    """A gateway that listens now."""

    name: str
    port: int
    certificate: Certificate

    def send(
        self,
        method: str,
        target: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | Iterable[bytes] | None = None,
        *,
        host: str = HOST,
    ) -> Received:
        """Send over TLS, on a connection of its own, exactly these header lines and `Host`.

        Args:
            method: as sent.
            target: what stands in the request line.
            headers: further header lines, repeated ones too.
            body: bytes with a Content-Length, or pieces that are sent in chunks.
            host: the value of `Host`; the name that TLS asks for stays `HOST`.
        """
        context = ssl.create_default_context(cafile=str(self.certificate.chain))
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname=HOST) as secure,
        ):
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            connection.sock = secure
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", host)
            for name, value in headers:
                connection.putheader(name, value)
            in_chunks = body is not None and not isinstance(body, bytes)
            if in_chunks:
                connection.putheader("Transfer-Encoding", "chunked")
            elif body is not None:
                connection.putheader("Content-Length", str(len(body)))  # type: ignore[arg-type]
            with contextlib.suppress(ConnectionError):  # it may answer before it has read all
                connection.endheaders(body, encode_chunked=in_chunks)
            answer = connection.getresponse()
            return Received(answer.status, answer.getheaders(), answer.read())


def _nginx(folder: Path, places: dict[str, str]) -> list[str]:
    # What Debian's nginx.conf has around conf.d, with every file in the test's own folder.
    user = "user root;" if os.geteuid() == 0 else ""
    spool = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 2; pid {folder}/pid; {user} error_log stderr info;\n"
        f"events {{ worker_connections 256; }}\nhttp {{ access_log off; {spool}\n"
        f"include {folder}/keywright.conf;\n}}\n"
    )
    (folder / "keywright.conf").write_text(filled(block("gateways/nginx.md", "nginx"), places))
    return ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def _caddy(folder: Path, places: dict[str, str]) -> list[str]:
    # No administration port, and no listener on port 80 that leads to https.
    own = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"
    (folder / "Caddyfile").write_text(own + filled(block("gateways/caddy.md", "caddyfile"), places))
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


def _haproxy(folder: Path, places: dict[str, str]) -> list[str]:
    script = folder / "keywright.lua"
    question = {"127.0.0.1:8082": f"127.0.0.1:{free_port()}"}
    script.write_text(filled(block("gateways/haproxy.md", "lua"), question))
    places = {**places, **question, "/etc/haproxy/keywright.lua": str(script)}
    (folder / "haproxy.cfg").write_text(filled(block("gateways/haproxy.md", "haproxy"), places))
    return ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")]


_COMMANDS = {"nginx": _nginx, "caddy": _caddy, "haproxy": _haproxy}
NAMES = tuple(_COMMANDS)


@contextlib.contextmanager
def gateway(
    name: str, folder: Path, certificate: Certificate, *, keywright: str, backend: str
) -> Iterator[RunningGateway]:
    """Run a gateway for a while.

    Args:
        name: one of `NAMES`.
        folder: the test's own; nothing is written elsewhere.
        certificate: what it ends TLS with.
        keywright: host and port of the data plane.
        backend: host and port of the backend.
    """
    if shutil.which(name, path=_path()) is None:
        raise AssertionError(f"{name} is not installed: on Debian, as root, apt-get install {name}; or scripts/test")
    port = free_port()
    places = {"443": str(port), "127.0.0.1:8081": keywright, "127.0.0.1:9000": backend}
    if name == "haproxy":
        places["/etc/ssl/private/api.example.com.pem"] = str(certificate.both)
    else:
        places["/etc/ssl/certs/api.example.com.pem"] = str(certificate.chain)
        places["/etc/ssl/private/api.example.com.key"] = str(certificate.key)
    command = _COMMANDS[name](folder, places)
    log_file = folder / "log"
    environment = {"PATH": _path(), "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with log_file.open("w") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{name} did not start:\n{log_file.read_text()[-4000:]}")
            time.sleep(0.05)
        yield RunningGateway(name, port, certificate)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _path() -> str:
    # Debian keeps servers where only root's PATH looks.
    return os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
