"""Letters about API access."""

from __future__ import annotations

from keywright.mail.letters.letter import Letter, keys_page, quoted, when, written


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
        written(
            "Hello,",
            f"{by} asks you to enable API access for the account {account_name} ({account_id}).",
            quoted("Their message:", message),
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
        written(
            "Hello,",
            f"API access is now enabled for {account_name}. You can create API keys:",
            keys_page(base_url, account_id),
            quoted("Your relationship manager wrote:", reason),
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
        written(
            "Hello,",
            f"The request for API access for {account_name} was declined.",
            quoted("The reason:", reason),
            f"Once that is settled, you can ask again:\n{keys_page(base_url, account_id)}",
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
        written(
            "Hello,",
            f"API access for {account_name} was switched off on {when(at_ms)}. Every request signed with one of its"
            " API keys is refused since then. The keys are kept: they work again when access is enabled again.",
            quoted("The reason:", reason),
            f"Talk to your relationship manager, or ask for access again:\n{keys_page(base_url, account_id)}",
        ),
    )
