"""The people of an account: add, change role, remove."""

from __future__ import annotations

from dataclasses import replace

from keywright import audit
from keywright.accounts import store
from keywright.accounts.models import MANAGER_ROLE, Account, Member, Person, Role, roles_of
from keywright.accounts.news import tell_of_user
from keywright.accounts.policy import Permission, authorize, require_fresh_proof
from keywright.accounts.principal import Principal
from keywright.errors import Conflict, Fault, InvalidRequest, LastManager, NotFound
from keywright.formats import RandomBytes, new_identifier
from keywright.mail import Outbox, letters
from keywright.storage import ReadSession, WriteSession


async def list_members(session: ReadSession, principal: Principal, account_id: str) -> list[Member]:
    """Return an account's members, in the order in which they came.

    Raises:
        NotFound: no such account for this caller.
        Forbidden: the caller does not manage users.
    """
    await authorize(session, principal, account_id, Permission.MANAGE_USERS)
    return await store.members_of(session, account_id)


async def find_member(session: ReadSession, principal: Principal, account_id: str, person_id: str) -> Member:
    """Return one member of an account.

    Raises:
        NotFound: no such account or member for this caller.
        Forbidden: the caller does not manage users.
    """
    await authorize(session, principal, account_id, Permission.MANAGE_USERS)
    return await _member(session, account_id, person_id)


async def add_member(
    session: WriteSession,
    principal: Principal,
    account_id: str,
    *,
    email: str,
    name: str,
    role: Role,
    random_bytes: RandomBytes,
    outbox: Outbox,
) -> tuple[Member, bool]:
    """Make someone a member of an account; a person we do not know yet is created. Its other managers are told.

    Args:
        session: the transaction.
        principal: the caller.
        account_id: the account.
        email: the person's address; upper and lower case are one.
        name: what this account calls them; other accounts have names of their own.
        role: the role; it must exist in the account's type.
        random_bytes: makes the identifier of someone new.
        outbox: takes the mail to the account's managers.

    Returns:
        The member, and whether they are new to this account. Someone who is there already with the very same role is
        returned as they are, so that an invitation can be sent again.

    Raises:
        NotFound: no such account for this caller.
        Forbidden: the caller does not manage users.
        InvalidRequest: the account's type does not have the role.
        Conflict: they are a member with another role, or a relationship manager of the platform.
    """
    account = await authorize(session, principal, account_id, Permission.MANAGE_USERS)
    require_fresh_proof(principal, session.now_ms)
    _check_role(account, role)
    person = await ensure_person(session, email, random_bytes=random_bytes)
    if await store.is_operator(session, person.person_id):
        raise Conflict(f"{person.email} works for the platform, and nobody is both; add them by another address")
    member = await store.member_by_id(session, account_id, person.person_id)
    if member is not None:
        if member.role is not role:
            raise Conflict(
                f"{person.email} is already a user of this account, as {member.role}; change the role instead"
            )
        return member, False
    member = Member(account_id, person, name, role, session.now_ms)
    await store.insert_membership(session, member)
    await _record(session, principal, "user.added", account_id=account_id, person=person, detail={"role": role.value})
    await tell_of_user(session, principal, account, member, outbox=outbox, to_managers=letters.user_added)
    return member, True


async def ensure_person(session: WriteSession, email: str, *, random_bytes: RandomBytes) -> Person:
    """Find the person with an email address, or make them known.

    Args:
        session: the transaction.
        email: their address; upper and lower case are one.
        random_bytes: makes the identifier of someone new.

    Returns:
        The person, who may belong to no account.
    """
    person = await store.person_by_email(session, email.lower())
    if person is None:
        person = Person(new_identifier("usr", random_bytes), email.lower(), session.now_ms)
        await store.insert_person(session, person)
    return person


async def change_role(
    session: WriteSession, principal: Principal, account_id: str, person_id: str, *, role: Role, outbox: Outbox
) -> Member:
    """Give a member another role; they and the account's other managers are told.

    Args:
        session: the transaction.
        principal: the caller.
        account_id: the account.
        person_id: the member.
        role: the new role.
        outbox: takes the mail.

    Returns:
        The member as they are now.

    Raises:
        NotFound: no such account or member for this caller.
        Forbidden: the caller does not manage users.
        InvalidRequest: the account's type does not have the role.
        LastManager: the account would be left without its last Owner or Partner Admin.
    """
    account = await authorize(session, principal, account_id, Permission.MANAGE_USERS)
    require_fresh_proof(principal, session.now_ms)
    _check_role(account, role)
    member = await _member(session, account_id, person_id)
    if member.role is role:
        return member
    await _keep_a_manager(session, account, member)
    await store.update_role(session, account_id, person_id, role)
    change = {"from": member.role.value, "to": role.value}
    await _record(session, principal, "user.role_changed", account_id=account_id, person=member.person, detail=change)
    changed = replace(member, role=role)
    await tell_of_user(
        session,
        principal,
        account,
        changed,
        outbox=outbox,
        to_managers=letters.user_role_changed,
        to_user=letters.your_role_changed,
        role_before=member.role,
    )
    return changed


async def remove_member(
    session: WriteSession, principal: Principal, account_id: str, person_id: str, *, outbox: Outbox
) -> None:
    """End someone's membership; what they created stays. Edges call `identity.remove_user`, which ends sessions too.

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
    account = await authorize(session, principal, account_id, Permission.MANAGE_USERS)
    require_fresh_proof(principal, session.now_ms)
    member = await _member(session, account_id, person_id)
    await _keep_a_manager(session, account, member)
    await store.delete_membership(session, account_id, person_id)
    await _record(
        session,
        principal,
        "user.removed",
        account_id=account_id,
        person=member.person,
        detail={"role": member.role.value},
    )
    await tell_of_user(
        session,
        principal,
        account,
        member,
        outbox=outbox,
        to_managers=letters.user_removed,
        to_user=letters.you_were_removed,
    )


async def _member(session: ReadSession, account_id: str, person_id: str) -> Member:
    member = await store.member_by_id(session, account_id, person_id)
    if member is None:
        raise NotFound("there is no such user in this account; list the users to find them")
    return member


async def _keep_a_manager(session: WriteSession, account: Account, leaving: Member) -> None:
    manager = MANAGER_ROLE[account.type]
    if leaving.role is manager and await store.count_role(session, account.account_id, manager) == 1:
        word = "Owner" if manager is Role.OWNER else "Partner Admin"
        raise LastManager(f"this is the account's last {word}; make someone else {word} first")


def _check_role(account: Account, role: Role) -> None:
    roles = roles_of(account.type)
    if role not in roles:
        known = ", ".join(roles)
        raise InvalidRequest(
            [Fault("role", f"a {account.type} account does not have this role; choose one of: {known}")]
        )


async def _record(
    session: WriteSession,
    principal: Principal,
    action: str,
    *,
    account_id: str,
    person: Person,
    detail: dict[str, str],
) -> None:
    await audit.record(
        session,
        account_id,
        actor=principal.actor(),
        action=action,
        subject={"kind": "user", "id": person.person_id},
        detail={"email": person.email, **detail},
    )
