"""A person's sessions, from sign-in to sign-out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from keywright.accounts import Principal, PrincipalKind
from keywright.errors import Forbidden, NotFound, Unauthenticated
from keywright.formats import RandomBytes, new_identifier
from keywright.identity import session_store, store
from keywright.identity.secrets import new_token, token_hash
from keywright.identity.session_store import OpenSession
from keywright.identity.store import SignIn
from keywright.storage import ReadSession, WriteSession

WRONG_SIGN_IN = "email or password is wrong; check both, or ask for a new invitation"
_ENDED = "your session has ended; sign in again"


class SecondFactorRequired(Unauthenticated):
    """The password is right, and not enough for this person."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a session is opened with.

    Args:
        address: the network address it is opened from, for the person to recognise it by.
        user_agent: what it is opened with, likewise.
        lasts_seconds: how long it lasts.
        replaces: the token of the session whose cookie came with the request: it ends, so that nobody goes on with
            what was known before this sign-in.
    """

    address: str
    user_agent: str
    lasts_seconds: int
    replaces: str | None = None


async def find_sign_in(session: ReadSession, email: str) -> SignIn | None:
    """Find what a sign-in with this email is checked against.

    Args:
        session: where to look.
        email: as typed; upper and lower case are one.

    Returns:
        The person, their password's hash and which second factors they have; None if there is no such person.
    """
    return await store.sign_in_by_email(session, email.lower())


async def find_own_sign_in(session: ReadSession, principal: Principal) -> SignIn:
    """Find what the password of someone who is signed in is checked against.

    Raises:
        Forbidden: the caller is not a person.
        Unauthenticated: they are no longer known.
    """
    found = await store.sign_in_by_id(session, person_of(principal))
    if found is None:
        raise Unauthenticated(_ENDED)
    return found


async def open_session(session: WriteSession, sign_in: SignIn, opening: Opening, *, random_bytes: RandomBytes) -> str:
    """Open a session for someone who has just given their password.

    Args:
        session: the transaction.
        sign_in: what the password was checked against.
        opening: where from, and for how long.
        random_bytes: makes the token.

    Returns:
        The token for the cookie; only its hash is kept.

    Raises:
        Unauthenticated: the password ended while it was checked, as that of someone who was removed.
        SecondFactorRequired: they have a second factor: `second_factor.py` has the ways on.
    """
    current = await require_current(session, sign_in)
    if current.needs_second_factor:
        raise SecondFactorRequired(
            "the password is right, and this account also takes a second factor: send `code`, from your app for"
            " one-time codes or one of your recovery codes"
        )
    return await start_session(session, sign_in.person_id, opening, random_bytes=random_bytes)


async def require_current(session: ReadSession, sign_in: SignIn) -> SignIn:
    """Make sure that a password was not changed while it was checked.

    Args:
        session: the transaction in which it counts.
        sign_in: what it was checked against.

    Returns:
        The person's sign-in as it is now.

    Raises:
        Unauthenticated: the password ended meanwhile.
    """
    current = await store.sign_in_by_id(session, sign_in.person_id)
    if current is None or sign_in.password_hash is None or current.password_hash != sign_in.password_hash:
        raise Unauthenticated(WRONG_SIGN_IN)
    return current


async def start_session(session: WriteSession, person_id: str, opening: Opening, *, random_bytes: RandomBytes) -> str:
    """Open a session for someone who has given all that their sign-in takes; for the ways of signing in only.

    Args:
        session: the transaction.
        person_id: the person.
        opening: where from, and for how long.
        random_bytes: makes the token.

    Returns:
        The token for the cookie.
    """
    if opening.replaces is not None:
        await close_session(session, opening.replaces)
    token = new_token("kws", random_bytes)
    opened = OpenSession(
        new_identifier("ses", random_bytes),
        person_id,
        opening.address,
        opening.user_agent,
        session.now_ms,
        session.now_ms + opening.lasts_seconds * 1000,
    )
    await session_store.insert_session(session, token_hash(token), opened)
    return token


async def close_session(session: WriteSession, token: str) -> None:
    """End a session; one that has ended already stays so.

    Args:
        session: the transaction.
        token: from the cookie.
    """
    await session_store.delete_session(session, token_hash(token))


async def list_sessions(session: ReadSession, principal: Principal) -> list[OpenSession]:
    """Return the caller's running sessions, newest first; `principal.session_id` is the one that asks.

    Raises:
        Forbidden: the caller is not a person.
    """
    return await session_store.sessions_of(session, person_of(principal))


async def end_session(session: WriteSession, principal: Principal, session_id: str) -> None:
    """End one of the caller's sessions.

    Args:
        session: the transaction.
        principal: the caller.
        session_id: which, `ses_...`.

    Raises:
        Forbidden: the caller is not a person.
        NotFound: they have no such session.
    """
    if not await session_store.delete_session_of(session, person_of(principal), session_id):
        raise NotFound("this session has ended already")


async def end_all_sessions(session: WriteSession, principal: Principal) -> None:
    """End every session of the caller, this one too.

    Raises:
        Forbidden: the caller is not a person.
    """
    await session_store.delete_sessions_of(session, person_of(principal))


async def prove(session: WriteSession, principal: Principal, sign_in: SignIn) -> Principal:
    """Note that the caller has just given their password again: it counts as fresh for ten minutes.

    Args:
        session: the transaction.
        principal: the caller.
        sign_in: what the password was checked against, from `find_own_sign_in`.

    Returns:
        The caller, with a fresh proof.

    Raises:
        Forbidden: the caller is not a person.
        Unauthenticated: their session or password ended meanwhile.
    """
    await require_current(session, sign_in)
    return await note_proof(session, principal)


async def note_proof(session: WriteSession, principal: Principal) -> Principal:
    """Note that the caller has just proved who they are; for the ways of proving it only.

    Raises:
        Forbidden: the caller is not a person.
        Unauthenticated: their session ended meanwhile.
    """
    person_id = person_of(principal)
    session_id = principal.session_id
    if session_id is None or not await session_store.update_proved_at(session, person_id, session_id):
        raise Unauthenticated(_ENDED)
    return replace(principal, proved_at=session.now_ms)


def person_of(principal: Principal) -> str:
    """Return the ID of the person who is calling.

    Raises:
        Forbidden: it is a token, or the command line.
    """
    if principal.kind not in {PrincipalKind.PERSON, PrincipalKind.OPERATOR}:
        raise Forbidden("this is for people; sign in at POST /v1/session")
    return principal.id
