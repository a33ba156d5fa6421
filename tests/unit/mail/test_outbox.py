"""Mail waits sealed, and only if what it tells of happened."""

from __future__ import annotations

import os
from typing import Any

import pytest
from structlog.testing import capture_logs

from keywright.errors import Unavailable
from keywright.keyring import NoKeyring
from keywright.mail import Letter, Outbox, letters, store
from keywright.mail.outbox import read_message

TOKEN = "kwi_" + "5" * 64
INVITATION = letters.invitation(
    "kim@example.com", "https://keys.example.com", token=TOKEN, account_name="Acme", by="maria", lasts_seconds=86400
)


async def test_what_waits_can_be_read_by_nobody_without_the_keyring(post: Any):
    await post.put(INVITATION)
    files = [file for file in post.database.file.parent.iterdir() if file.name.startswith(post.database.file.name)]
    assert {file.suffix for file in files} >= {".db", ".db-wal"}
    content = b"".join(file.read_bytes() for file in files)
    assert b"kim@example.com" in content, "the address is not sealed, so this looks at the right files"
    for secret in (TOKEN.encode(), b"/invitations/", b"has added you", INVITATION.subject.encode()):
        assert secret not in content
    async with post.database.read() as session:
        (mail,) = await store.due_mail(session, 10)
    assert read_message(mail.recipient, post.keyring.open(mail.sealed_message, mail.letter_id)) == INVITATION


async def test_a_seal_belongs_to_its_letter(post: Any):
    await post.put(INVITATION, INVITATION)
    async with post.database.read() as session:
        first, second = await store.due_mail(session, 10)
    assert first.sealed_message != second.sealed_message
    with pytest.raises(Unavailable):
        post.keyring.open(first.sealed_message, second.letter_id)


async def test_what_is_undone_is_not_mailed(post: Any):
    async with post.database.write() as session:
        await post.outbox.put(session, INVITATION)
    async with post.database.read() as session:
        assert await store.count_mail(session) == 0


async def test_a_keyring_that_cannot_seal_fails_nothing(post: Any):
    outbox = Outbox(NoKeyring(Unavailable("not now", private="the keyring is gone")), "https://x.example", os.urandom)
    with capture_logs() as logged:
        async with post.database.write() as session:
            await outbox.put(session, INVITATION)
            await session.commit()
    assert [(line["event"], line["reason"]) for line in logged] == [("mail_not_queued", "the keyring is gone")]
    assert TOKEN not in str(logged)
    async with post.database.read() as session:
        assert await store.count_mail(session) == 0


def test_a_letter_does_not_show_its_text():
    assert TOKEN not in repr(INVITATION)
    assert "kim@example.com" in repr(Letter("kim@example.com", "s", "t"))
