"""Queries on passwords and invitations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, exists, insert, select, update

from keywright.storage import ReadSession, WriteSession
from keywright.storage.tables import invitations, memberships, passkeys, passwords, people, totp_secrets


@dataclass(frozen=True, slots=True)
class SignIn:
    """What is needed to check a sign-in.

    Args:
        person_id: the person.
        email: their address, in lower case.
        password_hash: of their password; None if they have set none.
        has_totp: whether they have an app for one-time codes, which is then asked for.
        has_passkeys: whether they have passkeys, likewise.
    """

    person_id: str
    email: str
    password_hash: str | None
    has_totp: bool = False
    has_passkeys: bool = False

    @property
    def needs_second_factor(self) -> bool:
        """Whether the password alone is not enough."""
        return self.has_totp or self.has_passkeys


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation that was not accepted yet. Times in milliseconds since 1970 UTC."""

    person_id: str
    account_id: str
    email: str
    expires_at: int


async def sign_in_by_email(session: ReadSession, email: str) -> SignIn | None:
    """Return the person with this (lower-case) email and what their sign-in takes, or None."""
    return await _sign_in(session, _SIGN_IN.where(people.c.email == email))


async def sign_in_by_id(session: ReadSession, person_id: str) -> SignIn | None:
    """Return a person and what their sign-in takes, or None."""
    return await _sign_in(session, _SIGN_IN.where(people.c.id == person_id))


async def password_hash(session: ReadSession, person_id: str) -> str | None:
    """Return the hash of a person's password, or None if they have set none."""
    query = select(passwords.c.hash).where(passwords.c.person_id == person_id)
    return (await session.execute(query)).scalar_one_or_none()


async def delete_password(session: WriteSession, person_id: str) -> None:
    """Forget a person's password."""
    await session.execute(delete(passwords).where(passwords.c.person_id == person_id))


async def is_member_anywhere(session: ReadSession, person_id: str) -> bool:
    """Tell whether a person belongs to any account."""
    query = select(memberships.c.account_id).where(memberships.c.person_id == person_id).limit(1)
    return (await session.execute(query)).one_or_none() is not None


async def accounts_of(session: ReadSession, person_id: str) -> list[str]:
    """Return the IDs of the accounts a person belongs to."""
    query = select(memberships.c.account_id).where(memberships.c.person_id == person_id)
    return list((await session.execute(query.order_by(memberships.c.account_id))).scalars())


async def is_newcomer(session: ReadSession, person_id: str, account_id: str) -> bool:
    """Tell whether a person never had a password, and belongs to no account but this one."""
    elsewhere = exists().where(memberships.c.person_id == people.c.id, memberships.c.account_id != account_id)
    query = select(people.c.id).where(people.c.id == person_id, people.c.came_at.is_(None), ~elsewhere)
    return (await session.execute(query)).one_or_none() is not None


async def put_password(session: WriteSession, person_id: str, password_hash: str) -> None:
    """Set or replace a person's password; with the first, they have come."""
    await delete_password(session, person_id)
    await session.execute(insert(passwords).values(person_id=person_id, hash=password_hash, changed_at=session.now_ms))
    await session.execute(
        update(people).where(people.c.id == person_id, people.c.came_at.is_(None)).values(came_at=session.now_ms)
    )


async def replace_invitation(
    session: WriteSession, token_hash: bytes, person_id: str, account_id: str, expires_at: int, *, is_shown: bool
) -> None:
    """Invite a person to an account; an earlier invitation to it ends, and so does any whose link was shown."""
    await session.execute(
        delete(invitations).where(invitations.c.person_id == person_id, invitations.c.shown_at.is_not(None))
    )
    await delete_invitations(session, person_id, account_id)
    await session.execute(
        insert(invitations).values(
            token_hash=token_hash,
            person_id=person_id,
            account_id=account_id,
            created_at=session.now_ms,
            expires_at=expires_at,
            shown_at=session.now_ms if is_shown else None,
        )
    )


async def invited_at(session: ReadSession, person_id: str, account_id: str) -> int | None:
    """Return when a person was invited to an account, or None if no invitation waits for them."""
    query = select(invitations.c.created_at).where(
        invitations.c.person_id == person_id, invitations.c.account_id == account_id
    )
    return (await session.execute(query)).scalar_one_or_none()


async def delete_invitations(session: WriteSession, person_id: str, account_id: str | None = None) -> None:
    """End a person's invitations: all, or those to one account."""
    query = delete(invitations).where(invitations.c.person_id == person_id)
    if account_id is not None:
        query = query.where(invitations.c.account_id == account_id)
    await session.execute(query)


async def invitation_by_hash(session: ReadSession, token_hash: bytes) -> Invitation | None:
    """Return an invitation that can still be accepted, or None."""
    query = (
        select(invitations, people.c.email)
        .join(people, people.c.id == invitations.c.person_id)
        # Someone who was removed meanwhile is no longer invited.
        .join(
            memberships,
            (memberships.c.person_id == invitations.c.person_id)
            & (memberships.c.account_id == invitations.c.account_id),
        )
        .where(invitations.c.token_hash == token_hash, invitations.c.expires_at > session.now_ms)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Invitation(row.person_id, row.account_id, row.email, row.expires_at)


_SIGN_IN: Select[Any] = select(
    people.c.id,
    people.c.email,
    passwords.c.hash,
    exists().where(totp_secrets.c.person_id == people.c.id, totp_secrets.c.confirmed_at.is_not(None)).label("has_totp"),
    exists().where(passkeys.c.person_id == people.c.id).label("has_passkeys"),
).outerjoin(passwords, passwords.c.person_id == people.c.id)


async def _sign_in(session: ReadSession, query: Select[Any]) -> SignIn | None:
    row = (await session.execute(query)).one_or_none()
    return None if row is None else SignIn(row.id, row.email, row.hash, bool(row.has_totp), bool(row.has_passkeys))
