"""Mail to people, left as .eml files in a folder of the data directory for someone to send on."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

import structlog

from keywright.formats import RandomBytes

_log = structlog.get_logger("keywright.mail")


class Mailbox:
    """Where mail goes.

    Args:
        folder: receives one file per message; made when needed, for its owner only.
        random_bytes: makes file names.
    """

    def __init__(self, folder: Path, random_bytes: RandomBytes) -> None:
        self._folder = folder
        self._random_bytes = random_bytes

    async def send(self, *, to: str, subject: str, text: str, now: float) -> None:
        """Leave a message. Failing is logged and never fails what the message tells of.

        Args:
            to: the address.
            subject: one line.
            text: what to say.
            now: seconds since 1970 UTC.
        """
        message = EmailMessage()
        sent_at = datetime.fromtimestamp(now, UTC)
        file = self._folder / f"{sent_at:%Y%m%dT%H%M%S}-{self._random_bytes(6).hex()}.eml"
        try:
            message["Date"] = format_datetime(sent_at)
            message["To"] = to
            message["Subject"] = subject
            message.set_content(text)
            await asyncio.to_thread(_write, file, message.as_bytes())
        except (OSError, ValueError) as error:
            _log.error("mail_not_left", folder=str(self._folder), reason=str(error))
        else:
            _log.info("mail_left", file=str(file), subject=subject)


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # An invitation's link is as good as a password: for the owner of the data directory only.
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
