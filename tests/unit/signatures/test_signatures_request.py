"""URLs, methods and header lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywright.signatures.request import (
    Target,
    combine_fields,
    decode_fields,
    is_method,
    split_target,
    target_uri,
)

URLS = {
    "https://a.example/b?c": Target("https", "a.example", "/b", "c"),
    "HTTPS://A.Example:443": Target("https", "a.example", "/", None),
    "http://a:80/": Target("http", "a", "/", None),
    "http://a:443/": Target("http", "a:443", "/", None),
    "https://a:080/": Target("https", "a:80", "/", None),
    "https://a:/x": Target("https", "a", "/x", None),
    "https://a?": Target("https", "a", "/", ""),
    "https://a/??=/?": Target("https", "a", "/", "?=/?"),
    "https://a//b/../%2F": Target("https", "a", "//b/../%2F", None),
    "https://a/{x}|^`": Target("https", "a", "/{x}|^`", None),
    "https://[2001:DB8::1]:8443/": Target("https", "[2001:db8::1]:8443", "/", None),
}


@pytest.mark.parametrize(("url", "target"), URLS.items(), ids=URLS.keys())
def test_urls(url, target):
    assert split_target(url) == target
    assert target_uri(url) == target.uri


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/a",
        "ftp://a/",
        "https:a",
        "https://",
        "https:///a",
        "https://u@a/",
        "https://a/#",
        "https://a/ ",
        "https://a/\n",
        "https://a/é",
        "https://é/",
        "https://a:x/",
        "https://a:65536/",
        "https://a:123456/",
        "https://[::1/",
        "https://\u212a/",
    ],
)
def test_what_is_no_url(url):
    assert split_target(url) is None
    assert target_uri(url) is None


def test_normal_urls_are_left_as_they_are():
    for url in ("https://a.example/b?c", "http://localhost:8080/", "https://a/?", "https://a:49152/"):
        assert target_uri(url) == url


def test_methods():
    assert all(map(is_method, ["GET", "M-SEARCH", "get"]))
    assert not any(map(is_method, ["", "GET ", "GÉT", "A" * 65, "GET\n"]))


def test_fields():
    assert combine_fields([("A", " x "), ("B", "y")]) == {"a": "x", "b": "y"}
    assert combine_fields([("A", " x "), ("B", "y"), ("a", ""), ("A", "\tz")]) == {"a": "x, , z", "b": "y"}


NAMES = st.sampled_from([b"host", b"Host", b"x-a", b"X-A", b"x_a", b"content-length", b"\xc0", b"\xe0", b""])


@given(st.lists(st.tuples(NAMES, st.binary(max_size=5)), max_size=8))
def test_decoded_fields_are_the_lines_and_nothing_is_dropped(lines: list[tuple[bytes, bytes]]):
    headers, fields = decode_fields(lines)
    told = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in lines]
    assert list(headers) == told
    names = [name for name, _ in told]
    if len(set(names)) == len(names):
        assert fields == dict(told)
        assert {name: value.strip(" \t") for name, value in fields.items()} == combine_fields(headers)
    else:
        assert fields is None
