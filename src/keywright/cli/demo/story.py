"""The story that the demonstration tells: from an account to a key that works, and to one that does not any more."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

import keywright
from keywright.cli.demo.deployment import Browser, Deployment, Unexpected
from keywright.errors import Unavailable

_URL = "https://api.example.com/v1/payments?currency=EUR"
_BODY = json.dumps({"amount": "125.00", "to": "Ada"}).encode()
_NAMES = {"corporate": "Acme Ltd", "partner": "Bridge Partners", "asking": "Northwind Trading"}
# Who else can be tried out; the story itself needs a relationship manager, an Owner and a Partner Admin.
_OTHERS = (
    ("corporate", "ada.admin@acme.example", "Ada Admin", "admin"),
    ("corporate", "victor.viewer@acme.example", "Victor Viewer", "viewer"),
    ("partner", "otto.onboarding@bridge.example", "Otto Onboarding", "onboarding_agent"),
)


class Story:
    """One run of the steps.

    Args:
        folder: the throw-away data directory.
        console: where the steps are told.
    """

    def __init__(self, folder: Path, console: Console) -> None:
        self._server = Deployment(folder)
        self._console = console
        self._number = 0
        self._token = ""
        self._accounts: dict[str, str] = {}
        self._people: list[tuple[str, str, str]] = []  # who, email, password

    def run(self, *, end: bool, port: int, gateway_port: int) -> int:
        """Take every step.

        Args:
            end: whether to end after them instead of staying up.
            port: of the control plane.
            gateway_port: of the data plane.

        Returns:
            0 if each step was as it should be.
        """
        process: subprocess.Popen[str] | None = None
        try:
            process = self._step("start the server", lambda: self._server.start(port, gateway_port))
            self._set_the_scene()
            self._use_a_key()
            self._console.print(f"\nAll {self._number} steps were as they should be.")
            if not end:
                self._stay(process)
            return 0
        finally:
            if process is not None:
                process.terminate()
                process.wait(60)

    def _set_the_scene(self) -> None:
        self._token = self._step(
            "make an operator token, for the platform's own programs",
            lambda: self._server.keywright("operator-token", "create", "demo"),
        )
        self._step("add a relationship manager, who chooses a password on the page", self._operator)
        for kind in ("corporate", "partner"):
            self._accounts[kind] = self._step(f"create a {kind} account", partial(self._account, _NAMES[kind], kind))
        self._owner = self._step(
            "invite its Owner, who chooses a password on the page and signs in",
            lambda: self._person("corporate", "olga.owner@acme.example", "Olga Owner", "owner"),
        )
        self._step(
            "invite the partner's Partner Admin likewise",
            lambda: self._person("partner", "paul.partner@bridge.example", "Paul Partner", "partner_admin"),
        )
        for kind, email, name, role in _OTHERS:
            self._step(f"and {name}", partial(self._person, kind, email, name, role))
        self._step("another account's Owner asks for API access; the request waits in the console", self._ask)
        keys = f"/v1/accounts/{self._accounts['corporate']}/credentials"
        self._step(
            "the Owner tries to create a key: refused, API access is off",
            lambda: self._server.expect_problem(
                "api_access_not_enabled", "POST", keys, {"email": "dev@acme.example"}, cookie=self._owner.session
            ),
        )
        for kind in ("corporate", "partner"):
            path = f"/v1/accounts/{self._accounts[kind]}/api-access"
            self._step(
                f"the operator enables API access for the {kind} account",
                partial(self._server.expect, 200, "PUT", path, {"enabled": True}, token=self._token),
            )

    def _use_a_key(self) -> None:
        account, server, owner = self._accounts["corporate"], self._server, self._owner
        keys = f"/v1/accounts/{account}/credentials"
        created = self._step(
            "the Owner creates an API key",
            lambda: server.expect(
                201, "POST", keys, {"email": "dev@acme.example", "label": "demo"}, cookie=owner.session
            ),
        )
        self._console.print(
            f"      Client ID {created['clientId']}, Account ID {created['accountId']},"
            f" Client Secret {created['clientSecret'][:14]}... (shown once)",
            soft_wrap=True,
        )
        self._step("the API keys page shows the key, and no secret", lambda: self._look(created))
        key = keywright.Credential(created["clientId"], created["clientSecret"])
        signed = self._step("the developer signs a payment with the SDK", lambda: _sign(key))
        self._step(
            "the gateway asks Keywright: accepted", lambda: server.expect_verdict("accepted", _URL, signed, _BODY)
        )
        self._step(
            "the same request again, as a thief would replay it: refused",
            lambda: server.expect_verdict("nonce_replayed", _URL, signed, _BODY),
        )
        fresh = _sign(key)
        self._step(
            "another request, with another amount than was signed: refused",
            lambda: server.expect_verdict("digest_mismatch", _URL, fresh, _BODY.replace(b"125", b"925")),
        )
        exchanged = {"clientId": created["clientId"], "clientSecret": created["clientSecret"]}
        token = self._step(
            "a client that cannot sign exchanges the key for a bearer token",
            lambda: str(server.expect(200, "POST", "/auth/token", exchanged)["access_token"]),
        )
        bearer = {"Authorization": f"Bearer {token}"}
        self._step(
            "the gateway asks about a request with that token: accepted",
            lambda: server.expect_verdict("accepted", _URL, bearer, _BODY),
        )
        self._step(
            "the Owner deletes the key",
            lambda: server.expect(200, "DELETE", f"{keys}/{created['clientId']}", cookie=owner.session),
        )
        late = _sign(key)
        self._step(
            "the same client signs once more, at once: refused",
            lambda: server.expect_verdict("credential_unknown", _URL, late, _BODY),
        )
        self._step(
            "and its token, which would have lasted an hour: refused",
            lambda: server.expect_verdict("token_invalid", _URL, bearer, _BODY),
        )
        self._step("check the audit trail", lambda: server.keywright("audit", "verify"))

    def _operator(self) -> None:
        email = "rita.manager@platform.example"
        added = json.loads(self._server.keywright("operator", "add", email, "Rita Manager", "--json"))
        self._people.append(("relationship manager", email, Browser(self._server).join(added["setPasswordUrl"], email)))

    def _account(self, name: str, kind: str) -> str:
        answer = self._server.expect(201, "POST", "/v1/accounts", {"name": name, "type": kind}, token=self._token)
        return str(answer["accountId"])

    def _person(self, kind: str, email: str, name: str, role: str) -> Browser:
        path = f"/v1/accounts/{self._accounts[kind]}/users"
        document = {"email": email, "name": name, "role": role}
        invited = self._server.expect(201, "POST", path, document, token=self._token)
        browser = Browser(self._server)
        password = browser.join(str(invited["invitationUrl"]), email)
        self._people.append((f"{role.replace('_', ' ').title()}, {_NAMES[kind]}", email, password))
        return browser

    def _ask(self) -> None:
        self._accounts["asking"] = self._account(_NAMES["asking"], "corporate")
        asking = self._person("asking", "nora.owner@northwind.example", "Nora Owner", "owner")
        path = f"/accounts/{self._accounts['asking']}/api-keys"
        page = asking.submit(path, message="We want to pay our suppliers from our own systems.", to="/access-request")
        if "API access is requested" not in page:
            raise Unexpected("the request was not taken")

    def _look(self, created: dict[str, Any]) -> None:
        page = self._owner.open(f"/accounts/{self._accounts['corporate']}/api-keys")
        if created["clientId"] not in page or created["clientSecret"] in page:
            raise Unexpected("the page shows the secret, or not the key")

    def _step(self, title: str, act: Callable[[], Any]) -> Any:
        self._number += 1
        started = time.perf_counter()
        try:
            result, fault = act(), ""
        except Unexpected as error:
            result, fault = None, str(error)
        ms = (time.perf_counter() - started) * 1000
        mark = "ok" if not fault else "NOT"
        self._console.print(f"{self._number:>3}. {mark:<3} {title} ({ms:.1f} ms)", soft_wrap=True)
        if fault:
            raise Unavailable(f"step {self._number} was not as it should be: {fault}")
        return result

    def _stay(self, process: subprocess.Popen[str]) -> None:
        pages = self._server.pages
        self._console.print(
            f"\nThe server stays up. Control plane: {self._server.control}  Data plane: {self._server.data}",
            soft_wrap=True,
        )
        self._console.print(f"API description: {pages}/v1/openapi.json")
        self._console.print(f"\nSign in at [bold]{pages}/sign-in[/bold] as one of:")
        for who, email, password in self._people:
            self._console.print(f"  {who:<33} {email:<32} {password}", markup=False, soft_wrap=True)
        self._console.print(
            f"API keys of Acme Ltd: {pages}/accounts/{self._accounts['corporate']}/api-keys", soft_wrap=True
        )
        self._console.print(f"Operator console:     {pages}/operator/accounts")
        self._console.print(f"Mail is left in       {self._server.folder / 'mail'}", soft_wrap=True)
        self._console.print("\nCtrl-C ends it and leaves nothing behind.")
        before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            process.wait()
        except KeyboardInterrupt:
            self._console.print("\nEnding.")
        finally:
            signal.signal(signal.SIGTERM, before)


def _sign(key: keywright.Credential) -> dict[str, str]:
    sent = {"Content-Type": "application/json"}
    return {**sent, **keywright.sign(key, method="POST", url=_URL, headers=sent, body=_BODY)}
