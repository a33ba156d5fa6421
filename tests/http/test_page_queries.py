"""No page asks the database more than five questions, whatever the number of accounts, users, keys and events."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from keywright import audit
from keywright.app import clock, random_bytes
from keywright.identity import Passkey, authenticate_session, begin_totp
from keywright.identity.factor_store import insert_passkey
from keywright.identity.secrets import token_hash
from keywright.keyring import KeyringFile
from keywright.settings import Settings
from keywright.storage import open_database
from keywright.web import create_pages
from support import data
from support.queries import counted, in_process
from support.reading import Page
from support.server import PASSWORD, run_cli

# Litestar 2 says with each handler how Litestar 3 wants its dependencies marked; servers do not tell it to anyone.
pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")

MOST = 5
ACCOUNTS, USERS, EVENTS = 20, 250, 1200
RESET = "kwr_" + "1" * 64
PASSKEY = b"a passkey"
# Downloads are read in pieces, and are no pages.
DOWNLOADS = {"/accounts/{account_id:str}/activity.csv", "/accounts/{account_id:str}/activity.json"}
# Pages that lead elsewhere, for those who ask here.
LEADING = {"/", "/sign-in", "/sign-in/second-factor", "/operator"}


class World:
    """A deployment with many of everything, and one person who sees it all.

    Args:
        client: reaches it.
        data_dir: where it is.
    """

    def __init__(self, client: httpx2.AsyncClient, data_dir: Path) -> None:
        self.client = client
        self.data_dir = data_dir
        made = run_cli("operator-token", "create", "test", "--scope", "platform", data_dir=data_dir)
        self.token = {"Authorization": f"Bearer {made.stdout.strip()}"}
        self.ids = {"passkey_id": base64.urlsafe_b64encode(PASSKEY).decode()}

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.client.request(method, path, json=body, headers=self.token)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.text else None

    async def account(self, name: str, *, enabled: bool = True) -> str:
        made = await self.call("POST", "/v1/accounts", {"name": name, "type": "corporate"})
        if enabled:
            await self.call("PUT", f"/v1/accounts/{made['accountId']}/api-access", {"enabled": True})
        return str(made["accountId"])

    async def invite(self, account: str, email: str, role: str = "owner") -> Any:
        body = {"email": email, "name": "Kim", "role": role}
        return await self.call("POST", f"/v1/accounts/{account}/users", body)

    async def sign_in(self, email: str, invited: Any) -> dict[str, str]:
        token = invited["invitationUrl"].rpartition("/")[2]
        await self.call("POST", f"/v1/invitations/{token}", {"password": PASSWORD})
        answer = await self.client.post("/v1/session", json={"email": email, "password": PASSWORD})
        self.client.cookies.clear()
        return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}

    async def fill(self) -> None:
        """Make many of everything."""
        account = self.ids["account_id"] = await self.account("Zzz, behind all that the menu shows")
        self.owner = await self.sign_in("olga@acme.example", await self.invite(account, "olga@acme.example"))
        for number in range(ACCOUNTS):
            await self.invite(await self.account(f"Account {number}", enabled=False), "olga@acme.example")
        for _ in range(9):
            key = await self.call("POST", f"/v1/accounts/{account}/credentials", {"email": "dev@acme.example"})
        self.ids["client_id"] = key["clientId"]
        await self.begin_app()
        waiting = await self.invite(account, "wanda@acme.example", "viewer")
        self.ids["user_id"], self.ids["token"] = waiting["userId"], waiting["invitationUrl"].rpartition("/")[2]
        asking = self.ids["asking"] = await self.account("Asking", enabled=False)
        await self.call("POST", f"/v1/accounts/{asking}/api-access/requests", {"message": "please"})
        rita = await self.invite(asking, "rita@bank.example")
        self.operator = await self.sign_in("rita@bank.example", rita)
        with data.looking_into(self.data_dir) as look:
            look.change("DELETE FROM memberships WHERE person_id = ?", rita["userId"])
            look.change("INSERT INTO operators VALUES (?, 'Rita', 1)", rita["userId"])
            values = (token_hash(RESET), waiting["userId"])
            look.change("INSERT INTO password_resets VALUES (?, ?, 1, 9000000000000000)", *values)
            look.change(
                "INSERT INTO passkeys SELECT ?, id, 'Laptop', ?, 0, 1, NULL FROM people WHERE email = ?",
                *(PASSKEY, b"\0", "olga@acme.example"),
            )
            users = [f"usr_{number}" for number in range(USERS)]
            people = [(user, f"{user}@acme.example") for user in users]
            look.change_many("INSERT INTO people (id, email, created_at) VALUES (?, ?, 1)", people)
            members = [(account, user, "Kim", "viewer", number) for number, user in enumerate(users)]
            look.change_many("INSERT INTO memberships VALUES (?, ?, ?, ?, ?)", members)
        database = open_database(data.url_of(self.data_dir), clock)
        async with database.write() as session:
            actor, subject = {"kind": "person", "id": "usr_1", "name": "olga"}, {"kind": "user", "id": "usr_1"}
            for _ in range(EVENTS):
                await audit.record(session, account, actor=actor, action="user.added", subject=subject)
            olga = await authenticate_session(session, self.owner["Cookie"].partition("=")[2])
            keyring = KeyringFile(self.data_dir / "keyring.json", random_bytes)
            await begin_totp(session, olga, keyring=keyring, random_bytes=random_bytes)
            for number in range(10):
                passkey = Passkey(bytes([number]), olga.id, "Phone", b"", 0, number, None)
                await insert_passkey(session, passkey)
            self.ids["passkey_id"] = passkey.passkey_id
            await session.commit()
        await database.close()

    async def begin_app(self) -> None:
        """Begin to set up an app for one-time codes, so that its page has something to show."""
        shown = Page((await self.client.get("/security/app/new", headers=self.owner)).text)
        form = shown.form("/security/app")
        begun = await self.client.post("/security/app", data=form.values, headers=self.owner)
        assert begun.headers["location"] == "/security/app", begun.text
        self.client.cookies.clear()

    def address(self, route: str) -> str:
        """An address of a route, where there is something to see."""

        def value(found: re.Match[str]) -> str:
            name = found[1]
            if name == "account_id" and route.endswith(("/approve", "/decline", "/enable")):
                return self.ids["asking"]
            if name == "token" and route.startswith("/reset-password"):
                return RESET
            assert name in self.ids, f"teach this test what {name} in {route} is"
            return self.ids[name]

        return re.sub(r"\{(\w+):str\}", value, route)


def routes() -> list[str]:
    """Every address that shows a page."""
    # Routes need no more of the control plane than its settings.
    app = create_pages(SimpleNamespace(settings=Settings()))  # type: ignore[arg-type]
    found = [route.path for route in app.routes if "GET" in getattr(route, "methods", ())]
    return [path for path in found if path not in DOWNLOADS and not path.startswith("/static/")]


async def test_no_page_asks_more_than_five_questions(tmp_path: Path):
    settings = data.settings_of(tmp_path / "data")
    async with in_process(settings) as client:
        world = World(client, settings.data_dir)
        await world.fill()
        asked = {}
        for route in routes():
            who = world.operator if route.startswith("/operator") else world.owner
            with counted() as statements:
                answer = await client.get(world.address(route), headers=who)
            assert answer.status_code == (303 if route in LEADING else 200), (route, answer.text)
            asked[route] = statements
            client.cookies.clear()
    assert "/accounts/{account_id:str}/users/{user_id:str}/remove" in asked
    assert max(len(statements) for statements in asked.values()) > 1, "they are counted"
    too_many = {route: statements for route, statements in asked.items() if len(statements) > MOST}
    assert not too_many, "\n".join(f"{route}: " + "\n   ".join(each) for route, each in too_many.items())


async def test_pages_further_on_and_filters_ask_no_more(tmp_path: Path):
    settings = data.settings_of(tmp_path / "data")
    async with in_process(settings) as client:
        world = World(client, settings.data_dir)
        await world.fill()
        base = f"/accounts/{world.ids['account_id']}"
        first = (await client.get(f"{base}/users", headers=world.owner)).text
        following = re.search(r'href="([^"]+\?after=[^"]+)"', first)
        assert following is not None
        for path in (
            following[1],
            f"{base}/activity?before=700",
            f"{base}/activity?kind=users&who=olga&from=2026-01-01&to=9999-12-31",
        ):
            with counted() as statements:
                answer = await client.get(path, headers=world.owner)
            assert answer.status_code == 200, answer.text
            assert 1 < len(statements) <= MOST, (path, statements)
