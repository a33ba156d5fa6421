"""Queries on keys and their number per account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, insert, or_, select, update
from sqlalchemy.engine import Row

from keywright.credentials.models import LIMIT, Algorithm, Credential
from keywright.storage import ReadSession, WriteSession
from keywright.storage.tables import accounts, credentials


@dataclass(frozen=True, slots=True)
class StoredKey:
    """An active key with all that a verifier needs, its secret still sealed."""

    client_id: str
    account_id: str
    account_type: str
    api_access: str
    algorithm: str
    public_key: bytes | None
    sealed_secret: bytes | None
    created_at: int


async def take_a_place(session: WriteSession, account_id: str) -> bool:
    """Take one of the account's ten places; False if none is left.

    One conditional UPDATE: whoever comes second waits for the row and then sees the first one's count. A CHECK on the
    column stands behind it.
    """
    taken = await session.execute(
        update(accounts)
        .where(accounts.c.id == account_id, accounts.c.active_credentials < LIMIT)
        .values(active_credentials=accounts.c.active_credentials + 1)
    )
    return taken.rowcount == 1


async def give_back_a_place(session: WriteSession, account_id: str) -> None:
    """Make room for another key."""
    await session.execute(
        update(accounts).where(accounts.c.id == account_id).values(active_credentials=accounts.c.active_credentials - 1)
    )


async def insert_credential(
    session: WriteSession,
    credential: Credential,
    *,
    public_key: bytes | None,
    sealed_secret: bytes | None,
    request_hash: bytes | None = None,
) -> None:
    """Add a key."""
    await session.execute(
        insert(credentials).values(
            client_id=credential.client_id,
            account_id=credential.account_id,
            email=credential.email,
            label=credential.label,
            algorithm=credential.algorithm.value,
            public_key=public_key,
            sealed_secret=sealed_secret,
            created_at=credential.created_at,
            created_by=credential.created_by,
            request_hash=request_hash,
        )
    )


async def was_created(session: ReadSession, request_hash: bytes) -> bool:
    """Tell whether a request has made a key before, also one that is deleted by now."""
    query = select(credentials.c.client_id).where(credentials.c.request_hash == request_hash)
    return (await session.execute(query)).one_or_none() is not None


async def active_credentials_newest_first(session: ReadSession, account_id: str) -> list[Credential]:
    """Return the account's active keys."""
    query = (
        select(credentials)
        .where(credentials.c.account_id == account_id, credentials.c.deleted_at.is_(None))
        .order_by(credentials.c.created_at.desc(), credentials.c.client_id)
    )
    return [_credential(row) for row in await session.execute(query)]


async def active_credential(session: ReadSession, account_id: str, client_id: str) -> Credential | None:
    """Return an active key of this account, or None."""
    query = select(credentials).where(
        credentials.c.client_id == client_id,
        credentials.c.account_id == account_id,
        credentials.c.deleted_at.is_(None),
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _credential(row)


async def account_of_key(session: ReadSession, client_id: str) -> str | None:
    """Return the account of a key, active or deleted, or None."""
    query = select(credentials.c.account_id).where(credentials.c.client_id == client_id)
    return (await session.execute(query)).scalar_one_or_none()


async def mark_deleted(session: WriteSession, client_id: str) -> None:
    """Turn a key into its tombstone: the sealed secret is erased, the rest stays as evidence."""
    await session.execute(
        update(credentials)
        .where(credentials.c.client_id == client_id)
        .values(deleted_at=session.now_ms, sealed_secret=None)
    )


async def stored_key(session: ReadSession, client_id: str) -> StoredKey | None:
    """Return an active key with its account's state, or None."""
    query = (
        select(
            credentials.c.client_id,
            credentials.c.account_id,
            credentials.c.algorithm,
            credentials.c.public_key,
            credentials.c.sealed_secret,
            credentials.c.created_at,
            accounts.c.type,
            accounts.c.api_access,
        )
        .join(accounts, accounts.c.id == credentials.c.account_id)
        .where(credentials.c.client_id == client_id, credentials.c.deleted_at.is_(None))
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    return StoredKey(
        client_id=row.client_id,
        account_id=row.account_id,
        account_type=row.type,
        api_access=row.api_access,
        algorithm=row.algorithm,
        public_key=row.public_key,
        sealed_secret=row.sealed_secret,
        created_at=row.created_at,
    )


async def sealed_secrets(session: ReadSession, *, after: str, limit: int) -> list[tuple[str, bytes]]:
    """Return Client IDs and sealed secrets, by Client ID, beginning behind `after`."""
    query = (
        select(credentials.c.client_id, credentials.c.sealed_secret)
        .where(credentials.c.sealed_secret.is_not(None), credentials.c.client_id > after)
        .order_by(credentials.c.client_id)
        .limit(limit)
    )
    return [(row.client_id, row.sealed_secret) for row in await session.execute(query)]


async def replace_sealed_secret(session: WriteSession, client_id: str, old: bytes, new: bytes) -> None:
    """Put a newly sealed secret in the place of the old one, unless the key was deleted meanwhile."""
    await session.execute(
        update(credentials)
        .where(credentials.c.client_id == client_id, credentials.c.sealed_secret == old)
        .values(sealed_secret=new)
    )


async def update_last_used(session: WriteSession, used_at_ms: Mapping[str, int]) -> None:
    """Note when keys were last used; an earlier time never overwrites a later one."""
    statement = (
        update(credentials)
        .where(
            credentials.c.client_id == bindparam("used_client_id"),
            or_(credentials.c.last_used_at.is_(None), credentials.c.last_used_at < bindparam("used_at")),
        )
        .values(last_used_at=bindparam("used_at"))
    )
    await session.execute(
        statement,
        # In one order, so that two verifiers that note the same keys never wait for each other.
        [{"used_client_id": client_id, "used_at": used_at} for client_id, used_at in sorted(used_at_ms.items())],
    )


def _credential(row: Row[Any]) -> Credential:
    return Credential(
        client_id=row.client_id,
        account_id=row.account_id,
        email=row.email,
        label=row.label,
        algorithm=Algorithm(row.algorithm),
        created_at=row.created_at,
        created_by=row.created_by,
        last_used_at=row.last_used_at,
    )
