"""Tells by mail what happened to an account's users: the others who manage them, and the one it happened to.

So nobody, not even the platform's own people, gets into an account or puts someone out of it unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable

from keywright.accounts import manager_store
from keywright.accounts.models import MANAGER_ROLE, Account, Member, Role
from keywright.accounts.principal import Principal, PrincipalKind
from keywright.mail import Letter, Outbox, letters
from keywright.storage import WriteSession

# Whoever has more is not told one by one.
MOST_MANAGERS_TOLD = 20
_HOW = {
    PrincipalKind.OPERATOR: ", relationship manager",
    PrincipalKind.OPERATOR_TOKEN: ", a program of the platform",
    PrincipalKind.LOCAL: ", at the server's command line",
}

WriteLetter = Callable[[str, str, letters.UserNews], Letter]


async def tell_of_user(
    session: WriteSession,
    principal: Principal,
    account: Account,
    member: Member,
    *,
    outbox: Outbox,
    to_managers: WriteLetter,
    to_user: WriteLetter | None = None,
    role_before: Role | None = None,
) -> None:
    """Leave mail on what happened to a user. Whoever did it is not told.

    Args:
        session: the transaction in which it happens.
        principal: who does it.
        account: where.
        member: the user, with the role they have now.
        outbox: takes the mail.
        to_managers: writes to the account's Owners or Partner Admins who have a password, twenty at most.
        to_user: writes to the user; None tells them nothing.
        role_before: the role they had before, if it was changed.
    """
    news = letters.UserNews(
        email=member.person.email,
        role=_word(member.role),
        role_before=None if role_before is None else _word(role_before),
        account_id=account.account_id,
        account_name=account.name,
        by=_name(principal),
        at_ms=session.now_ms,
    )
    managers = await manager_store.emails_of_managers(
        session,
        account.account_id,
        MANAGER_ROLE[account.type],
        but=(principal.id, member.person.person_id),
        limit=MOST_MANAGERS_TOLD,
    )
    await outbox.put(session, *(to_managers(address, outbox.base_url, news) for address in managers))
    if to_user is not None and principal.id != member.person.person_id:
        await outbox.put(session, to_user(news.email, outbox.base_url, news))


def _name(principal: Principal) -> str:
    """Who did it, and whether they are the platform's own: an account's people must see which."""
    if principal.on_behalf_of is not None:
        return f"{principal.on_behalf_of}, through the platform"
    return principal.name + _HOW.get(principal.kind, "")


def _word(role: Role) -> str:
    return role.value.replace("_", " ").title()
