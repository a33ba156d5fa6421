"""Settings: where they come from, and every fault at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from keywright.errors import InvalidRequest
from keywright.settings import Settings, load_settings, without_password


@pytest.fixture(autouse=True)
def _no_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    for name in list(__import__("os").environ):
        if name.startswith("KEYWRIGHT_"):
            monkeypatch.delenv(name)


def test_flags_win_over_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "some.toml"
    file.write_text('port = 1001\ngateway_port = 1002\nmax_age_seconds = 60\nenvironment = "sandbox"\n')
    monkeypatch.setenv("KEYWRIGHT_GATEWAY_PORT", "2002")
    monkeypatch.setenv("KEYWRIGHT_PORT", "2001")
    found = load_settings(file, port=3001)
    assert (found.port, found.gateway_port, found.max_age_seconds, found.environment) == (3001, 2002, 60, "sandbox")


def test_a_file_in_the_working_directory_is_read(tmp_path: Path):
    (tmp_path / "keywright.toml").write_text("port = 1234\n")
    assert load_settings().port == 1234


def test_the_file_can_be_named_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "other.toml").write_text("port = 4321\n")
    monkeypatch.setenv("KEYWRIGHT_CONFIG", str(tmp_path / "other.toml"))
    assert load_settings().port == 4321


def test_every_fault_is_reported_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("KEYWRIGHT_PORT", "http")
    monkeypatch.setenv("KEYWRIGHT_PROT", "8080")
    (tmp_path / "keywright.toml").write_text('environment = "test"\ncolour = "red"\n')
    with pytest.raises(InvalidRequest) as raised:
        load_settings(gateway_port=70000, public_url="ftp://x", database_url="mysql://x", valkey_url="redis://")
    fields = {fault.field for fault in raised.value.faults}
    assert fields == {
        *("port", "keywright_prot", "environment", "colour", "gateway_port", "public_url", "database_url", "valkey_url")
    }


@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe"])
def test_an_unreadable_file_is_a_fault_with_its_name(content: bytes, tmp_path: Path):
    (tmp_path / "bad.toml").write_bytes(content)
    with pytest.raises(InvalidRequest, match=r"bad\.toml"):
        load_settings(tmp_path / "bad.toml")


def test_a_missing_file_is_a_fault(tmp_path: Path):
    with pytest.raises(InvalidRequest, match="there is no file"):
        load_settings(tmp_path / "absent.toml")


def test_variables_of_those_who_sign_are_no_fault(monkeypatch: pytest.MonkeyPatch):
    for name in ("KEYWRIGHT_CLIENT_ID", "KEYWRIGHT_CLIENT_SECRET", "KEYWRIGHT_ALGORITHM"):
        monkeypatch.setenv(name, "x")
    assert load_settings().port == 8080


def test_settings_cannot_be_changed():
    found = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        found.port = 1  # type: ignore[misc]


def test_paths_and_addresses_follow_from_the_settings(tmp_path: Path):
    found = load_settings(data_dir=tmp_path, host="::1", port=1)
    assert found.database_file == tmp_path / "keywright.db"
    assert found.keyring_path == tmp_path / "keyring.json"
    assert found.base_url == "http://[::1]:1"
    elsewhere = load_settings(database_url=f"sqlite:///{tmp_path}/x.db", public_url="https://keys.example.com/")
    assert elsewhere.database_file == tmp_path / "x.db"
    assert elsewhere.base_url == "https://keys.example.com"


def test_settings_survive_the_way_to_a_worker():
    found = load_settings(port=5, environment="sandbox")
    assert Settings.model_validate(found.model_dump(mode="json")) == found


@pytest.mark.parametrize("text", ["10.0.0.0/8, 192.0.2.1", '["10.0.0.0/8", "192.0.2.1"]', "10.0.0.0/8,192.0.2.1,"])
def test_trusted_proxies_in_the_environment(monkeypatch: pytest.MonkeyPatch, text: str):
    monkeypatch.setenv("KEYWRIGHT_TRUSTED_PROXIES", text)
    assert load_settings().trusted_proxies == ("10.0.0.0/8", "192.0.2.1")


def test_trusted_proxies_in_the_file_and_as_nonsense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "keywright.toml").write_text('trusted_proxies = ["10.0.0.1", "2001:db8::/32"]\n')
    assert load_settings().trusted_proxies == ("10.0.0.1", "2001:db8::/32")
    for nonsense in ("proxy.example.com", "10.0.0.0/33", "[1", "10.0.0.1 10.0.0.2"):
        monkeypatch.setenv("KEYWRIGHT_TRUSTED_PROXIES", nonsense)
        with pytest.raises(InvalidRequest, match="trusted_proxies"):
            load_settings()


def test_a_mail_server_needs_a_sender():
    with pytest.raises(InvalidRequest) as raised:
        load_settings(smtp_url="smtp://mail.example.com")
    assert [fault.field for fault in raised.value.faults] == ["mail_from"]
    sender = "Schl\u00fcsselamt <keys@example.com>"
    assert load_settings(smtp_url="smtp://mail.example.com", mail_from=sender).mail_from == sender
    assert load_settings(smtp_url="", mail_from="").smtp_url is None


@pytest.mark.parametrize(
    "url",
    [
        *("mail.example.com", "http://mail.example.com", "smtp://", "smtp://:pass-word@", "smtp://h:0", "smtp://h:x"),
        *("smtp://h:65536", "smtp://u:pass-word/1@h", "smtp://u:pass-word#1@h", "smtp://h?tls=no", "smtp://[::1"),
    ],
)
def test_addresses_of_mail_servers_that_are_none(url: str):
    with pytest.raises(InvalidRequest) as raised:
        load_settings(smtp_url=url, mail_from="keys@example.com")
    assert [fault.field for fault in raised.value.faults] == ["smtp_url"]
    assert "pass-word" not in str(raised.value.faults)


@pytest.mark.parametrize(
    "sender", ["keys", "@example.com", "keys@", "keys@example.com\nBcc: x@example.com", "k\u00e9@x.example"]
)
def test_senders_that_are_none(sender: str):
    with pytest.raises(InvalidRequest) as raised:
        load_settings(mail_from=sender)
    assert [fault.field for fault in raised.value.faults] == ["mail_from"]


def test_the_password_of_the_mail_server_is_not_shown_with_the_settings():
    found = load_settings(smtp_url="smtp://u:pass-word@mail.example.com", mail_from="keys@example.com")
    assert "pass-word" not in repr(found)
    assert "pass-word" not in str(found)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://keeper:hush@db.example.com:5432/keywright",
        "postgresql://keeper:hu%2Fsh%40@[::1]:5432/keywright?sslmode=verify-full",
        "postgresql://keeper:hush@one:5432,two:5432/keywright",
        "postgresql://keeper@/keywright?host=/run/postgresql",
        "postgresql://db.example.com/?dbname=keywright",
    ],
)
def test_urls_of_postgresql(url: str):
    found = load_settings(database_url=url)
    assert (found.database, found.is_embedded) == (url, False)
    assert "hu" not in found.database_name
    assert load_settings(database_url=url.replace("postgresql:", "postgres:")).database == url


@pytest.mark.parametrize("password", ["hush/hush", "1/hush", "hush#1", "hush?1", "hush/@", "hush[1"])
def test_a_password_that_must_be_escaped_is_told_and_not_shown(password: str):
    with pytest.raises(InvalidRequest, match="%40 and / with %2F") as raised:
        load_settings(database_url=f"postgresql://keeper:{password}@db.example.com/keywright")
    assert "hush" not in str(raised.value)


def test_a_url_without_a_database_is_a_fault():
    with pytest.raises(InvalidRequest, match="must name the database"):
        load_settings(database_url="postgresql://db.example.com")


def test_no_password_in_the_options_of_a_database_is_shown():
    url = "postgresql://u:hush@h/db?sslpassword=hush&sslmode=require&password=hush"
    assert without_password(url) == "postgresql://u:***@h/db?sslpassword=***&sslmode=require&password=***"
