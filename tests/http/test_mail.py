"""Who is mailed what, by the real server: over SMTP, and as files. Mail that fails never fails what it tells of."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from support import data
from support.mail import MailServer, all_mail, mail_server, mail_to, waiting
from support.server import PASSWORD, Answer, Caller, Server, run_cli, running, wait_until

SENDER = "Keywright <keys@platform.example>"
LATER_MS = 4_000_000_000_000


@pytest.fixture(scope="module")
def taker() -> Iterator[MailServer]:
    with mail_server() as found:
        yield found


@pytest.fixture(scope="module")
def sending(tmp_path_factory: pytest.TempPathFactory, taker: MailServer) -> Iterator[Server]:
    """A server that mails over SMTP."""
    folder = tmp_path_factory.mktemp("sending") / "data"
    with running(folder, KEYWRIGHT_SMTP_URL=taker.url, KEYWRIGHT_MAIL_FROM=SENDER) as server:
        yield server


class Post:
    """Mail of a server, whichever way it leaves."""

    def __init__(self, server: Server, taker: MailServer | None) -> None:
        self.server = server
        self.taker = taker
        self._seen: set[str] = set()

    def new(self) -> list[EmailMessage]:
        """What left since the last look, by address."""
        wait_until(lambda: not waiting(self.server), what="all mail leaves")
        mails = all_mail(self.server) if self.taker is None else [mail for _, mail in self.taker.taken]
        new = [mail for mail in mails if mail["Message-ID"] not in self._seen]
        assert len({mail["Message-ID"] for mail in new}) == len(new), "one copy of each"
        self._seen |= {str(mail["Message-ID"]) for mail in new}
        return sorted(new, key=lambda mail: str(mail["To"]))


@pytest.fixture(scope="module", params=["smtp", "files"])
def post(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    if request.param == "smtp":
        server, taker = request.getfixturevalue("sending"), request.getfixturevalue("taker")
        add_operator(server, "maria@platform.example")
        yield Post(server, taker)
    else:
        with running(tmp_path_factory.mktemp("files") / "data") as server:
            add_operator(server, "maria@platform.example")
            yield Post(server, None)


def add_operator(server: Server, email: str) -> None:
    person = f"usr_{email}"
    data.change(server.data_dir, "INSERT INTO people (id, email, created_at) VALUES (?, ?, 1)", person, email)
    data.change(server.data_dir, "INSERT INTO operators (person_id, name, created_at) VALUES (?, 'Maria', 1)", person)


def recipients(mails: list[EmailMessage]) -> list[str]:
    return [str(mail["To"]) for mail in mails]


def create(server: Server, account: str, caller: Caller, email: str, label: str | None = None) -> Answer:
    body = {"email": email} | ({"label": label} if label else {})
    made = server.call("POST", f"/v1/accounts/{account}/credentials", body, caller=caller)
    assert made.status == 201, made.text
    return made


def assert_kept_to_itself(post: Post, *secrets: str) -> None:
    """Links and secrets are in no log and no database file, addresses in no line on mail."""
    server = post.server
    stored = dict(data.stored_bytes(server.data_dir))
    for secret in secrets:
        assert secret not in server.log
        assert not [name for name, content in stored.items() if secret.encode() in content]
    assert "@acme.example" not in "".join(line for line in server.log.splitlines() if '"mail_' in line)


def test_an_invitation_is_mailed_with_the_link_to_its_page(post: Post):
    server, account = post.server, post.server.account(enabled=False, name="Acme Ltd")
    body = {"email": "otto@acme.example", "name": "Otto", "role": "owner"}
    post.new()
    invited = server.call("POST", f"/v1/accounts/{account}/users", body, caller=server.operator)
    (mail,) = post.new()
    assert (mail["To"], mail["Subject"]) == ("otto@acme.example", "Your invitation to Acme Ltd")
    (link,) = re.findall(r"http\S+", mail.get_content())
    assert link == invited.json["invitationUrl"]
    assert link.startswith(f"{server.control}/invitations/kwi_")
    token = link.rpartition("/")[2]
    assert_kept_to_itself(post, token)
    assert server.call("POST", f"/v1/invitations/{token}", {"password": PASSWORD}).status == 204
    where = "the mail server 127.0.0.1" if post.taker else f".eml files in {server.data_dir / 'mail'}"
    assert f'"by": "{where}' in server.log


def test_managers_and_the_user_are_told_of_every_change(post: Post):
    server, account = post.server, post.server.account(enabled=False, name="Zenith Ltd")
    nora = server.person(account, "owner", "nora@acme.example")
    server.person(account, "owner", "omar@acme.example")
    server.person(account, "admin", "anna@acme.example")
    users, body = f"/v1/accounts/{account}/users", {"email": "puppet@evil.example", "name": "P", "role": "owner"}
    post.new()

    def told() -> list[tuple[str, str]]:
        return [(str(mail["To"]), str(mail["Subject"])) for mail in post.new()]

    puppet = server.call("POST", users, body, caller=server.operator).json["userId"]
    assert told() == [
        ("nora@acme.example", "New user in Zenith Ltd"),
        ("omar@acme.example", "New user in Zenith Ltd"),
        ("puppet@evil.example", "Your invitation to Zenith Ltd"),
    ]
    change = server.call("PATCH", f"{users}/{nora.user_id}", {"role": "viewer"}, caller=server.operator)
    assert change.status == 200
    assert told() == [
        ("nora@acme.example", "Your role in Zenith Ltd was changed"),
        ("omar@acme.example", "Role changed in Zenith Ltd"),
    ]
    assert server.call("DELETE", f"{users}/{nora.user_id}", caller=server.operator).status == 204
    assert told() == [
        ("nora@acme.example", "You were removed from Zenith Ltd"),
        ("omar@acme.example", "User removed in Zenith Ltd"),
    ]
    for command in (("set-role", account, puppet, "--role", "viewer"), ("remove", account, puppet)):
        done = run_cli("user", *command, data_dir=server.data_dir)
        assert done.returncode == 0, done.stderr
        (manager, _), (them, _) = told()
        assert (manager, them) == ("omar@acme.example", "puppet@evil.example")


def test_api_access_asked_for_and_decided_is_mailed(post: Post):
    server, account = post.server, post.server.account(enabled=False, name="Acme Ltd")
    ada = server.person(account, "owner", "ada@acme.example")
    server.person(account, "admin", "ben@acme.example")
    server.person(account, "viewer", "vera@acme.example")
    managers = ["ada@acme.example", "ben@acme.example"]
    request, decision = f"/v1/accounts/{account}/api-access/requests", f"/v1/accounts/{account}/api-access"
    post.new()
    assert server.call("POST", request, {"message": "For our shop.\nThanks"}, caller=ada).status == 202
    (mail,) = post.new()
    assert (mail["To"], mail["Subject"]) == ("maria@platform.example", "Acme Ltd asks for API access")
    assert "ada@acme.example asks" in mail.get_content()
    assert "\n  For our shop.\n  Thanks\n" in mail.get_content()
    refusal = {"enabled": False, "reason": "The contract is not signed."}
    assert server.call("PUT", decision, refusal, caller=server.operator).status == 200
    mails = post.new()
    assert recipients(mails) == managers
    assert all("declined" in mail["Subject"] for mail in mails)
    assert all("\n  The contract is not signed.\n" in mail.get_content() for mail in mails)
    assert server.call("POST", request, {}, caller=ada).status == 202
    assert recipients(post.new()) == ["maria@platform.example"]
    assert server.call("PUT", decision, {"enabled": True}, caller=server.operator).status == 200
    mails = post.new()
    assert recipients(mails) == managers
    assert all(f"{server.control}/accounts/{account}/api-keys" in mail.get_content() for mail in mails)
    assert server.call("PUT", decision, {"enabled": True}, caller=server.operator).status == 200
    assert post.new() == [], "nothing changed, so nobody is told"
    assert server.call("PUT", decision, {"enabled": False, "reason": "Unpaid."}, caller=server.operator).status == 200
    mails = post.new()
    assert recipients(mails) == managers
    assert all("switched off" in mail["Subject"] and "\n  Unpaid.\n" in mail.get_content() for mail in mails)


def test_keys_made_and_deleted_are_mailed_once_to_each(post: Post):
    server, account = post.server, post.server.account()
    olga = server.person(account, "owner", "olga@acme.example")
    server.person(account, "admin", "adam@acme.example")
    server.person(account, "viewer", "vic@acme.example")
    managers = ["adam@acme.example", "olga@acme.example"]
    post.new()
    made = create(server, account, olga, "Integration@acme.example", "shop").json
    mails = post.new()
    assert recipients(mails) == ["Integration@acme.example", *managers]
    for mail in mails:
        text = mail.get_content()
        for fact in (made["clientId"], "Integration@acme.example", "olga@acme.example", account, " UTC"):
            assert fact in text
        # Anyone's address can be given for a key: what someone typed goes to the account's own people only.
        assert ("shop" in text) is (mail["To"] in managers)
        assert "cs_" not in text
    create(server, account, olga, "OLGA@acme.example")
    assert recipients(post.new()) == managers
    assert server.delete_key(account, made["clientId"], caller=olga).status == 200
    mails = post.new()
    assert recipients(mails) == ["Integration@acme.example", *managers]
    assert all("deleted" in mail["Subject"] and made["clientId"] in mail.get_content() for mail in mails)
    assert server.delete_key(account, made["clientId"], caller=olga).status == 404
    assert post.new() == []
    assert_kept_to_itself(post, made["clientSecret"])


def test_what_the_command_line_does_is_mailed_as_well(post: Post):
    server, account = post.server, post.server.account()
    owner = server.person(account, "owner", "ottilie@acme.example")
    made = create(server, account, owner, "ottilie@acme.example").json
    post.new()
    for command in (("credential", "delete", account, made["clientId"], "--yes"), ("access", "disable", account)):
        done = run_cli(*command, data_dir=server.data_dir)
        assert done.returncode == 0, done.stderr
        assert recipients(post.new()) == ["ottilie@acme.example"]


def test_mail_over_smtp_has_a_sender_and_leaves_no_file(sending: Server, taker: MailServer):
    server_account = sending.account()
    sending.person(server_account, "owner", "sender@acme.example")
    wait_until(lambda: "sender@acme.example" in taker.recipients)
    mail = next(mail for _, mail in taker.taken if mail["To"] == "sender@acme.example")
    assert mail["From"] == SENDER
    assert mail["Message-ID"].startswith("<mail_")
    assert mail["Message-ID"].endswith("@platform.example>")
    assert not (sending.data_dir / "mail").exists()


def test_a_mail_server_that_is_down_fails_nothing(tmp_path_factory: pytest.TempPathFactory):
    with mail_server() as gone:
        url, port = gone.url, gone.port
    folder = tmp_path_factory.mktemp("down") / "data"
    # Bound and not listened to: whoever connects is refused, and nobody else gets the port meanwhile.
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", port))
    with held, running(folder, KEYWRIGHT_SMTP_URL=url, KEYWRIGHT_MAIL_FROM=SENDER) as server:
        account = server.account()
        owner = server.person(account, "owner", "olga@acme.example")
        made = create(server, account, owner, "integration@acme.example").json
        assert server.delete_key(account, made["clientId"], caller=owner).status == 200
        wait_until(lambda: failed(server) >= 5, what="each was tried")
        assert waiting(server) == 5
        server.kill()
        make_due(server, at=LATER_MS)  # A slow machine takes so long to start that they would be tried before we look.
        server.start()
        assert waiting(server) == 5, "what waits survives the process"
        make_due(server)
        wait_until(lambda: failed(server) >= 5, what="each was tried again")
        held.close()
        with mail_server(port=port) as back:
            make_due(server)
            wait_until(lambda: not waiting(server), what="all mail leaves")
            assert sorted(back.recipients) == ["integration@acme.example"] * 2 + ["olga@acme.example"] * 3
        wait_until(lambda: "keywright_mail_waiting 0.0" in metrics(server))
        assert 'keywright_mail_total{outcome="sent"} 5.0' in metrics(server)
        assert server.stop() == 0


def test_what_waits_when_the_server_is_off_is_sent_when_it_is_on(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("off") / "data"
    made = run_cli("migrate", data_dir=folder)
    assert made.returncode == 0, made.stderr
    account = run_cli("account", "create", "Acme Ltd", "--type", "corporate", "--json", data_dir=folder)
    account_id = re.search(r"acc_\w+", account.stdout)[0]
    added = run_cli("user", "add", account_id, "olga@acme.example", "Olga", "--role", "owner", data_dir=folder)
    assert added.returncode == 0, added.stderr
    with running(folder) as server:
        (mail,) = mail_to(server, "olga@acme.example")
        token = re.search(r"/invitations/(kwi_\w+)", mail.get_content())[1]
        assert server.call("POST", f"/v1/invitations/{token}", {"password": PASSWORD}).status == 204


def test_a_key_is_deleted_also_while_the_keyring_is_gone(tmp_path_factory: pytest.TempPathFactory):
    """An incident must not wait for a mail that cannot be sealed; nor is a new keyring made in the lost one's place."""
    with running(tmp_path_factory.mktemp("lost") / "data") as server:
        account = server.account()
        key = server.key(account, algorithm="hmac-sha256")
        keyring = server.data_dir / "keyring.json"
        wait_until(lambda: not waiting(server))
        keyring.rename(server.data_dir / "elsewhere.json")
        deleted = run_cli("credential", "delete", account, key.client_id, "--yes", data_dir=server.data_dir)
        assert deleted.returncode == 0, deleted.stderr
        assert not keyring.exists()
        assert waiting(server) == 0
        (server.data_dir / "elsewhere.json").rename(keyring)


def test_settings_of_mail_are_checked_and_the_password_is_masked(tmp_path_factory: pytest.TempPathFactory):
    file = tmp_path_factory.mktemp("settings") / "keywright.toml"
    file.write_text('smtp_url = "smtp://kw:hush-hush@mail.example.com"\nmail_from = "Keys <keys@example.com>"\n')
    shown = run_cli("settings", "--config", str(file))
    assert shown.returncode == 0, shown.stderr
    assert "smtp://kw:***@mail.example.com" in shown.stdout
    assert "hush" not in shown.stdout + shown.stderr
    file.write_text('smtp_url = "http://kw:hush-hush@mail.example.com"\nmail_from = "nobody"\n')
    refused = run_cli("settings", "--config", str(file))
    assert refused.returncode != 0
    assert "smtp_url" in refused.stderr
    assert "mail_from" in refused.stderr
    assert "hush" not in refused.stdout + refused.stderr


def make_due(server: Server, *, at: int = 0) -> None:
    data.change(server.data_dir, "UPDATE outgoing_mail SET next_attempt_at = ?", at)


def failed(server: Server) -> float:
    """How many attempts at delivery failed in the server's life."""
    found = re.search(r'^keywright_mail_total\{outcome="failed"\} (\S+)$', metrics(server), re.MULTILINE)
    return float(found[1]) if found else 0.0


def metrics(server: Server) -> str:
    return server.call("GET", "/metrics").text
