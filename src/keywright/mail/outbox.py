"""Where services leave mail: in the transaction of what it tells of, so that it goes out if and only if that happened.

Links in mail are as good as passwords, so what waits in the database is sealed.
"""

from __future__ import annotations

import json
from collections import OrderedDict, deque

import structlog

from keywright.errors import Unavailable
from keywright.formats import RandomBytes, new_identifier
from keywright.keyring import Sealer
from keywright.mail import store
from keywright.mail.letters import Letter
from keywright.storage import WriteSession

# In one process's memory: a bound against floods, not a count of letters.
MOST_PER_HOUR = 20
_HOUR_MS = 3_600_000
_MOST_ADDRESSES = 10_000
_log = structlog.get_logger("keywright.mail")


class Outbox:
    """Where services leave mail.

    Args:
        sealer: hides what is mailed from whoever reads the database or a backup of it.
        base_url: where people reach the control plane, without a slash at the end; links begin with it.
        random_bytes: makes identifiers and seals.
    """

    def __init__(self, sealer: Sealer, base_url: str, random_bytes: RandomBytes) -> None:
        self.base_url = base_url
        self._sealer = sealer
        self._random_bytes = random_bytes
        self._left_at: OrderedDict[str, deque[int]] = OrderedDict()  # the longest untouched first

    async def put(self, session: WriteSession, *letters: Letter) -> None:
        """Leave mail to be sent. What cannot be left is logged, and never fails what the mail tells of.

        That is so when the keyring cannot seal, and for the letters to one address beyond `MOST_PER_HOUR`: whoever may
        create keys or invite people may name any address, and must not be able to flood it. Warnings are not counted.

        Args:
            session: the transaction of what the mail tells of.
            *letters: the mail.
        """
        for letter in letters:
            if not letter.is_warning and self._too_many(letter.to.lower(), session.now_ms):
                _log.warning("mail_not_queued", subject=letter.subject, reason="too many for one address in an hour")
                continue
            letter_id = new_identifier("mail", self._random_bytes)
            try:
                sealed = self._sealer.seal(write_message(letter), letter_id, self._random_bytes)
            except Unavailable as error:
                _log.error("mail_not_queued", subject=letter.subject, reason=error.private or error.message)
                continue
            await store.insert_mail(session, letter_id, letter.to, sealed)

    def _too_many(self, address: str, now_ms: int) -> bool:
        left_at = self._left_at.setdefault(address, deque(maxlen=MOST_PER_HOUR))
        self._left_at.move_to_end(address)
        if len(self._left_at) > _MOST_ADDRESSES:
            self._left_at.popitem(last=False)
        if len(left_at) == MOST_PER_HOUR and 0 <= now_ms - left_at[0] < _HOUR_MS:
            return True
        left_at.append(now_ms)
        return False


def write_message(letter: Letter) -> bytes:
    """Write what is sealed of a letter."""
    return json.dumps({"subject": letter.subject, "text": letter.text}).encode()


def read_message(to: str, message: bytes) -> Letter:
    """Read a letter whose seal was opened.

    Args:
        to: the address.
        message: as `write_message` wrote it.

    Returns:
        The letter.
    """
    content = json.loads(message)
    return Letter(to, content["subject"], content["text"])
