"""A throw-away server, and those who call it: programs over REST, people through the pages."""

from __future__ import annotations

import base64
import json
import re
import secrets
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

_CSRF = re.compile(r'name="csrf" value="(\w+)"')


class Unexpected(Exception):
    """A step went otherwise than it should."""


@dataclass
class Deployment:
    """The server of one demonstration.

    Args:
        folder: the throw-away data directory.
    """

    folder: Path
    control: str = ""
    data: str = ""

    def start(self, port: int, gateway_port: int) -> subprocess.Popen[str]:
        """Start the server; its addresses are known when this returns."""
        command = [sys.executable, "-m", "keywright", "serve", "--data-dir", str(self.folder)]
        command += ["--port", str(port), "--gateway-port", str(gateway_port)]
        with (self.folder / "server.log").open("w") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            process.wait(60)
            raise Unexpected((self.folder / "server.log").read_text()[-2000:])
        self.control, self.data = (part.split()[-1] for part in line.strip().split(", "))
        return process

    @property
    def pages(self) -> str:
        """Where people sign in: by name, since browsers keep passkeys for names, not for addresses."""
        return self.control.replace("127.0.0.1", "localhost")

    def keywright(self, *arguments: str) -> str:
        """Run a command on the data directory; what it printed."""
        command = [sys.executable, "-m", "keywright", *arguments, "--data-dir", str(self.folder)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise Unexpected(done.stdout + done.stderr)
        return done.stdout.strip()

    def call(
        self,
        method: str,
        path: str,
        document: dict[str, Any] | None = None,
        *,
        token: str | None = None,
        cookie: str | None = None,
        base: str | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Call the server; status and answer."""
        data = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(
            f"{base or self.control}{path}", data, {"Content-Type": "application/json"}, method=method
        )
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        if cookie:
            request.add_header("Cookie", cookie)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")

    def expect(self, status: int, method: str, path: str, *arguments: Any, **callers: Any) -> dict[str, Any]:
        """Call the server and insist on a status; the answer."""
        found, answer = self.call(method, path, *arguments, **callers)
        if found != status:
            raise Unexpected(f"expected status {status}, and it is {found}: {answer}")
        return answer

    def expect_problem(self, code: str, method: str, path: str, *arguments: Any, **callers: Any) -> None:
        """Call the server and insist on being refused with this code."""
        status, answer = self.call(method, path, *arguments, **callers)
        if answer.get("code") != code:
            raise Unexpected(f"expected {code}, and it is {status}: {answer}")

    def expect_verdict(self, expected: str, url: str, headers: dict[str, str], body: bytes) -> None:
        """Ask the data plane about a POST and insist on its verdict."""
        question = {
            "method": "POST",
            "url": url,
            "headers": list(headers.items()),
            "body": base64.b64encode(body).decode(),
        }
        verdict = self.expect(200, "POST", "/v1/verify", question, base=self.data)
        if verdict.get("code", verdict["outcome"]) != expected:
            raise Unexpected(f"expected {expected}, and the verdict is {verdict}")


@dataclass
class Browser:
    """Someone in front of the pages: keeps cookies, follows redirects, fills in forms.

    Args:
        server: whose pages.
    """

    server: Deployment
    _cookies: CookieJar = field(default_factory=CookieJar, repr=False)

    def open(self, path: str, filled: dict[str, str] | None = None) -> str:
        """Open a page, or send a form to it; the page that comes in the end."""
        data = None if filled is None else urllib.parse.urlencode(filled).encode()
        request = urllib.request.Request(self.server.control + path, data, {"Accept": "text/html"})
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._cookies))
        try:
            with opener.open(request, timeout=30) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            raise Unexpected(f"{path} answers {error.code}: {error.read().decode()[-1500:]}") from error

    def submit(self, path: str, *, to: str = "", **filled: str) -> str:
        """Open a page, fill in its form, and send it: to the page's own address, or to one below it."""
        found = _CSRF.search(self.open(path))
        if found is None:
            raise Unexpected(f"{path} has no form")
        return self.open(path + to, {"csrf": found[1], **filled})

    def join(self, link: str, email: str) -> str:
        """Follow the link of an invitation, choose a password, sign in; the password."""
        password = secrets.token_urlsafe(12)
        self.submit(urllib.parse.urlsplit(link).path, password=password)
        page = self.submit("/sign-in", email=email, password=password)
        if "Sign out" not in page:
            raise Unexpected(f"{email} did not get in")
        return password

    @property
    def session(self) -> str:
        """The session's cookie, as a program would send it."""
        return "; ".join(f"{each.name}={each.value}" for each in self._cookies)
