"""Queries on second factors: one-time codes, recovery codes, passkeys."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.engine import Row

from keywright.storage import ReadSession, WriteSession
from keywright.storage.tables import passkeys, people, recovery_codes, totp_secrets


@dataclass(frozen=True, slots=True)
class TotpSecret:
    """What one-time codes are made from, sealed. Times in milliseconds since 1970 UTC.

    Args:
        sealed_secret: as stored.
        last_step: codes of this time step and before were used.
        confirmed_at: when it came into use; None while it waits for its first code.
    """

    sealed_secret: bytes = field(repr=False)
    last_step: int
    confirmed_at: int | None


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey of a person. Times in milliseconds since 1970 UTC."""

    credential_id: bytes
    person_id: str
    name: str
    public_key: bytes = field(repr=False)
    sign_count: int
    created_at: int
    last_used_at: int | None

    @property
    def passkey_id(self) -> str:
        """Names it in addresses and forms: its credential ID in base64url."""
        return base64.urlsafe_b64encode(self.credential_id).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class SecondFactors:
    """What a person has beside their password. Times in milliseconds since 1970 UTC.

    Args:
        totp_since: when their app for one-time codes was set up; None if there is none.
        passkeys: theirs, the oldest first.
        recovery_codes_left: how many were not used.
    """

    totp_since: int | None
    passkeys: tuple[Passkey, ...]
    recovery_codes_left: int

    def __bool__(self) -> bool:
        """Whether there is any; recovery codes stand in for one, and are none."""
        return self.totp_since is not None or bool(self.passkeys)


async def second_factors_of(session: ReadSession, person_id: str) -> SecondFactors:
    """Return what a person has beside their password."""
    confirmed = select(totp_secrets.c.confirmed_at).where(totp_secrets.c.person_id == person_id)
    left = select(func.count()).select_from(recovery_codes).where(recovery_codes.c.person_id == person_id)
    query = (
        select(passkeys, confirmed.scalar_subquery().label("since"), left.scalar_subquery().label("left"))
        .select_from(people)
        .outerjoin(passkeys, passkeys.c.person_id == people.c.id)
        .where(people.c.id == person_id)
        .order_by(passkeys.c.created_at, passkeys.c.credential_id)
    )
    rows = (await session.execute(query)).all()
    if not rows:
        return SecondFactors(None, (), 0)
    held = tuple(_passkey(row) for row in rows if row.credential_id is not None)
    return SecondFactors(rows[0].since, held, rows[0].left)


async def delete_second_factors(session: WriteSession, person_id: str) -> None:
    """Forget everything that a person has beside their password."""
    for table in (totp_secrets, recovery_codes, passkeys):
        await session.execute(delete(table).where(table.c.person_id == person_id))


async def totp_secret_of(session: ReadSession, person_id: str) -> TotpSecret | None:
    """Return what a person's one-time codes are made from, confirmed or not, or None."""
    row = (await session.execute(select(totp_secrets).where(totp_secrets.c.person_id == person_id))).one_or_none()
    return None if row is None else TotpSecret(row.sealed_secret, row.last_step, row.confirmed_at)


async def replace_totp_secret(session: WriteSession, person_id: str, sealed_secret: bytes) -> None:
    """Put a secret that waits for its first code, in the place of an earlier one."""
    await delete_totp_secret(session, person_id)
    await session.execute(
        insert(totp_secrets).values(
            person_id=person_id, sealed_secret=sealed_secret, last_step=0, created_at=session.now_ms
        )
    )


async def confirm_totp_secret(session: WriteSession, person_id: str) -> None:
    """Take a secret into use."""
    await session.execute(
        update(totp_secrets).where(totp_secrets.c.person_id == person_id).values(confirmed_at=session.now_ms)
    )


async def use_totp_step(session: WriteSession, person_id: str, step: int) -> bool:
    """Use up the codes of a time step and of those before it; False if that was done already.

    One conditional UPDATE: of two that bring the same code at once, the second finds it used.
    """
    used = await session.execute(
        update(totp_secrets)
        .where(totp_secrets.c.person_id == person_id, totp_secrets.c.last_step < step)
        .values(last_step=step)
    )
    return used.rowcount == 1


async def delete_totp_secret(session: WriteSession, person_id: str) -> bool:
    """Forget what a person's one-time codes are made from; whether there was anything."""
    return (await session.execute(delete(totp_secrets).where(totp_secrets.c.person_id == person_id))).rowcount == 1


async def sealed_totp_secrets(session: ReadSession, *, after: str, limit: int) -> list[tuple[str, bytes]]:
    """Return people's IDs and sealed secrets, by ID, beginning behind `after`."""
    query = (
        select(totp_secrets.c.person_id, totp_secrets.c.sealed_secret)
        .where(totp_secrets.c.person_id > after)
        .order_by(totp_secrets.c.person_id)
        .limit(limit)
    )
    return [(row.person_id, row.sealed_secret) for row in await session.execute(query)]


async def replace_sealed_totp_secret(session: WriteSession, person_id: str, old: bytes, new: bytes) -> None:
    """Put a newly sealed secret in the place of the old one, unless that was replaced meanwhile."""
    await session.execute(
        update(totp_secrets)
        .where(totp_secrets.c.person_id == person_id, totp_secrets.c.sealed_secret == old)
        .values(sealed_secret=new)
    )


async def replace_recovery_codes(session: WriteSession, person_id: str, hashes: Iterable[bytes]) -> None:
    """Give a person these recovery codes in the place of all earlier ones."""
    await session.execute(delete(recovery_codes).where(recovery_codes.c.person_id == person_id))
    rows = [{"person_id": person_id, "code_hash": each, "created_at": session.now_ms} for each in hashes]
    if rows:
        await session.execute(insert(recovery_codes), rows)


async def use_recovery_code(session: WriteSession, person_id: str, code_hash: bytes) -> bool:
    """Use up a recovery code; False if there is no such one."""
    used = await session.execute(
        delete(recovery_codes).where(recovery_codes.c.person_id == person_id, recovery_codes.c.code_hash == code_hash)
    )
    return used.rowcount == 1


async def passkeys_of(session: ReadSession, person_id: str) -> list[Passkey]:
    """Return a person's passkeys, the oldest first."""
    query = (
        select(passkeys)
        .where(passkeys.c.person_id == person_id)
        .order_by(passkeys.c.created_at, passkeys.c.credential_id)
    )
    return [_passkey(row) for row in await session.execute(query)]


async def passkey_by_id(session: ReadSession, credential_id: bytes) -> Passkey | None:
    """Return a passkey, whoever has it, or None."""
    row = (await session.execute(select(passkeys).where(passkeys.c.credential_id == credential_id))).one_or_none()
    return None if row is None else _passkey(row)


async def insert_passkey(session: WriteSession, passkey: Passkey) -> None:
    """Add a passkey."""
    await session.execute(
        insert(passkeys).values(
            credential_id=passkey.credential_id,
            person_id=passkey.person_id,
            name=passkey.name,
            public_key=passkey.public_key,
            sign_count=passkey.sign_count,
            created_at=passkey.created_at,
            last_used_at=passkey.last_used_at,
        )
    )


async def update_passkey_used(session: WriteSession, credential_id: bytes, sign_count: int) -> None:
    """Note that a passkey was used, and how often it says that it was."""
    await session.execute(
        update(passkeys)
        .where(passkeys.c.credential_id == credential_id)
        .values(sign_count=sign_count, last_used_at=session.now_ms)
    )


async def delete_passkey(session: WriteSession, person_id: str, credential_id: bytes) -> bool:
    """Forget a passkey of a person; whether they had it."""
    gone = await session.execute(
        delete(passkeys).where(passkeys.c.person_id == person_id, passkeys.c.credential_id == credential_id)
    )
    return gone.rowcount == 1


def _passkey(row: Row[Any]) -> Passkey:
    return Passkey(
        credential_id=row.credential_id,
        person_id=row.person_id,
        name=row.name,
        public_key=row.public_key,
        sign_count=row.sign_count,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
    )
