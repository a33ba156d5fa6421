"""A real Keywright server in processes of its own, for tests to call, kill and restart."""

from __future__ import annotations

import atexit
import base64
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

import keywright
from support.postgresql import shared_postgresql
from support.valkey import shared_valkey

PASSWORD = "correct horse battery"
# The least that the setting takes. With the default, half of the servers' processor time went into hashing passwords.
QUICK_PASSWORDS = {"KEYWRIGHT_PASSWORD_MEMORY_MIB": "19"}
API_URL = "https://api.example.com/v1/payments?currency=EUR"


# Which engine servers are started on (tests/http runs on each), and what a data directory's deployment is told besides.
ENGINES = ("sqlite", "postgresql")
_engine = "sqlite"
_environments: dict[Path, dict[str, str]] = {}


def choose_engine(engine: str) -> None:
    """Start new deployments on this engine from now on."""
    global _engine  # noqa: PLW0603 - one choice for the whole process, made by a fixture
    assert engine in ENGINES
    _engine = engine


def environment_of(data_dir: Path) -> dict[str, str]:
    """The settings of a deployment beside its data directory: on PostgreSQL, its databases there and in Valkey."""
    if data_dir not in _environments:
        _environments[data_dir] = {}
        if _engine == "postgresql":
            postgresql = shared_postgresql()
            _environments[data_dir] = {
                "KEYWRIGHT_DATABASE_URL": postgresql.url(postgresql.new_database()),
                "KEYWRIGHT_VALKEY_URL": f"{shared_valkey().url}?db={len(_environments)}",
            }
    return _environments[data_dir]


def set_environment(data_dir: Path, environment: dict[str, str]) -> None:
    """Say what commands and servers in a data directory are told besides."""
    _environments[data_dir] = environment


def use_postgresql(data_dir: Path, url: str) -> None:
    """Make a data directory's deployment one on this PostgreSQL database, whatever engine others are on."""
    engine = _engine
    choose_engine("postgresql")
    environment_of(data_dir)["KEYWRIGHT_DATABASE_URL"] = url
    choose_engine(engine)


class CommandLine:
    """Runs commands in forks of a process that has loaded their modules; see cli_forks.py."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def run(self, arguments: list[str], stdin: str, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
        outside = {name: value for name, value in os.environ.items() if not name.startswith("KEYWRIGHT_")}
        environment = {**outside, **settings}
        with self._lock, tempfile.TemporaryDirectory() as folder:
            files = {name: f"{folder}/{name}" for name in ("stdin", "stdout", "stderr")}
            Path(files["stdin"]).write_text(stdin)
            if self._process is None:
                self._process = subprocess.Popen(
                    # -P: modules of this folder must not stand in the way of Python's own of the same name.
                    [sys.executable, "-P", "-W", "error", str(Path(__file__).with_name("cli_forks.py"))],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                atexit.register(self._end)
            order = {**files, "environment": environment, "arguments": arguments}
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            status = int(self._process.stdout.readline())
            said = (Path(files[name]).read_text() for name in ("stdout", "stderr"))
            return subprocess.CompletedProcess(arguments, status, *said)

    def _end(self) -> None:
        self._process.communicate()


COMMAND_LINE = CommandLine()


def run_cli(*arguments: str, data_dir: Path | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run `keywright` and return what it said; settings of the outside do not leak in."""
    if data_dir is None:
        return COMMAND_LINE.run([*arguments], stdin, {})
    return COMMAND_LINE.run([*arguments, "--data-dir", str(data_dir)], stdin, environment_of(data_dir))


@dataclass
class Answer:
    """An HTTP answer, with what tests look at close at hand."""

    status: int
    headers: httpx2.Headers
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str | None:
        """The problem's code, the verdict's code, or `accepted`."""
        document = self.json
        return document.get("code") or document.get("outcome")


@dataclass
class Server:
    """One deployment: a data directory, and a server that runs on it now or not."""

    data_dir: Path
    workers: int = 1
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0  # of the control plane; 0 picks a free one at each start
    gateway_port: int = 0
    prefix: tuple[str, ...] = ()  # of its command line, as `ip netns exec NAME`
    process: subprocess.Popen[str] | None = None
    control: str = ""
    data: str = ""
    log_file: Path = Path()
    answers: list[str] = field(default_factory=list)  # every body and header that was ever answered
    _client: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=60))
    _tokens: dict[str, str] = field(default_factory=dict)

    def start(self) -> Server:
        self.log_file = self.data_dir.parent / f"{self.data_dir.name}.log"
        outside = {name: value for name, value in os.environ.items() if not name.startswith("KEYWRIGHT_")}
        with self.log_file.open("a") as log:
            self.process = subprocess.Popen(
                [
                    *self.prefix,
                    # Every warning is an error, but for Litestar's about handlers that take a dependency by its name,
                    # and Python's (since 3.12) when granian forks workers from a process with a thread.
                    *(sys.executable, "-W", "error", "-W", "ignore:[paths=", "-W", "ignore:This process (pid="),
                    *("-m", "keywright"),
                    *("serve", "--data-dir", str(self.data_dir)),
                    *("--port", str(self.port), "--gateway-port", str(self.gateway_port)),
                    *("--gateway-workers", str(self.workers)),
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**outside, **QUICK_PASSWORDS, **environment_of(self.data_dir), **self.environment},
                start_new_session=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("keywright is ready"):
            self.process.stdout.close()
            raise AssertionError(f"the server did not start: {self.log_file.read_text()[-4000:]}")
        # "keywright is ready: control plane http://..., data plane http://...", or one of the two
        addresses = {part.split()[0]: part.split()[-1] for part in line.partition(": ")[2].split(", ")}
        self.control, self.data = addresses.get("control", ""), addresses.get("data", "")
        return self

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self.process is not None
        self.process.terminate()
        status = self.process.wait(60)
        self._ended()
        return status

    def kill(self, *, everything: bool = True) -> None:
        """SIGKILL: to every process of the server, or to the first one only."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            if everything:
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()
        self.process.wait(60)
        self._ended()

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()
        self._client.close()

    def _ended(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._client.close()
        self._client = httpx2.Client(timeout=60)

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def token(self, scope: str = "operator") -> str:
        """An operator token of this scope, made once."""
        if scope not in self._tokens:
            done = run_cli("operator-token", "create", f"test-{scope}", "--scope", scope, data_dir=self.data_dir)
            assert done.returncode == 0, done.stderr
            self._tokens[scope] = done.stdout.strip()
        return self._tokens[scope]

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        caller: Caller | None = None,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """Call the control plane as someone, or as nobody."""
        sent = {**(caller.headers if caller else {}), **(headers or {})}
        if body is not None:
            content = json.dumps(body).encode()
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        return self._send(method, self.control + path, sent, content)

    def ask(self, method: str, path: str, *, headers: Any = None, content: bytes | None = None) -> Answer:
        """Call the data plane."""
        return self._send(method, self.data + path, headers or {}, content)

    def verify(self, headers: Any, *, method: str = "POST", url: str = API_URL, body: bytes | None = b"") -> Answer:
        """Ask `/v1/verify` about a request."""
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
        question: dict[str, Any] = {"method": method, "url": url, "headers": pairs}
        if body is not None:
            question["body"] = base64.b64encode(body).decode()
        return self._send("POST", self.data + "/v1/verify", {}, json.dumps(question).encode())

    def verify_anew(
        self, headers: dict[str, str], *, method: str = "POST", url: str = API_URL, body: bytes = b""
    ) -> str:
        """Ask over a connection of its own, which may reach any worker; the code of the verdict."""
        question = {"method": method, "url": url, "headers": list(headers.items())}
        question["body"] = base64.b64encode(body).decode()
        host, _, port = self.data.removeprefix("http://").rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        try:
            connection.request("POST", "/v1/verify", json.dumps(question))
            verdict = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return str(verdict.get("code") or verdict["outcome"])

    def _send(self, method: str, url: str, headers: Any, content: bytes | None) -> Answer:
        answer = self._client.request(method, url, headers=headers, content=content)
        # A session's cookie is sent by callers that have one, not by whoever calls next.
        self._client.cookies.clear()
        self.answers.append(f"{answer.headers}\n{answer.text}")
        return Answer(answer.status_code, answer.headers, answer.text)

    # --- people and keys -------------------------------------------------------------------------------------------

    @property
    def operator(self) -> Caller:
        return Caller({"Authorization": f"Bearer {self.token('operator')}"})

    @property
    def platform(self) -> Caller:
        return Caller({"Authorization": f"Bearer {self.token('platform')}"})

    def account(self, kind: str = "corporate", *, enabled: bool = True, name: str = "Acme Ltd") -> str:
        """Make an account; the Account ID."""
        made = self.call("POST", "/v1/accounts", {"name": name, "type": kind}, caller=self.operator)
        assert made.status == 201, made.text
        account_id = str(made.json["accountId"])
        if enabled:
            self.set_access(account_id, True)
        return account_id

    def set_access(self, account_id: str, enabled: bool) -> Answer:
        answer = self.call("PUT", f"/v1/accounts/{account_id}/api-access", {"enabled": enabled}, caller=self.operator)
        assert answer.status == 200, answer.text
        return answer

    def person(self, account_id: str, role: str, email: str | None = None) -> Caller:
        """Invite someone, set their password, sign them in."""
        email = email or f"{role}.{os.urandom(4).hex()}@example.com"
        invited = self.call(
            "POST",
            f"/v1/accounts/{account_id}/users",
            {"email": email, "name": role.title(), "role": role},
            caller=self.operator,
        )
        assert invited.status == 201, invited.text
        if invited.json["invitationUrl"]:
            token = invited.json["invitationUrl"].rpartition("/")[2]
            accepted = self.call("POST", f"/v1/invitations/{token}", {"password": PASSWORD})
            assert accepted.status == 204, accepted.text
        caller = self.sign_in(email)
        caller.user_id = invited.json["userId"]
        return caller

    def sign_in(self, email: str, password: str = PASSWORD) -> Caller:
        answer = self.call("POST", "/v1/session", {"email": email, "password": password})
        assert answer.status == 204, answer.text
        return Caller({"Cookie": answer.headers["set-cookie"].partition(";")[0]}, email=email)

    def key(
        self, account_id: str, *, caller: Caller | None = None, algorithm: str = "ed25519", **more: Any
    ) -> keywright.Credential:
        """Make an API key, as a platform's backend would."""
        made = self.call(
            "POST",
            f"/v1/accounts/{account_id}/credentials",
            {"email": "integration@example.com", "algorithm": algorithm, **more},
            caller=caller or self.platform,
        )
        assert made.status == 201, made.text
        return keywright.Credential(made.json["clientId"], made.json["clientSecret"], algorithm=algorithm)

    def delete_key(self, account_id: str, client_id: str, *, caller: Caller | None = None) -> Answer:
        return self.call("DELETE", f"/v1/accounts/{account_id}/credentials/{client_id}", caller=caller or self.platform)


@dataclass
class Caller:
    """Someone who calls the control plane."""

    headers: dict[str, str]
    email: str = ""
    user_id: str = ""


def signed(
    key: keywright.Credential,
    *,
    method: str = "POST",
    url: str = API_URL,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    **options: Any,
) -> dict[str, str]:
    """All headers of a signed request."""
    sent = headers or {}
    return {**sent, **keywright.sign(key, method=method, url=url, headers=sent, body=body, **options)}


@contextlib.contextmanager
def running(data_dir: Path, *, workers: int = 1, port: int = 0, **environment: str) -> Iterator[Server]:
    """Run a server for a while."""
    server = Server(data_dir, workers=workers, port=port, environment=environment).start()
    try:
        yield server
    finally:
        server.close()


def wait_until(condition: Any, *, seconds: float = 60, what: str = "") -> None:
    """Wait until something holds, for a bounded time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not happen within {seconds} s: {what}"
        time.sleep(0.05)
