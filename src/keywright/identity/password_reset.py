"""New passwords: for someone who has forgotten theirs, and for someone who is signed in."""

from __future__ import annotations

from keywright.accounts import Principal, PrincipalKind
from keywright.errors import NotFound
from keywright.formats import RandomBytes
from keywright.identity import session_store, store
from keywright.identity.history import record_of_person
from keywright.identity.secrets import new_token, token_hash
from keywright.identity.session_store import Reset
from keywright.identity.sessions import note_proof, person_of, require_current
from keywright.identity.store import SignIn
from keywright.mail import Outbox, letters
from keywright.storage import ReadSession, WriteSession

LASTS_SECONDS = 3600


async def request_password_reset(
    session: WriteSession,
    email: str,
    *,
    outbox: Outbox,
    random_bytes: RandomBytes,
    lasts_seconds: int = LASTS_SECONDS,
) -> None:
    """Mail a link that sets a new password, to someone who has a password.

    Others get nothing; the invited get their invitation again from whoever invited them. Nothing that the asker sees
    may tell whether the address is known. So the edge answers first, always alike, and calls this afterwards: as the
    background task of its response, behind `Throttle.may_mail_reset`.

    Args:
        session: the transaction.
        email: as typed; upper and lower case are one.
        outbox: takes the mail.
        random_bytes: makes the token, of which only the hash is kept.
        lasts_seconds: how long the link works; an earlier one ends.
    """
    sign_in = await store.sign_in_by_email(session, email.lower())
    if sign_in is None or sign_in.password_hash is None:
        return
    token = await put_reset(session, sign_in.person_id, lasts_seconds=lasts_seconds, random_bytes=random_bytes)
    await outbox.put(
        session,
        letters.password_reset(sign_in.email, outbox.base_url, token=token, lasts_seconds=lasts_seconds),
    )


async def put_reset(session: WriteSession, person_id: str, *, lasts_seconds: int, random_bytes: RandomBytes) -> str:
    """Make the one link with which a person can set a password.

    Args:
        session: the transaction.
        person_id: the person.
        lasts_seconds: how long it works.
        random_bytes: makes the token.

    Returns:
        The token.
    """
    token = new_token("kwr", random_bytes)
    expires_at = session.now_ms + lasts_seconds * 1000
    await session_store.replace_reset(session, token_hash(token), person_id, expires_at)
    return token


async def find_password_reset(session: ReadSession, token: str) -> Reset:
    """Find a link that can still be used: also asked before the costly password hash is made.

    Raises:
        NotFound: it was used, has run out, or never was.
    """
    found = await session_store.reset_by_hash(session, token_hash(token))
    if found is None:
        raise NotFound("this link was used or has run out; ask for a new one at the sign-in page")
    return found


async def reset_password(
    session: WriteSession, token: str, *, password_hash: str, outbox: Outbox, address: str | None = None
) -> None:
    """Set a new password by a link. It works once, and signs the person out everywhere; second factors stay.

    They are told by mail.

    Args:
        session: the transaction.
        token: from the link.
        password_hash: of the chosen password.
        outbox: takes the mail.
        address: the network address it comes from, for the mail; None leaves it out.

    Raises:
        NotFound: it was used, has run out, or never was.
    """
    found = await find_password_reset(session, token)
    await _set_password(session, found.person_id, password_hash, but=None)
    person = Principal(PrincipalKind.PERSON, found.person_id, found.email)
    await record_of_person(
        session,
        person,
        "person.password_reset",
        person_id=found.person_id,
        email=found.email,
        outbox=outbox,
        address=address,
    )


async def change_password(
    session: WriteSession, principal: Principal, sign_in: SignIn, *, password_hash: str, outbox: Outbox
) -> Principal:
    """Set a new password for someone who is signed in and has just given the old one; their other sessions end.

    Args:
        session: the transaction.
        principal: the caller.
        sign_in: what the old password was checked against, from `find_own_sign_in`.
        password_hash: of the new password.
        outbox: takes the mail that tells them.

    Returns:
        The caller, with a fresh proof.

    Raises:
        Forbidden: the caller is not a person.
        Unauthenticated: their session or password ended meanwhile.
    """
    person_id = person_of(principal)
    await require_current(session, sign_in)
    await _set_password(session, person_id, password_hash, but=principal.session_id)
    await record_of_person(
        session, principal, "person.password_changed", person_id=person_id, email=principal.name, outbox=outbox
    )
    return await note_proof(session, principal)


async def _set_password(session: WriteSession, person_id: str, password_hash: str, *, but: str | None) -> None:
    """Whoever held an earlier link, session or half a sign-in of this person is out."""
    await store.put_password(session, person_id, password_hash)
    await store.delete_invitations(session, person_id)
    await session_store.delete_resets_of(session, person_id)
    await session_store.delete_challenges_of(session, person_id)
    await session_store.delete_sessions_of(session, person_id, but=but)
