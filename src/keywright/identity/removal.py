"""Taking someone out of an account, with all that lets them in."""

from __future__ import annotations

from keywright.accounts import Principal, remove_member
from keywright.identity import factor_store, session_store, store
from keywright.storage import WriteSession


async def remove_user(session: WriteSession, principal: Principal, account_id: str, person_id: str) -> None:
    """End someone's membership and all their sessions; without any membership left, password and second factors too.

    So nothing of before works when they are added again: they sign in anew, or are invited like someone new.

    Args:
        session: the transaction.
        principal: the caller.
        account_id: the account.
        person_id: the member.

    Raises:
        NotFound: no such account or member for this caller.
        Forbidden: the caller does not manage users.
        LastManager: the account would be left without its last Owner or Partner Admin.
    """
    await remove_member(session, principal, account_id, person_id)
    await session_store.delete_sessions_of(session, person_id)
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
