"""The two ways in which mail leaves: over SMTP, or as .eml files in a folder for someone to send on."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import re
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib

from keywright.mail.letters import Letter

_STEP_SECONDS = 30
# Longer than a patient server takes for all steps; less than a claim on a letter lasts (see delivery.py).
_SEND_SECONDS = 120
_QUIT_SECONDS = 5
_DOMAIN = re.compile(r"[A-Za-z0-9_.-]+\Z")
_PORTS = {"smtp": 587, "smtps": 465}


class NotSent(Exception):
    """It did not work this time. The message says why, without the recipient's address."""


class Unsendable(Exception):
    """It never will: the letter cannot be written as a mail. The message says why, without the address."""


class Transport(Protocol):
    """Takes mail out of the house."""

    async def send(self, letter: Letter, letter_id: str, written_at_ms: int) -> None:
        """Send a letter.

        Args:
            letter: what to send.
            letter_id: the same each time this letter is tried, so that receivers can tell a second copy.
            written_at_ms: when it was written, milliseconds since 1970 UTC.

        Raises:
            NotSent: it may work later.
            Unsendable: it never will.
        """


class SmtpTransport:
    """Hands mail to a mail server.

    Args:
        url: `smtp://user:password@host:port`, or `smtps://` for TLS from the first byte; only the host must be there.
        sender: the From address, with a name or without.
        require_tls: refuse a server elsewhere that does not offer STARTTLS. On this host mail may go in clear.
    """

    def __init__(self, url: str, sender: str, *, require_tls: bool) -> None:
        parts = urlsplit(url)
        self._sender = sender
        self._host = parts.hostname or "localhost"
        self._port = parts.port or _PORTS[parts.scheme]
        self._username = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._tls_at_once = parts.scheme == "smtps"
        self._is_here = _is_loopback(self._host)
        self._require_tls = require_tls and not self._is_here

    def __str__(self) -> str:
        return f"the mail server {self._host}, port {self._port}"

    async def send(self, letter: Letter, letter_id: str, written_at_ms: int) -> None:
        """Send a letter; see `Transport.send`."""
        message = compose(letter, letter_id, written_at_ms, self._sender)
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._username,
            password=self._password,
            timeout=_STEP_SECONDS,
            use_tls=self._tls_at_once,
            start_tls=False if self._tls_at_once else (True if self._require_tls else None),
            # Nobody sits between us and this very host, and its mail server seldom has a certificate for `localhost`.
            validate_certs=not self._is_here,
        )
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await client.connect()
                await client.send_message(
                    message, sender=parseaddr(self._sender)[1], recipients=[message["To"].addresses[0].addr_spec]
                )
            # The server has it now. However we part, it must not count as not sent: then it would go out twice.
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=_QUIT_SECONDS)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise NotSent(_why(error)) from error
        except ValueError as error:
            raise Unsendable(type(error).__name__) from error
        finally:
            client.close()


class FolderTransport:
    """Leaves mail as .eml files.

    Args:
        folder: receives one file per letter; made when needed, for its owner only.
        sender: the From address, or None to leave it out.
    """

    def __init__(self, folder: Path, sender: str | None) -> None:
        self._folder = folder
        self._sender = sender

    def __str__(self) -> str:
        return f".eml files in {self._folder}"

    async def send(self, letter: Letter, letter_id: str, written_at_ms: int) -> None:
        """Leave a letter; see `Transport.send`."""
        message = compose(letter, letter_id, written_at_ms, self._sender)
        is_ascii = message["To"].addresses[0].addr_spec.isascii()
        # Named by letter, so that a second attempt replaces the first one's file.
        name = f"{datetime.fromtimestamp(written_at_ms // 1000, UTC):%Y%m%dT%H%M%S}.{written_at_ms % 1000:03}"
        file = self._folder / f"{name}-{letter_id}.eml"
        try:
            await asyncio.to_thread(_write, file, message.as_bytes(policy=SMTP if is_ascii else SMTPUTF8))
        except OSError as error:
            raise NotSent(f"{self._folder} cannot be written ({error.strerror}); mend the folder's rights") from error


def compose(letter: Letter, letter_id: str, written_at_ms: int, sender: str | None) -> EmailMessage:
    """Write a letter as a mail.

    Args:
        letter: the letter.
        letter_id: becomes its Message-ID.
        written_at_ms: becomes its date, milliseconds since 1970 UTC.
        sender: the From address, or None.

    Returns:
        The mail.

    Raises:
        Unsendable: the address or subject cannot stand in a header; line ends in them, for example.
    """
    message = EmailMessage()
    try:
        local, _, domain = letter.to.rpartition("@")
        domain = domain.encode("idna").decode()
        if not local or not _DOMAIN.match(domain):
            raise Unsendable("the address is none")
        message["To"] = Address(username=local, domain=domain)
        message["Subject"] = letter.subject
        if sender is not None:
            message["From"] = sender
        message["Date"] = format_datetime(datetime.fromtimestamp(written_at_ms / 1000, UTC))
        message["Message-ID"] = f"<{letter_id}@{parseaddr(sender or '')[1].rpartition('@')[2] or 'localhost'}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834 section 5: no holiday replies, please
        message.set_content(letter.text)
    except (ValueError, MessageError) as error:
        raise Unsendable(f"address or subject cannot stand in a mail's header ({type(error).__name__})") from error
    return message


def _why(error: Exception) -> str:
    """Say what went wrong without the server's words, which may hold the recipient's address."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return f"SMTPRecipientsRefused {error.recipients[0].code}"
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{type(error).__name__} {error.code}"
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        return "SMTPNotSupported: the address is not ASCII, and the server does not take SMTPUTF8"
    return f"{type(error).__name__}: {error}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = file.with_suffix(".part")
    beside.unlink(missing_ok=True)
    # An invitation's link is as good as a password: for the owner of the data directory only.
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())  # its row in the database ends next, and that lasts
    beside.replace(file)
