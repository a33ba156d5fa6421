"""The postman, with a real mail server on this host: retries, one copy each, no bad letter that holds up others."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from keywright.keyring import Keyring
from keywright.mail import FolderTransport, Letter, Outbox, Postman, SmtpTransport, Transport, store
from keywright.mail.delivery import CLAIM_MS
from keywright.mail.transports import NotSent
from support.mail import mail_server, parse

SENDER = "Keywright <keys@example.com>"
DAY = 86400


def letter(to: str = "kim@example.com", subject: str = "Hello") -> Letter:
    return Letter(to, subject, "https://keys.example.com/invitations/kwi_5\n")


def smtp(url: str, *, require_tls: bool = True) -> SmtpTransport:
    return SmtpTransport(url, SENDER, require_tls=require_tls)


class Route:
    """A postman and what became of its attempts."""

    def __init__(self, post: Any, transport: Transport) -> None:
        self.post = post
        self.outcomes: list[str] = []
        self.postman = Postman(post.database, post.keyring, transport, count=self.outcomes.append, poll_seconds=0.05)

    async def deliver(self, *, after_seconds: float = 0) -> list[str]:
        """Let time pass, try what is due, and tell the outcomes of that."""
        self.post.now += after_seconds
        before = len(self.outcomes)
        await self.postman.deliver_due()
        return self.outcomes[before:]

    async def waiting(self) -> int:
        async with self.post.database.read() as session:
            return await store.count_mail(session)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_mail_goes_out_in_order_and_is_done_with(post: Any):
    with mail_server() as server:
        route = Route(post, smtp(server.url))
        for number in range(20):
            await post.put(letter(f"kim{number:02}@example.com"))
            post.now += 1
        with capture_logs() as logged:
            assert await route.deliver() == ["sent"] * 20
        assert sorted(server.recipients) == [f"kim{number:02}@example.com" for number in range(20)]
        assert set(server.recipients[:8]) == {f"kim{number:02}@example.com" for number in range(8)}
        envelope, mail = server.taken[0]
        assert envelope.mail_from == "keys@example.com"
        assert (mail["From"], mail["Subject"]) == (SENDER, "Hello")
        assert mail.get_content() == letter().text
        assert await route.waiting() == route.postman.waiting == 0
        assert await route.deliver() == []
        assert "kwi_5" not in str(logged)
        assert "kim" not in str(logged)


async def test_refused_for_now_then_taken_is_one_copy(post: Any):
    with mail_server() as server:
        server.answers = ["451 later", "452 later still"]
        route = Route(post, smtp(server.url))
        await post.put(letter())
        with capture_logs() as logged:
            assert await route.deliver() == ["failed"]
        assert "451" in str(logged)
        assert "kim" not in str(logged)
        assert await route.deliver(after_seconds=29) == []
        assert await route.deliver(after_seconds=1) == ["failed"]
        assert await route.deliver(after_seconds=59) == []
        assert await route.deliver(after_seconds=1) == ["sent"]
        assert server.recipients == ["kim@example.com"]
        assert await route.waiting() == 0


async def test_a_server_that_is_down_is_tried_for_three_days(post: Any):
    with mail_server() as server:
        address = server.url
    route = Route(post, smtp(address))
    await post.put(letter())
    attempts, waits, began = 0, [], post.now
    with capture_logs() as logged:
        while await route.waiting():
            outcome = await route.deliver()
            attempts += 1
            async with post.database.write() as session:
                session.now_ms += 10 * DAY * 1000
                (mail, *_) = [*await store.due_mail(session, 1), None]
            if mail is not None:
                waits.append(mail.next_attempt_at / 1000 - post.now)
                post.now = mail.next_attempt_at / 1000
    assert waits[:9] == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert set(waits[7:]) == {3600}
    assert outcome == ["given_up"]
    assert 3 * DAY <= post.now - began < 3 * DAY + 3600
    assert logged[-1]["event"] == "mail_given_up"
    assert (logged[-1]["log_level"], logged[-1]["domain"], logged[-1]["attempts"]) == ("error", "example.com", attempts)
    assert "kim" not in str(logged)


async def test_it_is_sent_when_the_server_comes_back(post: Any):
    with mail_server() as server:
        port = server.port
    route = Route(post, smtp(f"smtp://127.0.0.1:{port}"))
    await post.put(letter())
    assert await route.deliver() == ["failed"]
    with mail_server(port=port) as server:
        assert await route.deliver(after_seconds=30) == ["sent"]
        assert server.recipients == ["kim@example.com"]


async def test_one_bad_letter_holds_up_no_other(post: Any):
    with mail_server() as server:
        server.refused = {"gone@example.com": "550 <gone@example.com> nobody here"}
        route = Route(post, smtp(server.url))
        await post.put(letter("not an address\n@example.com"), letter("gone@example.com"), letter(subject="two\nlines"))
        await post.put(letter("j\u00f6rg@example.com"), letter("kim@b\u00fccher.example"))
        async with post.database.write() as session:  # one sealed under a key that is gone, one that is no seal at all
            stranger = Outbox(Keyring("k9", {"k9": b"9" * 32}), "https://keys.example.com", os.urandom)
            await stranger.put(session, letter("lost@example.com"))
            await store.insert_mail(session, "mail_x", "junk@example.com", b"")
            await store.insert_mail(
                session, "mail_y", "list@example.com", post.keyring.seal(b"[]", "mail_y", os.urandom)
            )
            await session.commit()
        await post.put(*(letter(f"kim{number}@example.com") for number in range(9)))
        with capture_logs() as logged:
            outcomes = await route.deliver()
        assert sorted(outcomes) == ["failed"] + ["given_up"] * 5 + ["sent"] * 11
        expected = {f"kim{number}@example.com" for number in range(9)} | {
            "kim@xn--bcher-kva.example",
            "j\u00f6rg@example.com",
        }
        assert set(server.recipients) == expected
        assert await route.waiting() == 1
        assert "gone@" not in str(logged)
        assert "550" in str(logged)


async def test_an_address_that_the_server_cannot_take_loses_no_other_mail(post: Any):
    with mail_server(utf8_addresses=False) as server:
        route = Route(post, smtp(server.url))
        await post.put(letter("j\u00f6rg@example.com"), letter())
        assert sorted(await route.deliver()) == ["failed", "sent"]
        assert server.recipients == ["kim@example.com"]


async def test_two_postmen_send_one_copy_each(post: Any):
    with mail_server() as server:
        routes = [Route(post, smtp(server.url)) for _ in range(3)]
        await post.put(*(letter(f"kim{number}@example.com") for number in range(20)))
        await asyncio.gather(*(route.deliver() for route in routes))
        assert sorted(server.recipients) == sorted(f"kim{number}@example.com" for number in range(20))
        assert sum(len(route.outcomes) for route in routes) == 20


async def test_what_a_dead_process_had_begun_is_begun_anew(post: Any):
    await post.put(letter())
    async with post.database.write() as session:
        (mail,) = await store.due_mail(session, 1)
        assert await store.claim_mail(session, mail, until=session.now_ms + CLAIM_MS)
        assert not await store.claim_mail(session, mail, until=session.now_ms + CLAIM_MS)
        await session.commit()
    with mail_server() as server:
        route = Route(post, smtp(server.url))
        assert await route.deliver() == []
        assert await route.deliver(after_seconds=CLAIM_MS / 1000) == ["sent"]
        assert len(server.taken) == 1


async def test_how_the_server_parts_makes_no_second_copy(post: Any):
    with mail_server() as server:
        server.answer_to_quit = "421 no"
        route = Route(post, smtp(server.url))
        await post.put(letter())
        assert await route.deliver() == ["sent"]
        assert len(server.taken) == 1


async def test_a_fault_of_ours_with_one_letter_is_tried_again(post: Any):
    class Broken:
        async def send(self, letter: Letter, _letter_id: str, _written_at_ms: int) -> None:
            if letter.to.startswith("bad"):
                raise RuntimeError("a fault of ours")

    route = Route(post, Broken())
    await post.put(letter("bad@example.com"), letter())
    assert sorted(await route.deliver()) == ["failed", "sent"]
    assert await route.waiting() == 1


# --- the running task ------------------------------------------------------------------------------------------------


async def test_a_running_postman_is_woken_looks_by_itself_and_ends(post: Any):
    with mail_server() as server:
        route = Route(post, smtp(server.url))
        await route.postman.start()
        await asyncio.sleep(0.2)  # it has found nothing by now
        await post.put(letter("polled@example.com"))
        await until(lambda: server.recipients == ["polled@example.com"])
        route.postman._poll_seconds = 60
        await asyncio.sleep(0.2)
        await post.put(letter("woken@example.com"))
        route.postman.wake()
        await until(lambda: len(server.taken) == 2)
        await route.postman.stop()
        await post.put(letter("late@example.com"))
        route.postman.wake()
        await asyncio.sleep(0.2)
        assert len(server.taken) == 2
        assert await route.waiting() == 1


async def test_ending_waits_for_the_letter_under_way(post: Any):
    with mail_server() as server:
        begun = []
        server.before_answering = lambda: (begun.append(1), time.sleep(0.5))
        route = Route(post, smtp(server.url))
        await post.put(letter())
        await route.postman.start()
        await until(lambda: bool(begun))
        await route.postman.stop()
        assert route.outcomes == ["sent"]
        assert await route.waiting() == 0


async def test_a_database_that_fails_for_a_while_stops_nothing(post: Any, monkeypatch: pytest.MonkeyPatch):
    with mail_server() as server:
        route = Route(post, smtp(server.url))
        original, calls = store.due_mail, []

        async def failing(session: Any, limit: int) -> Any:
            calls.append(1)
            if len(calls) <= 3:
                raise RuntimeError("gone for a while")
            return await original(session, limit)

        monkeypatch.setattr(store, "due_mail", failing)
        await post.put(letter())
        await route.postman.start()
        await until(lambda: len(server.taken) == 1)
        await route.postman.stop()


# --- TLS and passwords -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of `mail.example.com` for itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.example.com")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("mail.example.com")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "mail.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


async def test_starttls_is_used_when_it_is_offered(post: Any, certificate: Path):
    with mail_server(certificate=certificate) as server:
        route = Route(post, smtp(server.url))
        await post.put(letter())
        assert await route.deliver() == ["sent"]
        assert server.was_encrypted == [True]


async def test_tls_from_the_first_byte(post: Any, certificate: Path):
    with mail_server(certificate=certificate, at_once=True) as server:
        route = Route(post, smtp(server.url.replace("smtp:", "smtps:")))
        await post.put(letter())
        assert await route.deliver() == ["sent"]
        assert server.was_encrypted == [True]


async def test_user_and_password(post: Any, certificate: Path):
    with mail_server(certificate=certificate, password="p@ss/word:1") as server:
        await post.put(letter())
        wrong = Route(post, smtp(f"smtp://kw:wrong-one@127.0.0.1:{server.port}"))
        with capture_logs() as logged:
            assert await wrong.deliver() == ["failed"]
        assert "wrong-one" not in str(logged)
        assert "535" in str(logged)
        right = Route(post, smtp(f"smtp://kw%40example.com:p%40ss%2Fword%3A1@127.0.0.1:{server.port}"))
        assert await right.deliver(after_seconds=30) == ["sent"]
        assert len(server.taken) == 1


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """This host, taken for another one: what loopback is spared is asked for."""
    monkeypatch.setattr("keywright.mail.transports._is_loopback", lambda _host: False)


@pytest.mark.usefixtures("elsewhere")
async def test_a_server_elsewhere_must_offer_tls_and_be_who_it_says(
    post: Any, certificate: Path, monkeypatch: pytest.MonkeyPatch
):
    text = letter()
    with mail_server() as server:
        with pytest.raises(NotSent, match="STARTTLS"):
            await smtp(server.url).send(text, "mail_1", 0)
        await smtp(server.url, require_tls=False).send(text, "mail_1", 0)
        assert server.was_encrypted == [False]
    with mail_server(certificate=certificate) as server:
        for require_tls in (True, False):
            with pytest.raises(NotSent, match="certificate verify failed"):
                await smtp(server.url, require_tls=require_tls).send(text, "mail_1", 0)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with pytest.raises(NotSent, match="IP address mismatch"):
            await smtp(server.url).send(text, "mail_1", 0)
        assert server.taken == []


# --- files -----------------------------------------------------------------------------------------------------------


async def test_without_a_server_mail_is_left_as_files(post: Any, tmp_path: Path):
    folder = tmp_path / "out" / "mail"
    route = Route(post, FolderTransport(folder, None))
    await post.put(letter())
    post.now += 1
    await post.put(letter("j\u00f6rg@example.com"))
    with capture_logs() as logged:
        assert await route.deliver() == ["sent", "sent"]
    assert folder.stat().st_mode & 0o777 == 0o700
    files = sorted(folder.iterdir())
    assert [file.suffix for file in files] == [".eml", ".eml"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert [parse(file.read_bytes())["To"] for file in files] == ["kim@example.com", "j\u00f6rg@example.com"]
    assert parse(files[0].read_bytes()).get_content() == letter().text
    assert "kwi_5" not in str(logged)
    assert all(line["by"] == f".eml files in {folder}" for line in logged)


async def test_a_file_that_was_left_before_a_crash_is_left_once(post: Any, tmp_path: Path):
    transport = FolderTransport(tmp_path / "mail", SENDER)
    for _ in range(2):
        await transport.send(letter(), "mail_1", 1_000_000_123)
    (file,) = (tmp_path / "mail").iterdir()
    assert file.name == "19700112T134640.123-mail_1.eml"
    (tmp_path / "mail" / "19700112T134640.123-mail_2.part").write_text("half")
    await transport.send(letter(), "mail_2", 1_000_000_123)
    assert [each.suffix for each in (tmp_path / "mail").iterdir()] == [".eml", ".eml"]


async def test_a_folder_that_cannot_be_written_is_tried_again(post: Any, tmp_path: Path):
    (tmp_path / "mail").write_text("a file where the folder should be")
    route = Route(post, FolderTransport(tmp_path / "mail", None))
    await post.put(letter())
    with capture_logs() as logged:
        assert await route.deliver() == ["failed"]
    assert "mend the folder" in str(logged)
    (tmp_path / "mail").unlink()
    assert await route.deliver(after_seconds=30) == ["sent"]
