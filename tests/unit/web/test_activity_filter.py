"""The activity's filter as it stands in an address."""

from __future__ import annotations

import pytest

from keywright.audit import EventFilter
from keywright.web.activity_filter import read_filter


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, EventFilter()),
        ({"kind": "", "who": "  ", "from": "", "to": "", "more": "x"}, EventFilter()),
        ({"kind": "keys", "who": " olga "}, EventFilter(kind="credential", actor="olga")),
        ({"kind": "access"}, EventFilter(kind="api_access")),
        (
            {"from": "2026-02-28", "to": "2026-02-28"},
            EventFilter(since="2026-02-28T00:00:00.000Z", before="2026-03-01T00:00:00.000Z"),
        ),
        ({"from": "0001-01-01"}, EventFilter(since="0001-01-01T00:00:00.000Z")),
        ({"to": "9999-12-31"}, EventFilter()),  # there is no day after it
    ],
)
def test_what_is_asked_for(given: dict[str, str], expected: EventFilter):
    asked = read_filter(given)
    assert asked.only == expected
    assert asked.faults == ()


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"kind": "credential"}, ["kind"]),
        ({"who": "x" * 101}, ["who"]),
        ({"from": "today", "to": "2026-02-30"}, ["from", "to"]),
        ({"from": "2026-03-01", "to": "2026-02-28"}, ["to"]),
        ({"before": "x"}, [""]),
        ({"before": "-1"}, [""]),
        ({"before": "9" * 16}, [""]),
        ({"before": "\u0663"}, [""]),  # a digit, and none of ours
    ],
)
def test_every_fault_is_told(given: dict[str, str], fields: list[str]):
    assert [fault.field for fault in read_filter(given).faults] == fields


def test_the_filter_goes_along_without_the_page():
    asked = read_filter({"kind": "keys", "who": "a&b=c", "from": "", "before": "7"})
    assert asked.query == "kind=keys&who=a%26b%3Dc"
    assert asked.before_seq == 7
    assert read_filter({"to": "nonsense"}).query == "to=nonsense"


@pytest.mark.parametrize(
    ("given", "whole"),
    [({}, True), ({"who": "x"}, False), ({"before": "7"}, False), ({"to": "nonsense"}, False)],
)
def test_only_the_beginning_without_a_filter_is_everything(given: dict[str, str], whole: bool):
    assert read_filter(given).is_everything is whole
