"""What accounts, people and memberships are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


class AccountType(StrEnum):
    """The two kinds of customer. They differ in their roles, and in nothing else."""

    CORPORATE = "corporate"
    PARTNER = "partner"


class ApiAccess(StrEnum):
    """Whether an account may have keys."""

    NOT_REQUESTED = "not_requested"
    REQUESTED = "requested"
    DECLINED = "declined"
    ENABLED = "enabled"
    DISABLED = "disabled"


class Role(StrEnum):
    """What a person is in an account."""

    OWNER = "owner"
    ADMIN = "admin"
    EXECUTOR = "executor"
    PREPARER = "preparer"
    VIEWER = "viewer"
    PARTNER_ADMIN = "partner_admin"
    ONBOARDING_AGENT = "onboarding_agent"


_ROLES = {
    AccountType.CORPORATE: (Role.OWNER, Role.ADMIN, Role.EXECUTOR, Role.PREPARER, Role.VIEWER),
    AccountType.PARTNER: (Role.PARTNER_ADMIN, Role.ONBOARDING_AGENT),
}
# The role that manages users; of these one always stays.
MANAGER_ROLE = {AccountType.CORPORATE: Role.OWNER, AccountType.PARTNER: Role.PARTNER_ADMIN}


def roles_of(account_type: AccountType) -> tuple[Role, ...]:
    """Return the roles that an account of this type has, the most powerful first."""
    return _ROLES[account_type]


@dataclass(frozen=True, slots=True)
class Account:
    """A customer of the platform. Times in milliseconds since 1970 UTC."""

    account_id: str
    name: str
    type: AccountType
    api_access: ApiAccess
    api_access_reason: str | None
    api_access_changed_at: int | None
    created_at: int


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """An account that waits for its API access. Times in milliseconds since 1970 UTC."""

    account_id: str
    account_name: str
    account_type: AccountType
    message: str | None
    requested_by: str
    requested_at: int


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who can sign in. Times in milliseconds since 1970 UTC."""

    person_id: str
    email: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Member:
    """A person in an account, by the name that this account gave them. Times in milliseconds since 1970 UTC."""

    account_id: str
    person: Person
    name: str
    role: Role
    created_at: int


@dataclass(frozen=True, slots=True)
class Page(Generic[ItemT]):
    """A piece of a long list, and where the next begins."""

    items: list[ItemT]
    next_cursor: str | None
