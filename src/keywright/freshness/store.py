"""The rows of verifiers: what their keepers write, over connections of their own, and what control nodes read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Row, cast, func, select, update

from keywright.freshness.protocol import Revoked, Round, VerifierRow
from keywright.storage import ReadSession, WriteSession
from keywright.storage.tables import revocation_counter, verifiers

# Rows of verifiers that did not take leave are kept for a day, to be looked at.
_KEPT_MS = 24 * 3600 * 1000
_NOW_MS = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
# One statement, so that a process that is stopped in the middle holds nothing. It takes the counter's row, as every
# revocation does: so either is before the other, and the later one sees the earlier.
_REGISTER = f"""
WITH counter AS (SELECT number FROM revocation_counter WHERE id = 1 FOR UPDATE),
     gone AS (DELETE FROM verifiers WHERE id = ANY($2) OR (state = 'expired' AND seen_at < {_NOW_MS} - {_KEPT_MS}))
INSERT INTO verifiers (id, node, version, lease_ms, applied, renewals, state, started_at, seen_at)
SELECT $1, $3, $4, $5, number, 0, 'live', {_NOW_MS}, {_NOW_MS} FROM counter
RETURNING applied
"""  # noqa: S608 - of constants
# One statement, so that number and revocations are of one moment.
_REVOKED_SINCE = """
SELECT counter.number AS last, revoked.number, revoked.subject
FROM revocation_counter AS counter LEFT JOIN revocations AS revoked ON revoked.number > $1
WHERE counter.id = 1 ORDER BY revoked.number
"""
_RENEW = f"""
UPDATE verifiers SET applied = $3, renewals = renewals + 1, seen_at = {_NOW_MS}
WHERE id = $1 AND renewals = $2 AND state = 'live'
"""  # noqa: S608 - of constants


async def prepare(connection: Any, *, timeout_seconds: float) -> None:
    """Set what a keeper's connection needs.

    Args:
        connection: the keeper's, of asyncpg, outside of any transaction.
        timeout_seconds: how long a statement may take.
    """
    await connection.execute(f"SET statement_timeout = {int(timeout_seconds * 1000)}")
    # A row has to survive a crash, and a primary that has been replaced must not be able to renew a lease: its commits
    # wait for a standby that no longer follows it.
    await connection.execute("SET synchronous_commit = on")


async def register(connection: Any, id_: str, before: Sequence[str], *, node: str, version: str, lease_ms: int) -> int:
    """Make a row for a verifier.

    Args:
        connection: the keeper's, of asyncpg, outside of any transaction.
        id_: of the new row, never used before.
        before: rows that it had; they go.
        node: shown to operators.
        version: of this software, shown to operators.
        lease_ms: how long it trusts its cache from the start of a renewal.

    Returns:
        The number of revocations up to then.
    """
    number: int = await connection.fetchval(_REGISTER, id_, list(before), node, version, lease_ms)
    return number


async def revoked_since(connection: Any, applied: int) -> tuple[int, list[Revoked]]:
    """Read the revocations after one.

    Args:
        connection: the keeper's.
        applied: the last one known.

    Returns:
        The number of all, and those after it that are still listed, in order.
    """
    rows = await connection.fetch(_REVOKED_SINCE, applied)
    revoked = [Revoked(row["number"], row["subject"]) for row in rows if row["number"] is not None]
    return rows[0]["last"] if rows else -1, revoked


async def renew(connection: Any, this: Round, applied: int) -> int:
    """Tell the database how far a verifier has come.

    Args:
        connection: the keeper's.
        this: the round.
        applied: the last revocation that it applied.

    Returns:
        How many rows were renewed: 1, or 0 if the row is not as the verifier left it.
    """
    status: str = await connection.execute(_RENEW, this.registration, this.renewals, applied)
    return int(status.rpartition(" ")[2])


async def leave(connection: Any, ids: Sequence[str]) -> None:
    """Take away the rows of a verifier that has stopped verifying.

    Args:
        connection: the keeper's.
        ids: the rows.
    """
    await connection.execute("DELETE FROM verifiers WHERE id = ANY($1)", list(ids))


async def rows_of(session: ReadSession, ids: Sequence[str]) -> dict[str, VerifierRow]:
    """Read some rows.

    Args:
        session: where to read.
        ids: which.

    Returns:
        Those that there are, by id.
    """
    found = await session.execute(
        select(verifiers.c.id, verifiers.c.applied, verifiers.c.lease_ms, verifiers.c.state).where(
            verifiers.c.id.in_(ids)
        )
    )
    return {row.id: VerifierRow(row.applied, row.lease_ms / 1000, row.state == "live") for row in found}


async def declare_expired(session: WriteSession, ids: Sequence[str], number: int) -> None:
    """Note that leases are over, so that nobody waits for them again; their verifiers begin anew.

    Args:
        session: the transaction.
        ids: rows whose lease is over unless they applied the revocation.
        number: the revocation's.
    """
    await session.execute(
        update(verifiers)
        .where(verifiers.c.id.in_(ids), verifiers.c.state == "live", verifiers.c.applied < number)
        .values(state="expired")
    )


async def count_by_state(session: ReadSession) -> dict[str, int]:
    """Count verifiers.

    Args:
        session: where to read.

    Returns:
        State to number.
    """
    found = await session.execute(select(verifiers.c.state, func.count().label("number")).group_by(verifiers.c.state))
    return {"live": 0, "expired": 0, **{row.state: row.number for row in found}}


async def all_verifiers(session: ReadSession, *, unseen_ms: int) -> tuple[int, int, Sequence[Row[Any]]]:
    """Read all verifiers, to be shown.

    Args:
        session: where to read.
        unseen_ms: rows not renewed for so long are left out, milliseconds.

    Returns:
        How many revocations there were; the database's time, which `seen_at` is of, in milliseconds since 1970 UTC; and
        the rows by name, the latest registration of each first.
    """
    now = cast(func.extract("epoch", func.clock_timestamp()) * 1000, BigInteger)
    counter = (await session.execute(select(revocation_counter.c.number, now.label("now_ms")))).one()
    found = await session.execute(
        select(verifiers)
        .where(verifiers.c.seen_at > counter.now_ms - unseen_ms)
        .order_by(verifiers.c.node, verifiers.c.started_at.desc(), verifiers.c.id)
    )
    return counter.number, counter.now_ms, found.all()
