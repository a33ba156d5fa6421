"""Accounts, people, memberships, roles, API access: who exists and who may do what."""

from keywright.accounts.access import list_access_requests, request_api_access, set_api_access
from keywright.accounts.create import create_account, find_created_account
from keywright.accounts.models import (
    AccessRequest,
    Account,
    AccountType,
    ApiAccess,
    Member,
    Page,
    Person,
    Role,
    roles_of,
)
from keywright.accounts.overview import AccountOverview, count_access_requests, find_overview
from keywright.accounts.places import Place, find_place, list_places
from keywright.accounts.policy import Permission, authorize, authorize_platform, require_fresh_proof
from keywright.accounts.principal import Principal, PrincipalKind
from keywright.accounts.read import find_account, key_manager_emails, list_accounts
from keywright.accounts.search import AccountSearch, AccountSlice, FoundAccount, search_accounts
from keywright.accounts.users import add_member, change_role, find_member, list_members, remove_member

__all__ = [
    "AccessRequest",
    "Account",
    "AccountOverview",
    "AccountSearch",
    "AccountSlice",
    "AccountType",
    "ApiAccess",
    "FoundAccount",
    "Member",
    "Page",
    "Permission",
    "Person",
    "Place",
    "Principal",
    "PrincipalKind",
    "Role",
    "add_member",
    "authorize",
    "authorize_platform",
    "change_role",
    "count_access_requests",
    "create_account",
    "find_account",
    "find_created_account",
    "find_member",
    "find_overview",
    "find_place",
    "key_manager_emails",
    "list_access_requests",
    "list_accounts",
    "list_members",
    "list_places",
    "remove_member",
    "request_api_access",
    "require_fresh_proof",
    "roles_of",
    "search_accounts",
    "set_api_access",
]
