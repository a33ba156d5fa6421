"""Where Valkey is, as one setting tells it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keywright.errors import InvalidRequest
from keywright.settings import load_settings
from keywright.valkey.address import ValkeyAddress, masked_url, parse_valkey_url
from support.server import run_cli


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("valkey://h", ValkeyAddress((("h", 6379),))),
        ("redis://h:1/3", ValkeyAddress((("h", 1),), database=3)),
        (
            "VALKEYS://u:p%40%2F@[2001:db8::1]:1",
            ValkeyAddress((("2001:db8::1", 1),), username="u", password="p@/", is_tls=True),
        ),
        ("rediss://:p@h", ValkeyAddress((("h", 6379),), password="p", is_tls=True)),
        ("unix:///a/b.sock", ValkeyAddress(path="/a/b.sock")),
        ("unix://u:p@/a/b.sock?db=2", ValkeyAddress(path="/a/b.sock", username="u", password="p", database=2)),
        ("valkey-cluster://a:1,[::1]:2", ValkeyAddress((("a", 1), ("::1", 2)), is_cluster=True)),
        ("redis-cluster://a/0", ValkeyAddress((("a", 6379),), is_cluster=True)),
        ("rediss-cluster://a", ValkeyAddress((("a", 6379),), is_cluster=True, is_tls=True)),
    ],
)
def test_addresses(url: str, address: ValkeyAddress):
    assert parse_valkey_url(url) == address


def test_files_for_tls(tmp_path: Path):
    for name in ("ca", "cert", "key"):
        (tmp_path / name).touch()
    files = f"ca_file={tmp_path}/ca&cert_file={tmp_path}/cert&key_file={tmp_path}/key"
    found = parse_valkey_url(f"valkeys://h?{files}")
    assert (found.ca_file, found.cert_file, found.key_file) == tuple(f"{tmp_path}/{n}" for n in ("ca", "cert", "key"))
    with pytest.raises(ValueError, match="no such file; cert_file and key_file come together"):
        parse_valkey_url(f"valkeys://h?cert_file={tmp_path}/none")
    with pytest.raises(ValueError, match="nothing may stand"):
        parse_valkey_url(f"valkey://h?{files}")


@pytest.mark.parametrize(
    "url",
    [
        *("", "h:1", "http://h", "valkey://", "valkey://h:0", "valkey://h:65536", "valkey://h:x", "valkey://h i"),
        *(
            "valkey://h/x",
            "valkey://h/1/2",
            "valkey://h?db=1",
            "valkey://h#x",
            "valkey://a,b",
            "valkey://[::1",
            "unix://a",
        ),
        *("valkey-cluster://h/1", "valkey://u@h", "unix:///s?db=x", "valkey://:pass-word", "valkey://h:1/pass-word"),
        *(
            "valkey://u:pass-word/1@h",
            "valkey://u:pass-word#1@h",
            "valkey://u:pass-word?1@h",
            "valkey://u:pass-word@1@h",
        ),
        *("valkey://u:pass-word%zz@h", "valkey://u:pass-word[@h", "valkey://pass-word/1@h", "valkey://pass word:x@h"),
    ],
)
def test_addresses_that_are_none(url: str):
    if not url:
        assert load_settings(valkey_url=url).valkey_url is None
        return
    with pytest.raises(InvalidRequest) as raised:
        load_settings(valkey_url=url)
    assert [fault.field for fault in raised.value.faults] == ["valkey_url"]
    assert "pass-word" not in str(raised.value.faults)


def test_every_fault_of_an_address_is_told_at_once():
    with pytest.raises(ValueError, match="escaped") as caught:
        parse_valkey_url("valkey://u:p/w@h:0,b/x?y=1")
    assert len(str(caught.value).split("; ")) == 4


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("valkey://user:pass-word@h:1/2", "valkey://user:***@h:1/2"),
        ("valkey://:pass-word@h", "valkey://:***@h"),
        ("valkey://user:pa@ss:word/@h", "valkey://user:***@h"),
        ("valkey://pass-word@h", "valkey://***@h"),
        ("unix:///a/b.sock", "unix:///a/b.sock"),
        ("https://keys.example.com", "https://keys.example.com"),
        ("sqlite:////a.db", "sqlite:////a.db"),
    ],
)
def test_the_password_is_masked(url: str, shown: str):
    assert masked_url(url) == shown


def test_settings_show_where_valkey_is_and_not_the_password(monkeypatch: pytest.MonkeyPatch):
    url = "valkey://keywright:pass-word@valkey.example.com"
    assert "pass-word" not in repr(load_settings(valkey_url=url))
    monkeypatch.setenv("KEYWRIGHT_VALKEY_URL", url)
    done = run_cli("settings", "--json")
    assert done.returncode == 0, done.stderr
    assert "valkey_url" in json.loads(done.stdout)
