"""What curl's arguments ask for: enough of them to know method, URL, headers and body."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from keywright.cli.curl_data import DATA_OPTIONS, raw, read_file

_SEVERAL = "each request is signed by itself: run keywright curl once for each"
_MULTIPART = "curl makes up the boundary only while sending; build the body in a file, then --data-binary @FILE"
_MORE_REQUESTS = "curl would send a second request by itself, and a signature is good for one"
_HANDSHAKE = "this sign-in takes several requests, and a signature is good for one"
_REFUSED = {
    "anyauth": _HANDSHAKE,
    "config": "options from a file are not seen here; write them out",
    "crlf": "it changes the body after it was signed",
    "digest": _HANDSHAKE,
    "follow": _MORE_REQUESTS + "; ask for the final URL",
    "form": _MULTIPART,
    "form-string": _MULTIPART,
    "help": "ask curl itself",
    "location": _MORE_REQUESTS + "; ask for the final URL",
    "location-trusted": _MORE_REQUESTS + "; ask for the final URL",
    "manual": "ask curl itself",
    "negotiate": _HANDSHAKE,
    "next": _SEVERAL,
    "ntlm": _HANDSHAKE,
    "ntlm-wb": _HANDSHAKE,
    "request-target": "write the target into the URL, with --path-as-is if it has dots",
    "retry": "a second attempt needs a signature of its own; repeat the whole command",
    "upload-file": "use -X PUT --data-binary @FILE",
    "url-query": "write it into the URL, or use -G --data-urlencode",
    "variable": "variables are not filled in here; write the values out",
    "version": "ask curl itself",
}
_OURS = frozenset({"client-id", "secret-file", "client-secret", "secret", "algorithm", "cover"})
# Taken over into what we pass to curl ourselves.
_DROPPED = frozenset({"disable", "get", "globoff", "path-as-is"})
_HELP_LINE = re.compile(r"^ *(?:-(?P<short>\S),)? +--(?P<long>[a-z0-9][a-z0-9.-]*)(?P<value> <)?", re.MULTILINE)
_URL = re.compile(
    r"(?P<origin>https?://[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?P<fragment>#.*)?", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class CurlOptions:
    """The options that the installed curl knows.

    Args:
        takes_value: by long name.
        long_of: the long name by short letter.
    """

    takes_value: dict[str, bool]
    long_of: dict[str, str]

    @classmethod
    def from_help(cls, text: str) -> CurlOptions:
        """Read the output of `curl --help all`."""
        takes_value: dict[str, bool] = {}
        long_of: dict[str, str] = {}
        for match in _HELP_LINE.finditer(text):
            takes_value[match["long"]] = match["value"] is not None
            if match["short"]:
                long_of[match["short"]] = match["long"]
        return cls(takes_value, long_of)


@dataclass(slots=True)
class CurlRequest:
    """What curl is asked to send.

    Args:
        passed: options that are handed to curl as they are.
        urls: every URL.
        header_lines: of `-H`, files read.
        data: long name and value of each data option, in order.
        method: of `-X`.
        switches: long names of the options without value that were given.
    """

    passed: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    header_lines: list[str] = field(default_factory=list)
    data: list[tuple[str, str]] = field(default_factory=list)
    method: str | None = None
    switches: set[str] = field(default_factory=set)


def read_arguments(arguments: Sequence[str], options: CurlOptions) -> CurlRequest:
    """Read curl's arguments.

    Args:
        arguments: as they would follow `curl`.
        options: what this curl knows.

    Returns:
        What they ask for.

    Raises:
        ValueError: something that cannot be signed, or is not known.
        OSError: a file of headers cannot be read.
    """
    request = CurlRequest()
    for name, value in _split(arguments, options):
        if name is None:
            request.urls.append(value or "")
        else:
            _take(request, name, value)
    return request


def _split(arguments: Sequence[str], options: CurlOptions) -> Iterator[tuple[str | None, str | None]]:
    """Give option by option: long name and value; a URL has no name."""
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            for url in rest:
                yield None, url
            return
        if argument.startswith("--"):
            name = argument[2:]
            yield name, _value_of(f"--{name}", rest) if _long_takes_value(name, options) else None
        elif argument.startswith("-") and argument != "-":
            yield from _split_joined(argument, rest, options)
        else:
            yield None, argument


def _split_joined(argument: str, rest: list[str], options: CurlOptions) -> Iterator[tuple[str | None, str | None]]:
    """Take apart short options that are joined: `-sSXPOST`."""
    for place, letter in enumerate(argument[1:], start=1):
        name = options.long_of.get(letter)
        if name is None:
            raise ValueError(f"curl has no option -{letter} (in {argument[:40]})")
        if options.takes_value[name]:
            yield name, argument[place + 1 :] or _value_of(f"-{letter}", rest)
            return
        yield name, None


def _long_takes_value(name: str, options: CurlOptions) -> bool:
    if name in options.takes_value:
        return options.takes_value[name]
    opposite = name[3:] if name.startswith("no-") else f"no-{name}"
    if opposite in options.takes_value and not options.takes_value[opposite]:
        return False
    if name.partition("=")[0] in _OURS:
        raise ValueError(f"--{name.partition('=')[0]} is keywright's own: write it first, before curl's options")
    raise ValueError(f"this curl lists no option --{name[:40]}; write options in full, and values behind a space")


def _value_of(option: str, rest: list[str]) -> str:
    if not rest:
        raise ValueError(f"{option} needs a value behind it")
    return rest.pop(0)


def _take(request: CurlRequest, name: str, value: str | None) -> None:
    if name in _REFUSED:
        raise ValueError(f"--{name} cannot be used with a signature: {_REFUSED[name]}")
    if value is None:
        if name.startswith("no-") and name[3:] in {"get", "head", "globoff", "path-as-is"}:
            request.switches.discard(name[3:])
        else:
            request.switches.add(name)
            if name not in _DROPPED:
                request.passed.append(f"--{name}")
    elif name in DATA_OPTIONS:
        request.data.append((name, value))
    elif name == "header":
        lines = _header_file(value[1:]) if value.startswith("@") else [value]
        request.header_lines += lines
    elif name == "url":
        request.urls.append(value)
    else:
        if name == "request":
            request.method = value
        request.passed += [f"--{name}", value]


def _header_file(file: str) -> list[str]:
    """Read header lines from a file, as curl's `-H @FILE` does.

    Args:
        file: its name; "-" is stdin.

    Returns:
        Its lines without their ends; empty ones are left out.

    Raises:
        OSError: it cannot be read.
    """
    text = read_file(file).decode("utf-8", "surrogateescape")
    return [line for line in (line.rstrip("\r") for line in text.split("\n")) if line]


def final_url(request: CurlRequest, query: bytes) -> str:
    """Work out the URL that goes on the wire.

    Args:
        request: what was asked for.
        query: what `-G` appends; empty if nothing.

    Returns:
        The URL: dots in its path resolved unless `--path-as-is` was given, non-ASCII percent-encoded, no fragment.

    Raises:
        ValueError: none, several, or not one that can be signed.
    """
    if len(request.urls) != 1:
        raise ValueError(f"several URLs: {_SEVERAL}" if request.urls else "there is no URL to call")
    match = _URL.fullmatch(request.urls[0])
    if match is None:
        raise ValueError("the URL must be absolute, beginning with https:// or http://")
    if not match["origin"].isascii():
        raise ValueError("write an international host name in its xn-- form")
    path, given = match["path"] or "/", match["query"]
    if "globoff" not in request.switches and re.search(r"[][{}]", path + (given or "")):
        raise ValueError(
            f"[ ] {'{'} {'}'} in a URL ask curl for several requests: {_SEVERAL}; if they are meant as they are, say -g"
        )
    if "path-as-is" not in request.switches:
        path = _without_dots(path)
    if query:
        joint = "?" if given is None else "" if given == "?" or given.endswith("&") else "&"
        given = (given or "") + joint + query.decode("latin-1").translate(_ENCODED_LATIN)
    return match["origin"] + "".join(_encoded(part) for part in (path, given or ""))


# A query from -G is bytes: what is beyond ASCII in it is encoded byte by byte.
_ENCODED_LATIN = {code: f"%{code:02X}" for code in range(128, 256)}


def _encoded(part: str) -> str:
    return "".join(
        character if character.isascii() else "".join(f"%{byte:02X}" for byte in raw(character)) for character in part
    )


def _without_dots(path: str) -> str:
    """Resolve "." and ".." (RFC 3986 section 5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for place, segment in enumerate(segments):
        last = place == len(segments) - 1
        if segment in {".", ".."}:
            if segment == ".." and kept:
                kept.pop()
            if last:
                kept.append("")
        else:
            kept.append(segment)
    return "/" + "/".join(kept)
