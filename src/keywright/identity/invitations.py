"""Invitations: how a person comes to an account and sets their first password."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from keywright import audit
from keywright.accounts import Member, Principal, PrincipalKind, Role, add_member, find_account
from keywright.accounts.news import tell_of_user
from keywright.errors import Conflict, Fault, InvalidRequest, NotFound, TooManyRequests
from keywright.formats import RandomBytes
from keywright.identity import session_store, store
from keywright.identity.passwords import MAX_CHARACTERS, MIN_CHARACTERS
from keywright.identity.secrets import new_token, token_hash
from keywright.mail import Outbox, letters
from keywright.storage import ReadSession, WriteSession

# Each one is a mail to someone who may not have asked for it.
BETWEEN_INVITATIONS_MS = 60_000


@dataclass(frozen=True, slots=True)
class Invited:
    """Someone who was invited.

    Args:
        member: the member.
        has_come: whether they have a password already, so that they need no invitation.
        token: of the link with which they set their password, where whoever invites may see it; None otherwise: then
            it is in their mail only.
    """

    member: Member
    has_come: bool
    token: str | None = field(default=None, repr=False)


async def invite(
    session: WriteSession,
    principal: Principal,
    account_id: str,
    *,
    email: str,
    name: str,
    role: Role,
    lasts_seconds: int,
    random_bytes: RandomBytes,
    outbox: Outbox,
) -> Invited:
    """Add someone to an account and mail them an invitation. Asked again before they came, it invites anew.

    Whoever holds the link sets the person's password. So the platform's people see it for newcomers only: a person who
    belongs to no other account, which they would enter as well, and who never had a password, so that nobody is
    removed and invited again to be stood in for. An account's own people never see it.

    Args:
        session: the transaction.
        principal: the caller.
        account_id: the account.
        email: the person's address.
        name: the person's name.
        role: their role in the account.
        lasts_seconds: how long the invitation can be accepted.
        random_bytes: makes token and identifier.
        outbox: takes the mail: to them, and to those who manage the account's users.

    Returns:
        The member, and the invitation's token if the caller may see it; only its hash is kept.

    Raises:
        NotFound: no such account for this caller.
        Forbidden: the caller does not manage users.
        InvalidRequest: the account's type does not have the role.
        Conflict: they are a member already, with another role or with a password set.
        TooManyRequests: they were invited to this account less than a minute ago.
    """
    member, is_new = await add_member(
        session, principal, account_id, email=email, name=name, role=role, random_bytes=random_bytes, outbox=outbox
    )
    if await store.password_hash(session, member.person.person_id) is not None:
        if not is_new:
            raise Conflict(f"{member.person.email} is already a user of this account")
        account = await find_account(session, principal, account_id)
        welcome = letters.added_to_account(
            member.person.email,
            outbox.base_url,
            account_id=account_id,
            account_name=account.name,
            by=principal.shown_as,
        )
        await outbox.put(session, welcome)
        return Invited(member, has_come=True)
    if not is_new:
        await _refuse_haste(session, member)
    token = new_token("kwi", random_bytes)
    is_shown = principal.kind is not PrincipalKind.PERSON and await store.is_newcomer(
        session, member.person.person_id, account_id
    )
    await store.replace_invitation(
        session,
        token_hash(token),
        member.person.person_id,
        account_id,
        session.now_ms + lasts_seconds * 1000,
        is_shown=is_shown,
    )
    account = await find_account(session, principal, account_id)
    if not is_new:
        await _record(
            session,
            principal,
            "user.invited_again",
            account_id=account_id,
            person_id=member.person.person_id,
            email=member.person.email,
        )
        await tell_of_user(session, principal, account, member, outbox=outbox, to_managers=letters.user_invited_again)
    letter = letters.invitation(
        member.person.email,
        outbox.base_url,
        token=token,
        account_name=account.name,
        by=principal.shown_as,
        lasts_seconds=lasts_seconds,
    )
    await outbox.put(session, letter)
    return Invited(member, has_come=False, token=token if is_shown else None)


async def _refuse_haste(session: ReadSession, member: Member) -> None:
    invited_at = await store.invited_at(session, member.person.person_id, member.account_id)
    # An invitation of the future is a clock that was set back: no reason to wait for it.
    if invited_at is not None and 0 <= (passed := session.now_ms - invited_at) < BETWEEN_INVITATIONS_MS:
        raise TooManyRequests(
            f"{member.person.email} was invited less than a minute ago; that invitation holds, wait to send another",
            retry_after_seconds=math.ceil((BETWEEN_INVITATIONS_MS - passed) / 1000),
        )


def check_password(password: str) -> None:
    """Check that a new password is long enough to be worth having.

    Raises:
        InvalidRequest: it is too short or too long.
    """
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        message = f"must have {MIN_CHARACTERS} to {MAX_CHARACTERS} characters; a few random words make a good one"
        raise InvalidRequest([Fault("password", message)])


async def find_invitation(session: ReadSession, token: str) -> store.Invitation:
    """Find an invitation that can be accepted: also asked before the costly password hash is made.

    Raises:
        NotFound: it was used, has run out, or never was.
    """
    invitation = await store.invitation_by_hash(session, token_hash(token))
    if invitation is None:
        raise NotFound("this invitation was used or has run out; ask whoever invited you for a new one")
    return invitation


async def accept_invitation(session: WriteSession, token: str, *, password_hash: str) -> None:
    """Set the invited person's first password. It works once; their other invitations need no password any more.

    It lets them into every account they belong to, so each one's audit trail tells of it.

    Args:
        session: the transaction.
        token: from the invitation's address.
        password_hash: of the chosen password.

    Raises:
        NotFound: it was used, has run out, or never was.
    """
    invitation = await find_invitation(session, token)
    await store.put_password(session, invitation.person_id, password_hash)
    # Whoever held an earlier link or session for this person is out.
    await store.delete_invitations(session, invitation.person_id)
    await session_store.delete_sessions_of(session, invitation.person_id)
    person = Principal(PrincipalKind.PERSON, invitation.person_id, invitation.email)
    for account_id in await store.accounts_of(session, invitation.person_id):
        await _record(
            session,
            person,
            "user.invitation_accepted",
            account_id=account_id,
            person_id=invitation.person_id,
            email=invitation.email,
        )


async def _record(
    session: WriteSession, principal: Principal, action: str, *, account_id: str, person_id: str, email: str
) -> None:
    await audit.record(
        session,
        account_id,
        actor=principal.actor(),
        action=action,
        subject={"kind": "user", "id": person_id},
        detail={"email": email},
    )
