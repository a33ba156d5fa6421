"""A person's session, from sign-in to sign-out."""

from __future__ import annotations

from keywright.formats import RandomBytes
from keywright.identity import store
from keywright.identity.secrets import new_token, token_hash
from keywright.identity.store import SignIn
from keywright.storage import ReadSession, WriteSession


async def find_sign_in(session: ReadSession, email: str) -> SignIn | None:
    """Find what a sign-in with this email is checked against.

    Args:
        session: where to look.
        email: as typed; upper and lower case are one.

    Returns:
        The person and their password's hash; None if there is no such person.
    """
    return await store.sign_in_by_email(session, email.lower())


async def open_session(session: WriteSession, person_id: str, *, lasts_seconds: int, random_bytes: RandomBytes) -> str:
    """Open a session for someone who has just proved who they are.

    Args:
        session: the transaction.
        person_id: the person.
        lasts_seconds: how long it lasts.
        random_bytes: makes the token.

    Returns:
        The token for the cookie; only its hash is kept.
    """
    token = new_token("kws", random_bytes)
    await store.insert_session(session, token_hash(token), person_id, session.now_ms + lasts_seconds * 1000)
    return token


async def close_session(session: WriteSession, token: str) -> None:
    """End a session; one that has ended already stays so.

    Args:
        session: the transaction.
        token: from the cookie.
    """
    await store.delete_session(session, token_hash(token))
