"""`keywright demo`: the product's main job, on a server of its own, step by step."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import keywright
from keywright.cli.console import reported
from keywright.errors import Unavailable

_URL = "https://api.example.com/v1/payments?currency=EUR"
_BODY = json.dumps({"amount": "125.00", "to": "Ada"}).encode()
_START_SECONDS = 60


def demo(
    end: Annotated[bool, typer.Option("--exit", help="End after the steps instead of staying up.")] = False,
    port: Annotated[int, typer.Option(help="Port of the control plane; 0 picks a free one.")] = 0,
    gateway_port: Annotated[int, typer.Option(help="Port of the data plane; 0 picks a free one.")] = 0,
) -> None:
    """Create a key, sign, verify, replay, tamper, delete, and be refused: on a throw-away server of its own."""
    folder = Path(tempfile.mkdtemp(prefix="keywright-demo-"))
    with reported():
        try:
            status = _Demo(folder, Console(highlight=False)).run(end=end, port=port, gateway_port=gateway_port)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    raise typer.Exit(status)


@dataclass
class _Demo:
    """One run of the steps.

    Args:
        folder: the throw-away data directory.
        console: where the steps are told.
    """

    folder: Path
    console: Console
    control: str = ""
    data: str = ""
    failed: int = 0
    _number: int = field(default=0, repr=False)

    def run(self, *, end: bool, port: int, gateway_port: int) -> int:
        """Take every step; 0 if each was as it should be."""
        server: list[subprocess.Popen[str]] = []
        try:
            self._step("start the server", lambda: self._start(server, port, gateway_port))
            self._steps()
            if self.failed:
                self.console.print(f"\n{self.failed} of {self._number} steps were not as they should be.")
                return 1
            self.console.print(f"\nAll {self._number} steps were as they should be.")
            if not end:
                self._stay(server[0])
            return 0
        finally:
            for process in server:
                process.terminate()
                process.wait(60)

    def _steps(self) -> None:
        token = self._step("make an operator token, as the platform's relationship manager", self._operator_token)
        corporate = self._step("create a corporate account", lambda: self._account(token, "Acme Ltd", "corporate"))
        partner = self._step("create a partner account", lambda: self._account(token, "Bridge Partners", "partner"))
        owner = self._step(
            "invite its Owner, who sets a password and signs in",
            lambda: self._person(token, corporate, "owner@acme.example", "Olga Owner", "owner"),
        )
        self._step(
            "invite the partner's Partner Admin likewise",
            lambda: self._person(token, partner, "admin@bridge.example", "Paul Partner", "partner_admin"),
        )
        self._step(
            "the Owner tries to create a key: refused, API access is off",
            lambda: self._expect_problem(
                "api_access_not_enabled",
                *self._call(
                    "POST",
                    f"/v1/accounts/{corporate}/credentials",
                    {"email": "owner@acme.example"},
                    cookie=owner,
                ),
            ),
        )
        for account, name in ((corporate, "corporate"), (partner, "partner")):
            self._step(
                f"the operator enables API access for the {name} account",
                partial(self._enable, token, account),
            )
        created = self._step(
            "the Owner creates an API key",
            lambda: self._expect(
                201,
                *self._call(
                    "POST",
                    f"/v1/accounts/{corporate}/credentials",
                    {"email": "owner@acme.example", "label": "demo"},
                    cookie=owner,
                ),
            ),
        )
        self.console.print(
            f"      Client ID {created['clientId']}, Account ID {created['accountId']},"
            f" Client Secret {created['clientSecret'][:14]}... (shown once)"
        )
        key = keywright.Credential(created["clientId"], created["clientSecret"])
        sent = {"Content-Type": "application/json"}
        signed: dict[str, str] = self._step(
            "the developer signs a payment with the SDK",
            lambda: {**sent, **keywright.sign(key, method="POST", url=_URL, headers=sent, body=_BODY)},
        )
        self._step("the gateway asks Keywright: accepted", lambda: self._expect_verdict("accepted", signed))
        self._step(
            "the same request again, as a thief would replay it: refused",
            lambda: self._expect_verdict("nonce_replayed", signed),
        )
        fresh = {**sent, **keywright.sign(key, method="POST", url=_URL, headers=sent, body=_BODY)}
        self._step(
            "another request, with another amount than was signed: refused",
            lambda: self._expect_verdict("digest_mismatch", fresh, body=_BODY.replace(b"125", b"925")),
        )
        self._step(
            "the Owner deletes the key",
            lambda: self._expect(
                200,
                *self._call("DELETE", f"/v1/accounts/{corporate}/credentials/{created['clientId']}", cookie=owner),
            ),
        )
        late = {**sent, **keywright.sign(key, method="POST", url=_URL, headers=sent, body=_BODY)}
        self._step(
            "the same client signs once more, at once: refused",
            lambda: self._expect_verdict("credential_unknown", late),
        )
        self._step("check the audit trail", self._audit)

    def _step(self, title: str, act: Callable[[], Any]) -> Any:
        self._number += 1
        started = time.perf_counter()
        try:
            result, fault = act(), ""
        except _Unexpected as error:
            result, fault = None, str(error)
        ms = (time.perf_counter() - started) * 1000
        mark = "ok" if not fault else "NOT"
        self.console.print(f"{self._number:>3}. {mark:<3} {title} ({ms:.1f} ms)", soft_wrap=True)
        if fault:
            self.failed += 1
            raise Unavailable(f"step {self._number} was not as it should be: {fault}")
        return result

    def _start(self, server: list[subprocess.Popen[str]], port: int, gateway_port: int) -> None:
        command = [sys.executable, "-m", "keywright", "serve", "--data-dir", str(self.folder)]
        command += ["--port", str(port), "--gateway-port", str(gateway_port)]
        with (self.folder / "server.log").open("w") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        server.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise _Unexpected((self.folder / "server.log").read_text()[-2000:])
        self.control, self.data = (part.split()[-1] for part in line.strip().split(", "))

    def _operator_token(self) -> str:
        command = [
            sys.executable,
            "-m",
            "keywright",
            "operator-token",
            "create",
            "demo",
            "--data-dir",
            str(self.folder),
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def _account(self, token: str, name: str, kind: str) -> str:
        answer = self._expect(201, *self._call("POST", "/v1/accounts", {"name": name, "type": kind}, token=token))
        return str(answer["accountId"])

    def _enable(self, token: str, account: str) -> None:
        self._expect(200, *self._call("PUT", f"/v1/accounts/{account}/api-access", {"enabled": True}, token=token))

    def _person(self, token: str, account: str, email: str, name: str, role: str) -> str:
        invited = self._expect(
            201,
            *self._call(
                "POST",
                f"/v1/accounts/{account}/users",
                {"email": email, "name": name, "role": role},
                token=token,
            ),
        )
        password = secrets.token_urlsafe(12)
        invitation = str(invited["invitationUrl"]).rpartition("/")[2]
        self._expect(204, *self._call("POST", f"/v1/invitations/{invitation}", {"password": password}))
        self.people[email] = password
        request = self._request("POST", f"{self.control}/v1/session", {"email": email, "password": password})
        with urllib.request.urlopen(request) as answer:
            return str(answer.headers["Set-Cookie"]).partition(";")[0]

    people: dict[str, str] = field(default_factory=dict)

    def _audit(self) -> None:
        command = [sys.executable, "-m", "keywright", "audit", "verify", "--data-dir", str(self.folder)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise _Unexpected(done.stdout + done.stderr)

    def _expect_verdict(self, expected: str, headers: dict[str, str], *, body: bytes = _BODY) -> None:
        question = {
            "method": "POST",
            "url": _URL,
            "headers": list(headers.items()),
            "body": base64.b64encode(body).decode(),
        }
        verdict = self._expect(200, *self._call("POST", "/v1/verify", question, base=self.data))
        found = verdict.get("code", verdict["outcome"])
        if found != expected:
            raise _Unexpected(f"expected {expected}, and the verdict is {verdict}")

    def _expect(self, status: int, found: int, answer: dict[str, Any]) -> dict[str, Any]:
        if found != status:
            raise _Unexpected(f"expected status {status}, and it is {found}: {answer}")
        return answer

    def _expect_problem(self, code: str, status: int, answer: dict[str, Any]) -> None:
        if answer.get("code") != code:
            raise _Unexpected(f"expected {code}, and it is {status}: {answer}")

    def _call(
        self,
        method: str,
        path: str,
        document: dict[str, Any] | None = None,
        *,
        token: str | None = None,
        cookie: str | None = None,
        base: str | None = None,
    ) -> tuple[int, dict[str, Any]]:
        request = self._request(method, f"{base or self.control}{path}", document)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        if cookie:
            request.add_header("Cookie", cookie)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")

    @staticmethod
    def _request(method: str, url: str, document: dict[str, Any] | None) -> urllib.request.Request:
        data = None if document is None else json.dumps(document).encode()
        return urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)

    def _stay(self, server: subprocess.Popen[str]) -> None:
        self.console.print(f"\nThe server stays up. Control plane: {self.control}  Data plane: {self.data}")
        self.console.print(f"API description: {self.control}/v1/openapi.json")
        self.console.print("Sign in at POST /v1/session with one of:")
        for email, password in self.people.items():
            self.console.print(f"  {email}  {password}", markup=False)
        self.console.print("Ctrl-C ends it and leaves nothing behind.")
        before = signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        try:
            server.wait()
        except KeyboardInterrupt:
            self.console.print("\nEnding.")
        finally:
            signal.signal(signal.SIGTERM, before)


class _Unexpected(Exception):
    """A step went otherwise than it should."""
