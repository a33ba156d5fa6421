"""Takes mail from the database to where it goes, again and again until it is there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Literal

import structlog

from keywright.errors import Unavailable
from keywright.keyring import Sealer
from keywright.mail import store
from keywright.mail.letters import Letter
from keywright.mail.outbox import read_message
from keywright.mail.store import WaitingMail
from keywright.mail.transports import NotSent, Transport, Unsendable
from keywright.storage import Database

# What commands on the command line leave is noticed by looking; what this process leaves, by `wake`.
POLL_SECONDS = 2.0
FIRST_RETRY_MS = 30_000
LAST_RETRY_MS = 3_600_000
GIVE_UP_MS = 3 * 86_400_000
# An attempt of a process that died is made anew after this; longer than any attempt takes.
CLAIM_MS = 300_000
_AT_ONCE = 8
_STOP_SECONDS = 5.0

MailOutcome = Literal["sent", "failed", "given_up"]

_log = structlog.get_logger("keywright.mail")


class Postman:
    """Delivers what waits in the outbox. Several may work on one database; each letter is with one of them at a time.

    A letter goes out once, but for one case that no sender can rule out: a crash or a lost answer after the server took
    it and before we noted that. Then a second copy follows, with the same Message-ID.

    Args:
        database: where mail waits.
        sealer: opens what the outbox sealed.
        transport: takes it out.
        count: told the outcome of each attempt.
        poll_seconds: how long to rest between two looks.
    """

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        transport: Transport,
        *,
        count: Callable[[MailOutcome], None],
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._transport = transport
        self._count = count
        self._poll_seconds = poll_seconds
        self._awake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self.waiting = 0

    async def start(self) -> None:
        """Begin to deliver, on the running event loop."""
        _log.info("mail_leaves", by=str(self._transport))
        self._task = asyncio.create_task(self._run())

    def wake(self) -> None:
        """Look now: something was committed."""
        self._awake.set()

    async def stop(self) -> None:
        """End, after the letters that are under way; a letter that takes too long is tried again later."""
        if self._task is None:
            return
        self._stopping = True
        self.wake()
        done, _ = await asyncio.wait([self._task], timeout=_STOP_SECONDS)
        if not done:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def deliver_due(self) -> None:
        """Try every letter whose time has come.

        Raises:
            Unavailable: the database does not answer.
        """
        while not self._stopping:
            async with self._database.read() as session:
                due = await store.due_mail(session, _AT_ONCE)
                self.waiting = await store.count_mail(session)
            if not due:
                return
            # Side by side, so that one letter that takes its time holds up few others.
            faults = await asyncio.gather(*map(self._deliver, due), return_exceptions=True)
            for fault in faults:
                if fault is not None:
                    raise fault

    async def _run(self) -> None:
        while not self._stopping:
            self._awake.clear()
            try:
                await self.deliver_due()
            except Unavailable as error:
                _log.warning("mail_waits", reason=error.private or error.message)
            except Exception:  # noqa: BLE001 - whatever it was: mail must still go out afterwards
                _log.exception("mail_delivery_failed")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), self._poll_seconds)

    async def _deliver(self, mail: WaitingMail) -> None:
        async with self._database.write() as session:
            now = session.now_ms
            if not await store.claim_mail(session, mail, until=now + CLAIM_MS):
                return
            await session.commit()
        domain = mail.recipient.rpartition("@")[2]
        try:
            letter = self._open(mail)
            await self._transport.send(letter, mail.letter_id, mail.created_at)
        except NotSent as error:
            await self._fail(mail, domain, str(error))
        except Unsendable as error:
            await self._give_up(mail, domain, str(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours with one letter must not be one with all
            await self._fail(mail, domain, f"{type(error).__name__}: {error}")
        else:
            await self._end(mail)
            self._count("sent")
            _log.info("mail_sent", id=mail.letter_id, domain=domain, subject=letter.subject, by=str(self._transport))

    def _open(self, mail: WaitingMail) -> Letter:
        try:
            return read_message(mail.recipient, self._sealer.open(mail.sealed_message, mail.letter_id))
        except Unavailable as error:
            raise Unsendable(error.private or error.message) from error
        except (ValueError, LookupError, TypeError) as error:
            raise Unsendable(f"what was sealed cannot be read ({type(error).__name__})") from error

    async def _fail(self, mail: WaitingMail, domain: str, reason: str) -> None:
        delay = min(FIRST_RETRY_MS << min(mail.attempts, 20), LAST_RETRY_MS)
        async with self._database.write() as session:
            is_too_old = session.now_ms - mail.created_at >= GIVE_UP_MS
            if not is_too_old:
                await store.postpone_mail(session, mail.letter_id, session.now_ms + delay)
                await session.commit()
        if is_too_old:
            await self._give_up(mail, domain, reason)
            return
        self._count("failed")
        _log.warning("mail_not_sent", id=mail.letter_id, domain=domain, reason=reason, next_in_seconds=delay // 1000)

    async def _give_up(self, mail: WaitingMail, domain: str, reason: str) -> None:
        await self._end(mail)
        self._count("given_up")
        _log.error("mail_given_up", id=mail.letter_id, domain=domain, reason=reason, attempts=mail.attempts + 1)

    async def _end(self, mail: WaitingMail) -> None:
        async with self._database.write() as session:
            await store.delete_mail(session, mail.letter_id)
            await session.commit()
