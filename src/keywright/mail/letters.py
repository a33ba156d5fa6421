"""What each mail says: plain text, short, with the address of the page where one goes on. None holds a key's secret."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from datetime import UTC, datetime

_WIDTH = 78


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to one address. Its text stays out of logs: a link in it may be as good as a password."""

    to: str
    subject: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyNews:
    """What happened to an API key.

    Args:
        client_id: the key.
        label: its label, or None.
        email: its email.
        account_id: the account it belongs to.
        account_name: that account's name.
        by: who did it.
        at_ms: when, milliseconds since 1970 UTC.
    """

    client_id: str
    label: str | None
    email: str
    account_id: str
    account_name: str
    by: str
    at_ms: int

    def facts(self) -> str:
        """The key, line by line."""
        return _facts(
            {
                "Client ID": self.client_id,
                "Label": self.label,
                "Email": self.email,
                "Account": f"{self.account_name} ({self.account_id})",
                "By": self.by,
                "When": _when(self.at_ms),
            }
        )


def invitation(to: str, base_url: str, *, token: str, account_name: str, by: str, lasts_seconds: int) -> Letter:
    """Invite someone to an account; the link lets them set their first password.

    Args:
        to: the invited person's address.
        base_url: where people reach the control plane.
        token: the invitation's.
        account_name: the account they were added to.
        by: who invited them.
        lasts_seconds: how long the invitation can be accepted.

    Returns:
        The letter.
    """
    return Letter(
        to,
        f"Your invitation to {account_name}",
        _text(
            "Hello,",
            f"{by} has added you to the account {account_name}. Choose a password to begin:",
            f"{base_url}/invitations/{token}",
            f"The link works once, and for {_duration(lasts_seconds)}. Whoever has it can set your password, so keep it"
            " to yourself. If you did not expect this invitation, ignore it: nothing happens then.",
        ),
    )


def password_reset(to: str, base_url: str, *, token: str, lasts_seconds: int) -> Letter:
    """Send someone the link with which they set a new password.

    Args:
        to: the person's address.
        base_url: where people reach the control plane.
        token: the reset's.
        lasts_seconds: how long it works.

    Returns:
        The letter.
    """
    return Letter(
        to,
        "Set a new password",
        _text(
            "Hello,",
            "Someone, you we hope, asked for a new password for this address. Set it here:",
            f"{base_url}/reset-password/{token}",
            f"The link works once, and for {_duration(lasts_seconds)}. If you did not ask for it, ignore this mail:"
            " your password stays as it is.",
        ),
    )


def operator_added(to: str, base_url: str, *, token: str, lasts_seconds: int) -> Letter:
    """Send a new relationship manager the link with which they set their password.

    Args:
        to: their address.
        base_url: where people reach the control plane.
        token: the link's.
        lasts_seconds: how long it works.

    Returns:
        The letter.
    """
    return Letter(
        to,
        "You are a relationship manager in Keywright",
        _text(
            "Hello,",
            "You were added as a relationship manager: you create accounts and decide on their API access. Choose a"
            " password to begin:",
            f"{base_url}/reset-password/{token}",
            f"The link works once, and for {_duration(lasts_seconds)}. Whoever has it can set your password, so keep it"
            " to yourself.",
        ),
    )


def access_requested(
    to: str, base_url: str, *, account_id: str, account_name: str, by: str, message: str | None
) -> Letter:
    """Tell an operator that an account asks for API access.

    Args:
        to: the operator's address.
        base_url: where people reach the control plane.
        account_id: the account.
        account_name: its name.
        by: who asked.
        message: what they wrote, or None.

    Returns:
        The letter.
    """
    return Letter(
        to,
        f"{account_name} asks for API access",
        _text(
            "Hello,",
            f"{by} asks you to enable API access for the account {account_name} ({account_id}).",
            _quoted("Their message:", message),
            f"Approve or decline the request:\n{base_url}/operator/requests",
        ),
    )


def access_enabled(to: str, base_url: str, *, account_id: str, account_name: str, reason: str | None) -> Letter:
    """Tell a key manager that the account may have API keys now.

    Args:
        to: the key manager's address.
        base_url: where people reach the control plane.
        account_id: the account.
        account_name: its name.
        reason: what the operator wrote, or None.

    Returns:
        The letter.
    """
    return Letter(
        to,
        f"API access is enabled for {account_name}",
        _text(
            "Hello,",
            f"API access is now enabled for {account_name}. You can create API keys:",
            _keys_page(base_url, account_id),
            _quoted("Your relationship manager wrote:", reason),
        ),
    )


def access_declined(to: str, base_url: str, *, account_id: str, account_name: str, reason: str | None) -> Letter:
    """Tell a key manager that the request for API access was declined.

    Args:
        to: the key manager's address.
        base_url: where people reach the control plane.
        account_id: the account.
        account_name: its name.
        reason: why, or None.

    Returns:
        The letter.
    """
    return Letter(
        to,
        f"API access was declined for {account_name}",
        _text(
            "Hello,",
            f"The request for API access for {account_name} was declined.",
            _quoted("The reason:", reason),
            f"Once that is settled, you can ask again:\n{_keys_page(base_url, account_id)}",
        ),
    )


def access_disabled(
    to: str, base_url: str, *, account_id: str, account_name: str, reason: str | None, at_ms: int
) -> Letter:
    """Tell a key manager that API access was switched off, and what that means.

    Args:
        to: the key manager's address.
        base_url: where people reach the control plane.
        account_id: the account.
        account_name: its name.
        reason: why, or None.
        at_ms: when, milliseconds since 1970 UTC.

    Returns:
        The letter.
    """
    return Letter(
        to,
        f"API access is switched off for {account_name}",
        _text(
            "Hello,",
            f"API access for {account_name} was switched off on {_when(at_ms)}. Every request signed with one of its"
            " API keys is refused since then. The keys are kept: they work again when access is enabled again.",
            _quoted("The reason:", reason),
            f"Talk to your relationship manager, or ask for access again:\n{_keys_page(base_url, account_id)}",
        ),
    )


def key_created(to: str, base_url: str, news: KeyNews) -> Letter:
    """Tell of a new API key.

    Args:
        to: the key's address, or a key manager's.
        base_url: where people reach the control plane.
        news: which key, and who made it.

    Returns:
        The letter.
    """
    return Letter(
        to,
        f"New API key for {news.account_name}",
        _text(
            "Hello,",
            f"An API key was created for {news.account_name}.",
            news.facts(),
            "The Client Secret was shown once to whoever created the key. It is in no mail, and nobody can look it up.",
            "If nobody on your side wanted this key, delete it: it stops working at once. And if"
            f" {news.by} knows nothing of it, have their password changed.\n{_keys_page(base_url, news.account_id)}",
        ),
    )


def key_deleted(to: str, base_url: str, news: KeyNews) -> Letter:
    """Tell that an API key was deleted.

    Args:
        to: the key's address, or a key manager's.
        base_url: where people reach the control plane.
        news: which key, and who deleted it.

    Returns:
        The letter.
    """
    return Letter(
        to,
        f"API key of {news.account_name} deleted",
        _text(
            "Hello,",
            f"An API key of {news.account_name} was deleted. Whatever signs with it is refused since then, and it"
            " cannot be brought back.",
            news.facts(),
            "If something still needs it, create a new key. If nobody on your side wanted this, and"
            f" {news.by} knows nothing of it, have their password changed.\n{_keys_page(base_url, news.account_id)}",
        ),
    )


def _keys_page(base_url: str, account_id: str) -> str:
    return f"{base_url}/accounts/{account_id}/api-keys"


def _text(*paragraphs: str) -> str:
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


def _facts(lines: dict[str, str | None]) -> str:
    width = max(map(len, lines))
    return "\n".join(f"  {name + ':':<{width + 1}} {value}" for name, value in lines.items() if value is not None)


def _quoted(introduction: str, text: str | None) -> str:
    """Set apart what someone wrote, so that it cannot be taken for our own words."""
    if text is None or not text.strip():
        return ""
    return "\n".join((introduction, *(f"  {line.strip()}" for line in text.splitlines())))


def _when(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d at %H:%M} UTC"


def _duration(seconds: int) -> str:
    for unit, length in (("day", 86400), ("hour", 3600)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds // length} {unit}{'' if seconds == length else 's'}"
    minutes = seconds // 60
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
