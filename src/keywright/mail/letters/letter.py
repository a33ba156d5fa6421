"""What a letter is, and how its text is set."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from datetime import UTC, datetime

_WIDTH = 78


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to one address. Its text stays out of logs: a link in it may be as good as a password.

    Args:
        to: the address.
        subject: its subject.
        text: its text.
        is_warning: whether it goes out however many went to the address before. Such a letter tells someone of what
            strangers cannot bring about, and nobody may keep it from them by flooding them first.
    """

    to: str
    subject: str
    text: str = field(repr=False)
    is_warning: bool = False


def keys_page(base_url: str, account_id: str) -> str:
    """The address of an account's API keys."""
    return f"{base_url}/accounts/{account_id}/api-keys"


def written(*paragraphs: str) -> str:
    """Write paragraphs, wrapped, with an empty line between them; empty ones are left out."""
    return (
        "\n\n".join("\n".join(map(_wrapped, each.split("\n"))) for each in paragraphs if each) + "\n\n-- \nKeywright\n"
    )


def _wrapped(line: str) -> str:
    indent = " " * (len(line) - len(line.lstrip(" ")))
    # A link in two lines is no link; hyphens in names and addresses stay where they are.
    return textwrap.fill(
        line.strip(),
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def facts(lines: dict[str, str | None]) -> str:
    """Names and values, one beneath the other; those without a value are left out."""
    width = max(map(len, lines))
    return "\n".join(f"  {name + ':':<{width + 1}} {value}" for name, value in lines.items() if value is not None)


def quoted(introduction: str, text: str | None) -> str:
    """Set apart what someone wrote, so that it cannot be taken for our own words."""
    if text is None or not text.strip():
        return ""
    return "\n".join((introduction, *(f"  {line.strip()}" for line in text.splitlines())))


def when(at_ms: int) -> str:
    """A time, milliseconds since 1970 UTC, in words."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d at %H:%M} UTC"


def duration(seconds: int) -> str:
    """A time span in its largest fitting unit."""
    for unit, length in (("day", 86400), ("hour", 3600)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds // length} {unit}{'' if seconds == length else 's'}"
    minutes = seconds // 60
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
