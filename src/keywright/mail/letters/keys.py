"""Letters about API keys. None holds a key's secret."""

from __future__ import annotations

from dataclasses import dataclass

from keywright.mail.letters.letter import Letter, facts, keys_page, when, written


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
        return facts(
            {
                "Client ID": self.client_id,
                "Label": self.label,
                "Email": self.email,
                "Account": f"{self.account_name} ({self.account_id})",
                "By": self.by,
                "When": when(self.at_ms),
            }
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
        written(
            "Hello,",
            f"An API key was created for {news.account_name}.",
            news.facts(),
            "The Client Secret was shown once to whoever created the key. It is in no mail, and nobody can look it up.",
            "If nobody on your side wanted this key, delete it: it stops working at once. And if"
            f" {news.by} knows nothing of it, have their password changed.\n{keys_page(base_url, news.account_id)}",
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
        written(
            "Hello,",
            f"An API key of {news.account_name} was deleted. Whatever signs with it is refused since then, and it"
            " cannot be brought back.",
            news.facts(),
            "If something still needs it, create a new key. If nobody on your side wanted this, and"
            f" {news.by} knows nothing of it, have their password changed.\n{keys_page(base_url, news.account_id)}",
        ),
    )
