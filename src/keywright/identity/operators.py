"""Relationship managers as people, who sign in. They are added and removed by whoever may run `keywright`."""

from __future__ import annotations

from keywright import audit
from keywright.accounts import Principal, PrincipalKind
from keywright.accounts.users import ensure_person
from keywright.errors import Conflict, Forbidden, NotFound
from keywright.formats import RandomBytes
from keywright.identity import operator_store, store
from keywright.identity.operator_store import Operator
from keywright.identity.password_reset import put_reset
from keywright.identity.removal import forget_sign_in
from keywright.mail import Outbox, letters
from keywright.storage import ReadSession, WriteSession


async def add_operator(
    session: WriteSession,
    principal: Principal,
    *,
    email: str,
    name: str,
    lasts_seconds: int,
    outbox: Outbox,
    random_bytes: RandomBytes,
) -> tuple[Operator, str]:
    """Make someone a relationship manager, and let them set their password. Asked again before they did, it does anew.

    Args:
        session: the transaction.
        principal: the caller.
        email: their address; upper and lower case are one.
        name: what they are called.
        lasts_seconds: how long the link to set a password works.
        outbox: takes the mail with that link.
        random_bytes: makes token and identifier.

    Returns:
        The relationship manager, and the link's token, of which only the hash is kept.

    Raises:
        Forbidden: the caller is not at the command line.
        Conflict: they are some account's user, or a relationship manager with a password.
    """
    _authorize(principal)
    person = await ensure_person(session, email, random_bytes=random_bytes)
    known = await operator_store.operators_by_email(session, person.email)
    if known and known[0].has_password:
        raise Conflict(f"{person.email} is a relationship manager already; they sign in, or ask for a new password")
    if await store.is_member_anywhere(session, person.person_id):
        raise Conflict(f"{person.email} is a user of an account, and nobody is both; add them by another address")
    operator = Operator(person.person_id, person.email, name, session.now_ms, has_password=False)
    if known:
        operator = known[0]
    else:
        await operator_store.insert_operator(session, operator)
    token = await put_reset(session, person.person_id, lasts_seconds=lasts_seconds, random_bytes=random_bytes)
    await outbox.put(
        session, letters.operator_added(person.email, outbox.base_url, token=token, lasts_seconds=lasts_seconds)
    )
    await _record(session, principal, "operator.invited_again" if known else "operator.added", operator)
    return operator, token


async def list_operators(session: ReadSession, principal: Principal) -> list[Operator]:
    """Return the relationship managers who are people, by email.

    Raises:
        Forbidden: the caller is not at the command line.
    """
    _authorize(principal)
    return await operator_store.operators_by_email(session)


async def remove_operator(session: WriteSession, principal: Principal, *, email: str) -> Operator:
    """Let someone be no relationship manager any more: signed out, password and second factors forgotten.

    Args:
        session: the transaction.
        principal: the caller.
        email: their address; upper and lower case are one.

    Returns:
        Who is one no more.

    Raises:
        Forbidden: the caller is not at the command line.
        NotFound: there is no such relationship manager.
    """
    _authorize(principal)
    known = await operator_store.operators_by_email(session, email.lower())
    if not known:
        raise NotFound(f"there is no relationship manager {email}; `keywright operator list` shows them")
    await operator_store.delete_operator(session, known[0].person_id)
    await forget_sign_in(session, known[0].person_id)
    await _record(session, principal, "operator.removed", known[0])
    return known[0]


def _authorize(principal: Principal) -> None:
    if principal.kind is not PrincipalKind.LOCAL:
        raise Forbidden("relationship managers are added and removed at the command line: `keywright operator`")


async def _record(session: WriteSession, principal: Principal, action: str, operator: Operator) -> None:
    await audit.record(
        session,
        audit.PLATFORM_CHAIN,
        actor=principal.actor(),
        action=action,
        subject={"kind": "operator", "id": operator.person_id},
        detail={"email": operator.email, "name": operator.name},
    )
