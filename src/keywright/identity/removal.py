"""Taking someone out of an account, with all that lets them in."""

from __future__ import annotations

from keywright.accounts import Principal, remove_member
from keywright.identity import factor_store, session_store, store
from keywright.mail import Outbox
from keywright.storage import WriteSession


async def remove_user(
    session: WriteSession, principal: Principal, account_id: str, person_id: str, *, outbox: Outbox
) -> None:
    """End someone's membership; without any left, their sessions, password and second factors end as well.

    Every request asks for the role anew, so the account is closed to them at once. Where they belong to another account
    they stay signed in: no account's Owner can sign out another account's people.

    Args:
        session: the transaction.
        principal: the caller.
        account_id: the account.
        person_id: the member.
        outbox: takes the mail: to them, and to the account's other managers.

    Raises:
        NotFound: no such account or member for this caller.
        Forbidden: the caller does not manage users.
        LastManager: the account would be left without its last Owner or Partner Admin.
    """
    await remove_member(session, principal, account_id, person_id, outbox=outbox)
    await store.delete_invitations(session, person_id, account_id)
    if not await store.is_member_anywhere(session, person_id):
        await forget_sign_in(session, person_id)


async def forget_sign_in(session: WriteSession, person_id: str) -> None:
    """Forget all that lets a person in: as if they had never been here, until they are invited again.

    Args:
        session: the transaction.
        person_id: the person.
    """
    await store.delete_password(session, person_id)
    await store.delete_invitations(session, person_id)
    await factor_store.delete_second_factors(session, person_id)
    await session_store.delete_resets_of(session, person_id)
    await session_store.delete_challenges_of(session, person_id)
    await session_store.delete_sessions_of(session, person_id)
