"""Letters to people about their own sign-in."""

from __future__ import annotations

from keywright.mail.letters.letter import Letter, duration, facts, when, written


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
        written(
            "Hello,",
            f"{by} has added you to the account {account_name}. Choose a password to begin:",
            f"{base_url}/invitations/{token}",
            f"The link works once, and for {duration(lasts_seconds)}. Whoever has it can set your password, so keep it"
            " to yourself. If you did not expect this invitation, ignore it: nothing happens then.",
        ),
    )


def added_to_account(to: str, base_url: str, *, account_id: str, account_name: str, by: str) -> Letter:
    """Tell someone who can sign in already that they belong to one more account.

    Args:
        to: the person's address.
        base_url: where people reach the control plane.
        account_id: the account.
        account_name: its name.
        by: who added them.

    Returns:
        The letter.
    """
    return Letter(
        to,
        f"You have been added to {account_name}",
        written(
            "Hello,",
            f"{by} has added you to the account {account_name}. Sign in with your password as before; you will find it"
            " in the account menu:",
            f"{base_url}/accounts/{account_id}",
            "If you did not expect this, tell whoever added you.",
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
        written(
            "Hello,",
            "Someone, you we hope, asked for a new password for this address. Set it here:",
            f"{base_url}/reset-password/{token}",
            f"The link works once, and for {duration(lasts_seconds)}. If you did not ask for it, ignore this mail:"
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
        written(
            "Hello,",
            "You were added as a relationship manager: you create accounts and decide on their API access. Choose a"
            " password to begin:",
            f"{base_url}/reset-password/{token}",
            f"The link works once, and for {duration(lasts_seconds)}. Whoever has it can set your password, so keep it"
            " to yourself.",
        ),
    )


def sign_in_changed(to: str, base_url: str, *, what: str, at_ms: int, address: str | None) -> Letter:
    """Tell someone that the way they sign in was changed, so that nobody else does it unnoticed.

    Args:
        to: the person's address.
        base_url: where people reach the control plane.
        what: what happened, a sentence.
        at_ms: when, milliseconds since 1970 UTC.
        address: the network address from which the one who did it signed in, or None if it is not known.

    Returns:
        The letter.
    """
    return Letter(
        to,
        "Your sign-in was changed",
        written(
            "Hello,",
            what,
            facts({"When": when(at_ms), "From": address}),
            "You need to do nothing if this was you.",
            f"If this was not you: set a new password now, which ends every session.\n{base_url}/forgot-password",
            f"Then sign in and remove what is not yours.\n{base_url}/security",
            "If you cannot get in, have whoever manages your account's users, or your relationship manager, remove you"
            " at once and invite you anew.",
        ),
        is_warning=True,
    )
