"""Structured fields: reading and writing, alone and against an independent reader."""

import contextlib
from decimal import Decimal

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywright.signatures.field_types import FIELD_TYPES, dictionary_member, reserialise
from keywright.signatures.structured_fields import (
    Date,
    DisplayString,
    InnerList,
    Item,
    StructuredFieldError,
    Token,
    serialise_bare,
    serialise_dictionary,
    serialise_key,
    serialise_list,
    serialise_member,
)
from keywright.signatures.structured_fields_parser import (
    parse_dictionary,
    parse_inner_list,
    parse_item,
    parse_list,
)

VALUES = {
    "1": 1,
    "-0": 0,
    "007": 7,
    "-999999999999999": -999999999999999,
    "1.5": Decimal("1.5"),
    "-1.50": Decimal("-1.50"),
    '"a \\"b\\" \\\\c"': 'a "b" \\c',
    "token/*:x": Token("token/*:x"),
    "*": Token("*"),
    ":AAEC:": b"\x00\x01\x02",
    "::": b"",
    "?1": True,
    "?0": False,
    "@1659578233": Date(1659578233),
    '%"f%c3%bc%22"': DisplayString('fü"'),
}
STRICT = {"-0": "0", "007": "7", "-1.50": "-1.5"}


@pytest.mark.parametrize(("text", "value"), VALUES.items(), ids=VALUES.keys())
def test_bare_items(text, value):
    item = parse_item(text)
    assert item == Item(value, {})
    assert type(item.value) is type(value)
    assert serialise_bare(value) == STRICT.get(text, text)


NO_ITEMS = [
    "",
    "1 2",
    "1000000000000000",
    "1.",
    ".5",
    "1.2345",
    "1234567890123.0",
    "--1",
    "-",
    '"a',
    '"\\a"',
    '"\x7f"',
    ":AA:",
    ":AAF=:",
    ":A A=:",
    ":====:",
    ":",
    "?2",
    "?",
    "@1.5",
    "@",
    '%"%C3"',
    '%"%c3"',
    '%"%',
    "a;A",
    "a;",
    "a;b=",
    "(a)",
    "é",
    "\ta",
    "a\n",
    "\x00",
    "٣",
]


@pytest.mark.parametrize("text", NO_ITEMS)
def test_what_is_no_item(text):
    with pytest.raises(StructuredFieldError):
        parse_item(text)


@pytest.mark.parametrize("text", ["a=", "a=1,", "a=1 b", ",a", "A=1", "a=(1", "a=(1,2)", "a=(1;)", "a==1", '"a"=1'])
def test_what_is_no_dictionary(text):
    with pytest.raises(StructuredFieldError):
        parse_dictionary(text)


def test_repeats():
    assert parse_dictionary("a=1, b=2, a=3;x;x=4") == {"a": Item(3, {"x": 4}), "b": Item(2, {})}
    for text in ("a=1, a=2", "a;x;x", "a=(1;y;y)", "a=(1);y;y"):
        with pytest.raises(StructuredFieldError, match="twice"):
            parse_dictionary(text, repeats_refused=True)


def test_containers():
    text = 'a, b;x=?0, c=(1 "two" three;p);q=:AA==:,\td=@5'
    assert serialise_dictionary(parse_dictionary(text)) == text.replace(",\t", ", ")
    assert serialise_list(parse_list(" a,(  b  c )  ,d;e ")) == "a, (b c), d;e"
    assert parse_inner_list('("a";b);c') == InnerList((Item("a", {"b": True}),), {"c": True})
    for empty in ("", "   "):
        assert parse_dictionary(empty) == {}
        assert parse_list(empty) == []


@pytest.mark.parametrize(
    "value", [10**15, -(10**15), Decimal(10) ** 12, "é", "\n", Token(""), Token("a b"), Token("1"), Date(10**15)]
)
def test_what_cannot_be_written(value):
    with pytest.raises(StructuredFieldError):
        serialise_bare(value)


def test_key_that_cannot_be_written():
    with pytest.raises(StructuredFieldError):
        serialise_key("Key")


def test_decimals_are_rounded_half_to_even():
    assert [serialise_bare(Decimal(text)) for text in ("0.0015", "0.0025", "-0.0001", "2", "-2.5000")] == [
        "0.002",
        "0.002",
        "0.0",
        "2.0",
        "-2.5",
    ]


BARE = st.one_of(
    st.integers(-(10**15) + 1, 10**15 - 1),
    st.decimals(-(10**12) + 1, 10**12 - 1, places=3, allow_nan=False),
    st.text([chr(code) for code in range(0x20, 0x7F)], max_size=8),
    st.from_regex(r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]{0,6}", fullmatch=True).map(Token),
    st.binary(max_size=8),
    st.booleans(),
    st.integers(-62_135_596_800, 253_402_300_799).map(Date),  # years 1 to 9999, which the other reader keeps to
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6).map(DisplayString),
)
KEYS = st.from_regex(r"[a-z*][a-z0-9_.*-]{0,5}", fullmatch=True)
PARAMS = st.dictionaries(KEYS, BARE, max_size=3)
ITEMS = st.builds(Item, BARE, PARAMS)
MEMBERS = st.one_of(ITEMS, st.builds(InnerList, st.lists(ITEMS, max_size=3).map(tuple), PARAMS))


@given(st.dictionaries(KEYS, MEMBERS, min_size=1, max_size=4))
def test_dictionaries_survive(members):
    text = serialise_dictionary(members)
    assert parse_dictionary(text, repeats_refused=True) == members
    assert http_sf.ser(http_sf.parse(text.encode(), tltype="dictionary")) == text


@given(st.lists(MEMBERS, max_size=4))
def test_lists_survive(members):
    text = serialise_list(members)
    assert parse_list(text) == members
    assert serialise_list(parse_list(text)) == text


@given(ITEMS)
def test_items_survive(item):
    text = serialise_member(item)
    assert parse_item(text) == item
    assert type(parse_item(text).value) is type(item.value)


SYNTAX = st.text(st.sampled_from('ab1*-.?@%:;=,()" \t\\AB/+\r\né\x00'), max_size=30)


@given(SYNTAX)
def test_what_we_read_another_reader_reads_alike(text):
    try:
        members = parse_dictionary(text)
    except StructuredFieldError:
        return
    again = serialise_dictionary(members)
    others = http_sf.parse(text.encode(), tltype="dictionary")
    assert (http_sf.ser(others) if others else "") == again
    assert parse_dictionary(again) == members


@given(st.one_of(st.text(max_size=40), SYNTAX))
def test_nothing_but_its_own_error(text):
    for parse in (parse_dictionary, parse_list, parse_item, parse_inner_list):
        with contextlib.suppress(StructuredFieldError):
            parse(text)


def test_depth_and_length_cost_no_more_than_reading():
    for text in (
        "(" * 60_000,
        "a," * 30_000 + "a",
        "a=" + "(" + "b " * 30_000 + ")",
        '"' + "\\" * 60_000,
        ":" * 60_000,
    ):
        for parse in (parse_dictionary, parse_list, parse_item):
            with contextlib.suppress(StructuredFieldError):
                parse(text)


def test_types_of_registered_fields():
    assert len(FIELD_TYPES) > 40
    assert reserialise("priority", "u=1,   i") == "u=1, i"
    assert reserialise("priority", "u=1, u=2") == "u=2"
    assert reserialise("accept-ch", "a,   a") == "a, a"
    assert reserialise("idempotency-key", ' "x" ') == '"x"'
    for name, value in (("priority", "1"), ("accept-ch", "a=1"), ("idempotency-key", "a, b")):
        with pytest.raises(StructuredFieldError):
            reserialise(name, value)


def test_type_of_other_fields_is_the_first_that_fits():
    assert reserialise("example", "a=1,  b") == "a=1, b"
    assert reserialise("example", "a,  a") == "a, a"  # as a dictionary it would lose one
    assert reserialise("example", "1,  (a  b)") == "1, (a b)"
    assert reserialise("example", "1;x=?1") == "1;x"
    with pytest.raises(StructuredFieldError):
        reserialise("example", "a=(, b")


def test_dictionary_member():
    assert dictionary_member("a=1;x, b=(c   d)", "b") == "(c d)"
    assert dictionary_member("a", "b") is None
