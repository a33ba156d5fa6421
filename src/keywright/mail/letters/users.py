"""Letters about an account's users: to those who manage them, and to those it happened to."""

from __future__ import annotations

from dataclasses import dataclass

from keywright.mail.letters.letter import Letter, facts, when, written


@dataclass(frozen=True, slots=True)
class UserNews:
    """What happened to a user.

    Args:
        email: the user's address.
        role: their role in words; after a change the new one.
        role_before: the one before a change, in words; None if it was not changed.
        account_id: the account.
        account_name: its name.
        by: who did it.
        at_ms: when, milliseconds since 1970 UTC.
    """

    email: str
    role: str
    role_before: str | None
    account_id: str
    account_name: str
    by: str
    at_ms: int

    def facts(self) -> str:
        """The news, line by line."""
        return facts(
            {
                "User": self.email,
                "Role": self.role,
                "Before": self.role_before,
                "Account": f"{self.account_name} ({self.account_id})",
                "By": self.by,
                "When": when(self.at_ms),
            }
        )


def user_added(to: str, base_url: str, news: UserNews) -> Letter:
    """Tell a manager of a new user.

    Args:
        to: the manager's address.
        base_url: where people reach the control plane.
        news: who was added, and by whom.

    Returns:
        The letter.
    """
    happened = f"{news.email} was added to {news.account_name}."
    return _to_manager(to, base_url, news, subject="New user", happened=happened, remedy="remove them at once")


def user_invited_again(to: str, base_url: str, news: UserNews) -> Letter:
    """Tell a manager that a user who has not come was invited once more.

    Args:
        to: the manager's address.
        base_url: where people reach the control plane.
        news: who was invited, and by whom.

    Returns:
        The letter.
    """
    happened = f"{news.email}, who has not set a password yet, was sent another invitation to {news.account_name}."
    remedy = "remove them at once"
    return _to_manager(to, base_url, news, subject="User invited again", happened=happened, remedy=remedy)


def user_role_changed(to: str, base_url: str, news: UserNews) -> Letter:
    """Tell a manager that a user has another role.

    Args:
        to: the manager's address.
        base_url: where people reach the control plane.
        news: whose role, which, and by whom.

    Returns:
        The letter.
    """
    happened = f"{news.email} has another role in {news.account_name}."
    return _to_manager(to, base_url, news, subject="Role changed", happened=happened, remedy="change the role back")


def user_removed(to: str, base_url: str, news: UserNews) -> Letter:
    """Tell a manager that a user was removed, or has left.

    Args:
        to: the manager's address.
        base_url: where people reach the control plane.
        news: who, and by whom.

    Returns:
        The letter.
    """
    happened = f"{news.email} is no longer a user of {news.account_name}. API keys that they created still work."
    return _to_manager(to, base_url, news, subject="User removed", happened=happened, remedy="add them again")


def your_role_changed(to: str, base_url: str, news: UserNews) -> Letter:
    """Tell someone that they have another role.

    Args:
        to: the user's address.
        base_url: where people reach the control plane.
        news: which role, and by whom.

    Returns:
        The letter.
    """
    return Letter(
        to,
        f"Your role in {news.account_name} was changed",
        written(
            "Hello,",
            f"You have another role in {news.account_name}.",
            news.facts(),
            "If you did not expect this, ask whoever manages the users of this account, or your relationship manager.",
            f"{base_url}/accounts/{news.account_id}",
        ),
    )


def you_were_removed(to: str, base_url: str, news: UserNews) -> Letter:
    """Tell someone that they are no longer a user of an account.

    Args:
        to: their address.
        base_url: where people reach the control plane.
        news: by whom.

    Returns:
        The letter.
    """
    return Letter(
        to,
        f"You were removed from {news.account_name}",
        written(
            "Hello,",
            f"You are no longer a user of {news.account_name}. A link of an invitation to it works no more. Other"
            " accounts of yours stay as they are:",
            f"{base_url}/accounts",
            news.facts(),
            "If you did not expect this, ask whoever manages the users of this account, or your relationship manager.",
        ),
    )


def _to_manager(to: str, base_url: str, news: UserNews, *, subject: str, happened: str, remedy: str) -> Letter:
    return Letter(
        to,
        f"{subject} in {news.account_name}",
        written(
            "Hello,",
            happened,
            news.facts(),
            f"You need to do nothing if this was meant. If nobody on your side wanted it, {remedy}, and ask your"
            " relationship manager. If it was done in the name of someone who knows nothing of it, have their password"
            f" changed.\n{base_url}/accounts/{news.account_id}/users",
        ),
        is_warning=True,
    )
