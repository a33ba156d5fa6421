"""Which values and which differences a move stops at."""

from __future__ import annotations

import pytest
from sqlalchemy import Integer, LargeBinary, String

from keywright.storage.moving.rows import MOVED_TABLES, fault_in, first_difference, key_of
from keywright.storage.tables import audit_events, memberships, metadata, revocation_counter, sessions


def test_every_table_is_moved_but_that_of_those_who_verify_now():
    assert {table.name for table in metadata.tables.values()} - {table.name for table in MOVED_TABLES} == {"verifiers"}
    assert all(table.primary_key for table in MOVED_TABLES)


def test_tables_come_behind_those_that_they_refer_to():
    order = [table.name for table in MOVED_TABLES]
    for table in MOVED_TABLES:
        for key in table.foreign_keys:
            assert order.index(key.column.table.name) < order.index(table.name)


def test_every_column_is_of_a_kind_that_is_looked_at():
    for table in MOVED_TABLES:
        assert all(isinstance(column.type, (String, Integer, LargeBinary)) for column in table.c)


SESSION = (b"\x01\xff", "ses_1", "usr_1", "192.0.2.1", "curl", 1, 2, 3)


def test_a_row_that_fits_has_no_fault():
    assert fault_in(sessions, SESSION) is None
    assert fault_in(memberships, ("acc_1", "usr_1", "n" * 200, "owner", 1)) is None


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [
        (0, "text", "token_hash holds text where bytes belong"),
        (1, None, "id is empty, and must not be"),
        (1, b"\xff", "id holds bytes, or text that is not UTF-8, where text belongs"),
        (1, 7, "id holds a whole number where text belongs"),
        (4, "a\0b", "user_agent holds a NUL character, which PostgreSQL cannot"),
        (4, "a" * 301, "user_agent holds 301 characters, and at most 300 fit"),
        (5, 1.5, "proved_at holds a number with a fraction where a whole number belongs"),
        (5, "1", "proved_at holds text where a whole number belongs"),
        (5, 1 << 63, "proved_at holds a number that is too large"),
    ],
)
def test_what_does_not_fit_is_told_with_table_key_and_column_and_not_with_its_value(at: int, value: object, said: str):
    row = (*SESSION[:at], value, *SESSION[at + 1 :])
    key = key_of(sessions, row)
    assert fault_in(sessions, row) == f"sessions, {key}: column {said}"
    assert "secret" not in str(fault_in(sessions, (*SESSION[:4], "secret\0", *SESSION[5:])))


def test_a_small_number_is_small():
    assert fault_in(revocation_counter, (1, 1 << 40, "")) is None
    assert "too large" in str(fault_in(revocation_counter, (1 << 31, 1, "")))


def test_differences_are_told_by_key_and_column():
    here = ("acc_1", "usr_1", "Olga", "owner", 1)
    assert first_difference(memberships, here, here) is None
    assert first_difference(memberships, None, None) is None
    key = "memberships, account_id 'acc_1', person_id 'usr_1'"
    assert (
        first_difference(memberships, here, ("acc_1", "usr_1", "Olga", "admin", 2)) == f"{key}: role, created_at differ"
    )
    assert first_difference(memberships, here, None) == f"{key}: the target does not have it"
    assert first_difference(memberships, None, here) == f"{key}: the source does not have it"
    later = ("acc_1", "usr_2", "Olga", "owner", 1)
    assert first_difference(memberships, here, later) == f"{key}: the target does not have it"
    assert first_difference(memberships, later, here) == f"{key}: the source does not have it"


def test_the_order_is_that_of_bytes_in_utf_8():
    assert "the target" in str(first_difference(memberships, ("\uffff", "", "", "", 1), ("🔑", "", "", "", 1)))
    assert "the source" in str(first_difference(memberships, ("é", "", "", "", 1), ("z", "", "", "", 1)))


def test_keys_of_bytes_and_numbers_can_be_read():
    assert key_of(sessions, SESSION) == "token_hash 01ff"
    assert key_of(audit_events, ("acc_1", 7, "", "", "", "", "", "", "")) == "chain 'acc_1', seq 7"
