"""A person's session, from sign-in to sign-out."""

from __future__ import annotations

from keywright.errors import Unauthenticated
from keywright.formats import RandomBytes, new_identifier
from keywright.identity import store
from keywright.identity.secrets import new_token, token_hash
from keywright.identity.store import SignIn
from keywright.storage import ReadSession, WriteSession

WRONG_SIGN_IN = "email or password is wrong; check both, or ask for a new invitation"


async def find_sign_in(session: ReadSession, email: str) -> SignIn | None:
    """Find what a sign-in with this email is checked against.

    Args:
        session: where to look.
        email: as typed; upper and lower case are one.

    Returns:
        The person and their password's hash; None if there is no such person.
    """
    return await store.sign_in_by_email(session, email.lower())


async def open_session(
    session: WriteSession,
    sign_in: SignIn,
    *,
    address: str,
    user_agent: str,
    lasts_seconds: int,
    random_bytes: RandomBytes,
) -> str:
    """Open a session for someone who has just proved who they are.

    Args:
        session: the transaction.
        sign_in: what the password was checked against.
        address: the network address it was opened from, for the person to recognise it by.
        user_agent: what it was opened with, likewise.
        lasts_seconds: how long it lasts.
        random_bytes: makes the token.

    Returns:
        The token for the cookie; only its hash is kept.

    Raises:
        Unauthenticated: the password ended while it was checked, as that of someone who was removed.
    """
    if sign_in.password_hash is None or await store.password_hash(session, sign_in.person_id) != sign_in.password_hash:
        raise Unauthenticated(WRONG_SIGN_IN)
    token = new_token("kws", random_bytes)
    opened = store.OpenSession(
        new_identifier("ses", random_bytes),
        sign_in.person_id,
        address,
        user_agent,
        session.now_ms,
        session.now_ms + lasts_seconds * 1000,
    )
    await store.insert_session(session, token_hash(token), opened)
    return token


async def close_session(session: WriteSession, token: str) -> None:
    """End a session; one that has ended already stays so.

    Args:
        session: the transaction.
        token: from the cookie.
    """
    await store.delete_session(session, token_hash(token))
