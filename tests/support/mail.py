"""What a server mails: read from the folder where it leaves .eml files, or taken by a mail server of the tests' own."""

from __future__ import annotations

import contextlib
import email
import email.policy
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope

from support import data
from support.server import Server, wait_until


def waiting(server: Server, who: str | None = None) -> int:
    """How many letters have not left yet: to someone, or to anyone."""
    query = "SELECT count(*) FROM outgoing_mail WHERE recipient = coalesce(?, recipient)"
    return int(data.rows(server.data_dir, query, who)[0][0])


def all_mail(server: Server) -> list[EmailMessage]:
    """All that was left as files, oldest first, once everything has left."""
    wait_until(lambda: not waiting(server), what="all mail leaves")
    return [parse(file.read_bytes()) for file in _files(server)]


def mail_to(server: Server, who: str) -> list[EmailMessage]:
    """All that was left as files for someone, oldest first, once everything for them has left."""
    wait_until(lambda: not waiting(server, who), what=f"mail to {who} leaves")
    return [mail for mail in (parse(file.read_bytes()) for file in _files(server)) if mail["To"] == who]


def _files(server: Server) -> list[Path]:
    found = sorted((server.data_dir / "mail").glob("*.eml"))
    assert all(file.stat().st_mode & 0o077 == 0 for file in found), "an invitation's link is as good as a password"
    return found


def parse(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content.replace(b"\r\n", b"\n"), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


@dataclass
class MailServer:
    """Takes mail, or answers what it is told to instead."""

    answers: list[str] = field(default_factory=list)  # given one by one, in place of taking a letter
    refused: dict[str, str] = field(default_factory=dict)  # answers to recipients that are never taken
    taken: list[tuple[Envelope, EmailMessage]] = field(default_factory=list)
    was_encrypted: list[bool] = field(default_factory=list)
    answer_to_quit: str = "221 bye"
    before_answering: Callable[[], None] = lambda: None
    port: int = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def recipients(self) -> list[str]:
        return [envelope.rcpt_tos[0] for envelope, _ in self.taken]

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_QUIT(self, _server: Any, _session: Any, _envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        return self.answer_to_quit

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        self.before_answering()
        if self.answers:
            return self.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        self.taken.append((envelope, parse(envelope.content)))
        self.was_encrypted.append(bool(session.ssl or server.transport.get_extra_info("sslcontext")))
        return "250 taken"


class _AnyPort(Controller):
    """Listens on a port that the system picks; aiosmtpd would knock at the port that it was given: 0."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextlib.contextmanager
def mail_server(
    *,
    port: int = 0,
    certificate: Path | None = None,
    at_once: bool = False,
    password: str | None = None,
    utf8_addresses: bool = True,
) -> Iterator[MailServer]:
    """Run a mail server on this host.

    Args:
        port: where; 0 picks a free one.
        certificate: file with certificate and key; STARTTLS is offered with it.
        at_once: TLS from the first byte instead.
        password: asked of everyone.
        utf8_addresses: whether addresses may be other than ASCII.
    """
    found = MailServer()
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    options: dict[str, Any] = {}
    if password is not None:
        options = {
            "authenticator": lambda _s, _ss, _e, _m, data: AuthResult(
                success=data.password == password.encode(), handled=False
            ),
            "auth_required": True,
            "auth_require_tls": certificate is not None,
        }
    controller = _AnyPort(
        found,
        hostname="127.0.0.1",
        port=port,
        ssl_context=context if at_once else None,
        tls_context=None if at_once else context,
        enable_SMTPUTF8=utf8_addresses,
        **options,
    )
    try:
        controller.start()
    except OSError:
        # The port is taken. Its loop is left open, and would be blamed on whichever test runs when it is collected.
        controller.loop.close()
        raise
    found.port = controller.port
    try:
        yield found
    finally:
        controller.stop()
