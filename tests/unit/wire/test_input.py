"""Input is read whole, or every fault in it is named."""

from __future__ import annotations

import msgspec
import pytest

from keywright.errors import InvalidRequest
from keywright.wire import fault_in, read_input
from keywright.wire.fields import Email, Label, Name, Remark


class Form(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    full_name: Name
    email: Email
    label: Label | None = None
    tags: list[int] = []


def faults_of(raw: bytes) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as raised:
        read_input(raw, Form)
    return {fault.field: fault.message for fault in raised.value.faults}


def test_good_input_becomes_a_value():
    assert read_input(b'{"fullName": "Zo\\u00eb", "email": "z@example.com"}', Form) == Form("Zoë", "z@example.com")


def test_all_faults_are_named_at_once():
    found = faults_of(b'{"fullName": 3, "label": "a\\u0000b", "tags": [1, "x"], "colour": "red", "full_name": "x"}')
    assert set(found) == {"fullName", "email", "label", "tags[1]", "colour", "full_name"}
    assert found["email"] == "is missing"
    assert "on one line" in found["fullName"]


@pytest.mark.parametrize("raw", [b"", b"{", b"nul", b"[1]", b"null", b'"x"', b"\xff", b'{"a": "\xff"}', b"[" * 200_000])
def test_what_is_no_object_is_said_so(raw: bytes):
    assert set(faults_of(raw)) == {""}


@pytest.mark.parametrize("text", ["", " ", "a\nb", "a\x00", "\u202eevil", "a\u2028b", "\x7f", "a" * 201])
def test_names_are_one_line_of_visible_text(text: str):
    assert fault_in("name", text, Name) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a@b",
        "@b.c",
        "a@.c",
        "a@b.",
        "a b@c.d",
        "a@b@c.d",
        "a@b.c\n",
        "a\x00@b.c",
        "<a@b.c>",
        "a" * 65 + "@b.c",
        "a,b@c.d",
    ],
)
def test_what_is_no_email_address_is_refused(text: str):
    assert fault_in("email", text, Email) is not None


@pytest.mark.parametrize("text", ["a@b.c", "first.last+tag@sub.example.co.uk", "zoë@exämple.de", "o'neil@example.com"])
def test_email_addresses_are_taken(text: str):
    assert fault_in("email", text, Email) is None


def test_remarks_may_have_several_lines():
    assert fault_in("message", "one\ntwo\r\n\tthree", Remark) is None
    assert fault_in("message", "a\x00", Remark) is not None
    assert fault_in("message", "a" * 1001, Remark) is not None
