"""What people do on the pages again and again, as they do it: by the names of buttons and fields."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

import keywright
from support import data
from support.browser import local
from support.mail import mail_to
from support.server import PASSWORD, Server, run_cli, wait_until


def link_in_mail(server: Server, who: str, path: str) -> str:
    """The newest link in someone's mail that begins with this path, once there is one."""

    def links() -> list[str]:
        found = [link for mail in mail_to(server, who) for link in re.findall(r"http\S+", mail.get_content())]
        return [link for link in (local(server, each) for each in found) if link.startswith(path)]

    wait_until(links, what=f"a mail to {who} with a link to {path}")
    return links()[-1]


def set_password(page: Page, link: str, password: str = PASSWORD) -> None:
    """Follow a link of a mail and choose a password there."""
    page.goto(link)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_role("status").filter(has_text="Your password is set")).to_be_visible()


def relationship_manager(server: Server, page: Page, email: str) -> None:
    """Add someone of the platform, who sets their password at the address that the command prints."""
    added = run_cli("operator", "add", email, "Rita Manager", "--json", data_dir=server.data_dir)
    assert added.returncode == 0, added.stderr
    set_password(page, urlsplit(json.loads(added.stdout)["setPasswordUrl"]).path)


def menu(page: Page, entry: str) -> None:
    """Choose an entry of the account menu."""
    page.locator("details.menu > summary").click()
    page.locator("details.menu .sheet").get_by_text(entry, exact=True).click()


def create_key(page: Page, *, label: str = "", email: str = "", algorithm: str = "") -> keywright.Credential:
    """Create a key from the list, up to the dialog that shows the secret."""
    page.get_by_role("link", name="Create API key").click()
    dialog = page.get_by_role("dialog", name="Create an API key")
    if email:
        dialog.get_by_label("Email").fill(email)
    if label:
        dialog.get_by_label("Label").fill(label)
    if algorithm:
        dialog.get_by_text("Advanced").click()
        dialog.get_by_label(algorithm).check()
    dialog.get_by_role("button", name="Create API key").click()
    return key_shown(page, algorithm="hmac-sha256" if algorithm == "HMAC-SHA256" else "ed25519")


def key_shown(page: Page, *, algorithm: str = "ed25519") -> keywright.Credential:
    """Read the key from the dialog that shows its secret."""
    expect(page.get_by_role("dialog", name="Store your API key now")).to_be_visible()
    values = [page.locator(each).text_content() or "" for each in ("#client-id", "#client-secret")]
    return keywright.Credential(*values, algorithm=algorithm)


def secret_shown(page: Page) -> str:
    """The Client Secret in that dialog, as text."""
    return page.locator("#client-secret").text_content() or ""


def stored(page: Page) -> None:
    """Say that the secret is stored, and close the dialog."""
    page.get_by_label("I have stored it").check()
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def delete_key(page: Page, client_id: str, *, name: str = "", password: str = "") -> None:
    """Delete a key of the list, typing the end of its Client ID."""
    page.get_by_role("link", name=f"Delete the key {name or client_id}").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(client_id)
    dialog.get_by_label("Type the last 4 characters").fill(client_id[-4:])
    if password:
        dialog.get_by_label("Your password").fill(password)
    dialog.get_by_role("button", name="Delete for good").click()


def rows(page: Page) -> Any:
    """The rows of the table."""
    return page.locator("table.rows tbody tr")


def change(server: Server, statement: str, *values: Any) -> None:
    """Change the database file past the server, as time would."""
    data.change(server.data_dir, statement, *values)


def let_proof_grow_old(server: Server, user_id: str) -> None:
    """Let eleven minutes pass since someone proved who they are."""
    change(server, "UPDATE sessions SET proved_at = proved_at - 660000 WHERE person_id = ?", user_id)
