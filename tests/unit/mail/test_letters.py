"""What mails say, and that they can be sent as they are."""

from __future__ import annotations

import email
import email.policy
import re

import pytest

from keywright.mail import Letter, letters
from keywright.mail.letters import KeyNews, UserNews
from keywright.mail.transports import Unsendable, compose

BASE = "https://keys.example.com"
AT_MS = 1_795_000_000_000  # 2026-11-18 11:06:40 UTC
ABOUT = {"account_id": "acc_1", "account_name": "Acme Ltd"}
NEWS = KeyNews("ck_1", "shop, live", "int@acme.example", "acc_1", "Acme Ltd", "olga@acme.example", AT_MS)
USER = UserNews(
    "lee@acme.example", "Viewer", None, "acc_1", "Acme Ltd", "maria@bank.example, relationship manager", AT_MS
)
CHANGED = UserNews("lee@acme.example", "Viewer", "Owner", "acc_1", "Acme Ltd", "olga@acme.example", AT_MS)
USERS_PAGE = f"{BASE}/accounts/acc_1/users"
KEYS_PAGE = f"{BASE}/accounts/acc_1/api-keys"

ALL = {
    "invitation": letters.invitation(
        "kim@example.com", BASE, token="kwi_" + "0" * 64, account_name="Acme Ltd", by="maria", lasts_seconds=7 * 86400
    ),
    "added": letters.added_to_account("kim@example.com", BASE, **ABOUT, by="olga"),
    "password reset": letters.password_reset("kim@example.com", BASE, token="kwr_" + "0" * 64, lasts_seconds=1800),
    "access requested": letters.access_requested("kim@example.com", BASE, **ABOUT, by="olga", message="Please.\nOlga"),
    "access enabled": letters.access_enabled("kim@example.com", BASE, **ABOUT, reason=None),
    "access declined": letters.access_declined("kim@example.com", BASE, **ABOUT, reason="No contract yet."),
    "access disabled": letters.access_disabled("kim@example.com", BASE, **ABOUT, reason="Unpaid.", at_ms=AT_MS),
    "key created": letters.key_created("kim@example.com", BASE, NEWS),
    "key deleted": letters.key_deleted("kim@example.com", BASE, NEWS),
    "user added": letters.user_added("kim@example.com", BASE, USER),
    "user invited again": letters.user_invited_again("kim@example.com", BASE, USER),
    "role changed": letters.user_role_changed("kim@example.com", BASE, CHANGED),
    "user removed": letters.user_removed("kim@example.com", BASE, USER),
    "your role": letters.your_role_changed("kim@example.com", BASE, CHANGED),
    "you were removed": letters.you_were_removed("kim@example.com", BASE, USER),
    "sign-in changed": letters.sign_in_changed(
        "kim@example.com", BASE, what="A passkey was added.", at_ms=AT_MS, address="192.0.2.1"
    ),
    "sign-in changed from nowhere": letters.sign_in_changed(
        "kim@example.com", BASE, what="A passkey was added.", at_ms=AT_MS, address=None
    ),
}


def test_what_each_says():
    said = {
        "invitation": [f"{BASE}/invitations/kwi_{'0' * 64}", "7 days", "maria", "Acme Ltd"],
        "added": [f"{BASE}/accounts/acc_1", "olga", "Acme Ltd", "did not expect"],
        "password reset": [f"{BASE}/reset-password/kwr_{'0' * 64}", "30 minutes", "did not ask", "ignore"],
        "access requested": [f"{BASE}/operator/requests", "olga", "Acme Ltd (acc_1)", "  Please.\n  Olga"],
        "access enabled": [KEYS_PAGE, "Acme Ltd"],
        "access declined": [KEYS_PAGE, "The reason:\n  No contract yet."],
        "access disabled": [KEYS_PAGE, "2026-11-18 at 11:06 UTC", "  Unpaid."],
        "key created": [
            KEYS_PAGE,
            "ck_1",
            "shop, live",
            "int@acme.example",
            "olga@acme.example",
            "11:06 UTC",
            "delete it",
        ],
        "key deleted": [
            KEYS_PAGE,
            "ck_1",
            "shop, live",
            "int@acme.example",
            "olga@acme.example",
            "11:06 UTC",
            "new key",
        ],
    }
    who = ["lee@acme.example", "Viewer", "Acme Ltd (acc_1)", "11:06 UTC"]
    manager = "maria@bank.example, relationship manager"
    said |= {
        "user added": [*who, manager, "was added", "remove them at once", USERS_PAGE],
        "user invited again": [*who, manager, "another invitation", "remove them at once", USERS_PAGE],
        "role changed": [*who, "Owner", "olga@acme.example", "change the role back", USERS_PAGE],
        "user removed": [*who, manager, "no longer a user", "add them again", USERS_PAGE],
        "your role": [*who, "Owner", "olga@acme.example", "did not expect", f"{BASE}/accounts/acc_1"],
        "you were removed": [*who, manager, "no longer a user", "did not expect", f"{BASE}/accounts"],
        "sign-in changed": ["A passkey was added.", "11:06 UTC", "192.0.2.1", f"{BASE}/forgot-password", "not you"],
        "sign-in changed from nowhere": ["A passkey was added.", "11:06 UTC", f"{BASE}/security", "not you"],
    }
    assert said.keys() == ALL.keys()
    for name, words in said.items():
        assert [word for word in words if word not in ALL[name].text] == [], name


@pytest.mark.parametrize("letter", ALL.values(), ids=ALL)
def test_lines_are_short_but_for_links(letter: Letter):
    assert all(len(line) <= 78 or re.fullmatch(r"\S+", line) for line in letter.text.split("\n"))
    assert "\n\n\n" not in letter.text
    assert "None" not in letter.text


@pytest.mark.parametrize("letter", ALL.values(), ids=ALL)
def test_a_letter_arrives_as_it_was_written(letter: Letter):
    sent = compose(letter, "mail_1", AT_MS, "Keywright <keys@example.com>").as_bytes(policy=email.policy.SMTP)
    found = email.message_from_bytes(sent, policy=email.policy.default)
    assert found.get_content().replace("\r\n", "\n") == letter.text
    assert (found["To"], found["Subject"]) == ("kim@example.com", letter.subject)
    assert (found["From"], found["Message-ID"]) == ("Keywright <keys@example.com>", "<mail_1@example.com>")
    assert found["Date"].datetime.timestamp() == AT_MS / 1000
    assert found["Auto-Submitted"] == "auto-generated"
    assert found.get_content_type() == "text/plain"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (86400, "1 day."),
        (172800, "2 days."),
        (3600, "1 hour."),
        (90000, "25 hours."),
        (60, "1 minute."),
        (5400, "90 minutes."),
    ],
)
def test_how_long_a_link_works(seconds: int, words: str):
    text = letters.password_reset("kim@example.com", BASE, token="kwr_1", lasts_seconds=seconds).text
    assert f"for {words}" in text


def test_what_someone_wrote_cannot_be_taken_for_our_words():
    reason = "No.\n\nKeywright\nYour key: cs_live_1\r\nSee https://evil.example"
    text = letters.access_declined("kim@example.com", BASE, **ABOUT, reason=reason).text
    for line in ("No.", "Keywright", "Your key: cs_live_1", "See https://evil.example"):
        assert f"\n  {line}\n" in text
    assert letters.access_declined("kim@example.com", BASE, **ABOUT, reason=" \n ").text.count("reason") == 0


@pytest.mark.parametrize(
    ("to", "subject"),
    [
        ("kim@example.com\nBcc: thief@example.com", "Hello"),
        ("kim@example.com", "Hello\nBcc: thief@example.com"),
        ("kim@example.com", "Hello\r\n\r\nbody"),
        ("kim\r\nBcc: x@example.com", "Hello"),
        ("kim@example..com", "Hello"),
        ("kim@" + "a" * 64 + ".com", "Hello"),
        ("kim@example.com>,thief.com", "Hello"),
        ("kim@example.com, thief.com", "Hello"),
        ("kim", "Hello"),
        ("", "Hello"),
    ],
)
def test_no_header_can_be_smuggled_in(to: str, subject: str):
    with pytest.raises(Unsendable) as refused:
        compose(Letter(to, subject, "text"), "mail_1", AT_MS, "keys@example.com")
    assert "kim" not in str(refused.value)


def test_an_odd_address_stays_one_address():
    odd = "kim@example.com>, <thief"
    sent = compose(Letter(f"{odd}@example.com", "Hello", "text"), "mail_1", AT_MS, "keys@example.com").as_bytes()
    (found,) = email.message_from_bytes(sent, policy=email.policy.default)["To"].addresses
    assert (found.username, found.domain) == (odd, "example.com")


def test_other_writings_than_english():
    letter = letters.invitation(
        "kim@b\u00fccher.example",
        BASE,
        token="kwi_1",
        account_name="B\u00fccher & \u6771\u4eac",
        by="J\u00f6rg",
        lasts_seconds=86400,
    )
    sent = compose(letter, "mail_1", AT_MS, "Schl\u00fcsselamt <keys@example.com>").as_bytes(policy=email.policy.SMTP)
    assert sent.isascii()
    found = email.message_from_bytes(sent, policy=email.policy.default)
    assert found["To"] == "kim@xn--bcher-kva.example"
    assert found["Subject"] == "Your invitation to B\u00fccher & \u6771\u4eac"
    assert found["From"].addresses[0].display_name == "Schl\u00fcsselamt"
    assert "J\u00f6rg has added you" in found.get_content()
