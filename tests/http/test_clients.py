"""The programs of docs/clients run as they stand on their pages, and the real data plane judges what they send."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

import keywright
from keywright.formats import format_client_secret
from support.server import Server

PAGES = Path(__file__).parents[2] / "docs" / "clients"
API = "https://api.example.com"


@dataclass(frozen=True)
class Client:
    """How a page's program is run, and what for that must be there."""

    file: str
    command: tuple[str, ...]
    tools: tuple[str, ...]
    package: str


CLIENTS = {
    "shell": Client("sign.sh", ("sh", "sign.sh"), ("openssl", "xxd", "curl"), "openssl xxd curl"),
    "node": Client("sign.mjs", ("node", "sign.mjs"), ("node",), "nodejs"),
    "java": Client("Sign.java", ("java", "Sign.java"), ("java", "javac"), "default-jdk-headless"),
    "php": Client("sign.php", ("php", "sign.php"), ("php",), "php-cli"),
    "go": Client("sign.go", ("go", "run", "sign.go"), ("go",), "golang-go"),
    "ruby": Client("sign.rb", ("ruby", "sign.rb"), ("ruby",), "ruby"),
}
NOT_RUN = {"csharp"}


@dataclass
class Api:
    """An API that asks Keywright about each request that arrives, and answers 200 or 401."""

    server: Server
    origin: str = ""
    verdicts: list[str | None] = field(default_factory=list)
    covered: list[list[str]] = field(default_factory=list)
    requests: list[tuple[list[tuple[str, str]], str, bytes]] = field(default_factory=list)

    def judge(self, headers: list[tuple[str, str]], target: str, body: bytes) -> bool:
        url = self.origin + target
        answer = self.server.verify(headers, method="POST", url=url, body=body)
        self.requests.append((headers, url, body))
        self.verdicts.append(answer.code)
        self.covered.append(answer.json.get("covered", []))
        return answer.code == "accepted"


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    found = Api(server)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def handle_post(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            accepted = found.judge(list(self.headers.items()), self.path, body)
            content = b'{"ok": true}' if accepted else b'{"ok": false}'
            self.send_response(200 if accepted else 401)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    setattr(Handler, "do_POST", Handler.handle_post)  # noqa: B010 - http.server fixes the name
    http_server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.origin = f"http://127.0.0.1:{http_server.server_port}"
    Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield found
    http_server.shutdown()
    http_server.server_close()


def blocks(page: str) -> list[str]:
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(r"^```[a-z]+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def program(page: str, algorithm: str) -> str:
    """The page's program; for HMAC with the line replaced that the page says."""
    ed25519, hmac = blocks(page)
    if algorithm == "ed25519":
        return ed25519
    changed, count = re.subn(r"^.*(?:#|//) Ed25519\n", lambda _: hmac, ed25519, flags=re.MULTILINE)
    assert count == 1, f"{page}.md marks {count} lines with Ed25519, and one is to be replaced"
    return changed


def run(page: str, source: str, key: keywright.Credential, folder: Path, cache: Path) -> str:
    client = CLIENTS[page]
    missing = [tool for tool in client.tools if shutil.which(tool) is None]
    if missing:
        pytest.fail(
            f"docs/clients/{page}.md needs {', '.join(missing)}: scripts/test installs it as root, and otherwise "
            f"apt-get install {client.package} does"
        )
    (folder / client.file).write_text(source, encoding="utf-8")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GOCACHE": str(cache),
        "KEYWRIGHT_CLIENT_ID": key.client_id,
        "KEYWRIGHT_CLIENT_SECRET": format_client_secret(key._secret, "sandbox"),
    }
    done = subprocess.run(
        client.command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def test_every_page_is_run_or_says_that_it_is_not():
    pages = {path.stem for path in PAGES.glob("*.md")} - {"README"}
    assert pages == set(CLIENTS) | NOT_RUN
    overview = (PAGES / "README.md").read_text(encoding="utf-8")
    for page in pages:
        row = next(line for line in overview.splitlines() if f"({page}.md)" in line)
        assert row.endswith("| yes |") is (page in CLIENTS)
        assert ("not run by our tests" in (PAGES / f"{page}.md").read_text(encoding="utf-8")) is (page in NOT_RUN)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Go compiles its library once for both algorithms."""
    return tmp_path_factory.mktemp("go-cache")


@pytest.mark.parametrize("algorithm", ["ed25519", "hmac-sha256"])
@pytest.mark.parametrize("page", CLIENTS)
def test_a_program_signs_what_is_accepted(api: Api, page: str, algorithm: str, tmp_path: Path, cache: Path):
    key = api.server.key(api.server.account(), algorithm=algorithm)
    source = program(page, algorithm)
    assert source.count(API) == 1
    said = run(page, source.replace(API, api.origin), key, tmp_path, cache)
    assert api.verdicts == ["accepted"]
    assert api.covered == [["@method", "@target-uri", "content-digest", "content-type"]]
    assert '{"ok": true}' in said
    # It was this very request that was judged: repeated or altered, it is refused.
    headers, url, body = api.requests[0]
    assert body.replace(b" ", b"") == b'{"amount":1}'
    assert api.server.verify(headers, url=url, body=body).code == "nonce_replayed"
    assert api.server.verify(headers, url=url, body=body + b" ").code == "digest_mismatch"
    assert api.server.verify(headers, url=url + "?a", body=body).code == "signature_invalid"


def test_a_key_of_the_other_algorithm_is_refused(api: Api, tmp_path: Path, cache: Path):
    key = api.server.key(api.server.account(), algorithm="hmac-sha256")
    said = run("node", program("node", "ed25519").replace(API, api.origin), key, tmp_path, cache)
    assert said.startswith("401")
    assert api.verdicts == ["signature_invalid"]
