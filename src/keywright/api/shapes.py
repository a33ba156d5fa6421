"""What calls take and give, in the contract's names."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from keywright.accounts import AccessRequest, Account, AccountType, Member, Role
from keywright.audit import AuditEvent
from keywright.credentials import Algorithm, Credential
from keywright.revocation import Receipt
from keywright.storage.times import rfc3339, rfc3339_or_none
from keywright.wire.fields import Email, Label, Name, Remark

Password = Annotated[str, Meta(max_length=256, description="text of 12 to 256 characters")]


class Input(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What a call takes; anything else in the body is a fault."""


class Output(msgspec.Struct, rename="camel", omit_defaults=False):
    """What a call gives."""


class CreateAccountInput(Input):
    """A new customer."""

    name: Name
    type: Annotated[AccountType, Meta(description='"corporate" or "partner"')]


class SetApiAccessInput(Input):
    """A decision on API access."""

    enabled: Annotated[bool, Meta(description="true or false")]
    reason: Remark | None = None


class RequestApiAccessInput(Input):
    """A request for API access."""

    message: Remark | None = None


class AddUserInput(Input):
    """Someone who is to join an account."""

    email: Email
    name: Name
    role: Annotated[Role, Meta(description="one of: " + ", ".join(Role))]


class ChangeUserInput(Input):
    """A user's new role."""

    role: Annotated[Role, Meta(description="one of: " + ", ".join(Role))]


class AcceptInvitationInput(Input):
    """The invited person's first password."""

    password: Password


class SignInInput(Input):
    """A sign-in."""

    email: Annotated[str, Meta(max_length=254, description="the email address you were invited with")]
    password: Annotated[str, Meta(max_length=256, description="your password")]
    code: (
        Annotated[str, Meta(max_length=40, description="a one-time or recovery code, if you have a second factor")]
        | None
    ) = None


class CreateCredentialInput(Input):
    """A new API key."""

    email: Email
    label: Label | None = None
    algorithm: Annotated[Algorithm, Meta(description='"ed25519" or "hmac-sha256"')] = Algorithm.ED25519


class ApiAccessOutput(Output):
    """The state of an account's API access."""

    status: str
    reason: str | None
    changed_at: str | None


class AccountOutput(Output):
    """An account."""

    account_id: str
    name: str
    type: str
    api_access: ApiAccessOutput
    created_at: str


class AccountsOutput(Output):
    """A page of accounts."""

    accounts: list[AccountOutput]
    next_cursor: str | None


class ReceiptOutput(Output):
    """What became of a revocation."""

    confirmed: int
    expired: int
    took_ms: float


class ApiAccessDecisionOutput(ApiAccessOutput):
    """The state after a decision; with a receipt when access was not enabled by it."""

    account_id: str
    receipt: ReceiptOutput | msgspec.UnsetType = msgspec.UNSET


class AccessRequestOutput(Output):
    """An account that waits for its API access."""

    account_id: str
    account_name: str
    account_type: str
    message: str | None
    requested_by: str
    requested_at: str


class AccessRequestsOutput(Output):
    """A page of those who wait."""

    requests: list[AccessRequestOutput]
    next_cursor: str | None


class UserOutput(Output):
    """A person in an account. `invitationUrl` is there for operators who have just invited someone.

    It is null for someone who has or had a password, or belongs to another account: then the link goes by mail only.
    """

    user_id: str
    email: str
    name: str
    role: str
    created_at: str
    invitation_url: str | msgspec.UnsetType | None = msgspec.UNSET


class UsersOutput(Output):
    """The people of an account."""

    users: list[UserOutput]


class InvitationOutput(Output):
    """What to do with an invitation."""

    email: str
    expires_at: str
    next_step: str


class CredentialOutput(Output):
    """An API key, without its secret."""

    client_id: str
    email: str
    label: str | None
    algorithm: str
    created_at: str
    created_by: str
    last_used_at: str | None


class CredentialsOutput(Output):
    """An account's active keys."""

    credentials: list[CredentialOutput]
    limit: int


class CreatedCredentialOutput(Output):
    """A new key; the only answer that ever holds a secret."""

    client_id: str
    client_secret: str
    account_id: str
    email: str
    label: str | None
    algorithm: str
    created_at: str
    created_by: str


class DeletedCredentialOutput(Output):
    """A key that has ended, and the receipt for it."""

    client_id: str
    deleted_at: str
    receipt: ReceiptOutput


class AuditEventOutput(Output):
    """An event of the audit trail."""

    seq: int
    at: str
    actor: dict[str, Any]
    action: str
    subject: dict[str, Any]
    detail: dict[str, Any]
    previous_hash: str
    hash: str


class AuditEventsOutput(Output):
    """A page of the audit trail, newest first."""

    events: list[AuditEventOutput]
    next_cursor: str | None


def account_output(account: Account) -> AccountOutput:
    """Write an account."""
    return AccountOutput(
        account_id=account.account_id,
        name=account.name,
        type=account.type.value,
        api_access=ApiAccessOutput(
            status=account.api_access.value,
            reason=account.api_access_reason,
            changed_at=rfc3339_or_none(account.api_access_changed_at),
        ),
        created_at=rfc3339(account.created_at),
    )


def api_access_output(account: Account, receipt: Receipt | None) -> ApiAccessDecisionOutput:
    """Write the state of an account's API access."""
    return ApiAccessDecisionOutput(
        account_id=account.account_id,
        status=account.api_access.value,
        reason=account.api_access_reason,
        changed_at=rfc3339_or_none(account.api_access_changed_at),
        receipt=msgspec.UNSET if receipt is None else receipt_output(receipt),
    )


def receipt_output(receipt: Receipt) -> ReceiptOutput:
    """Write a receipt."""
    return ReceiptOutput(confirmed=receipt.confirmed, expired=receipt.expired, took_ms=receipt.took_ms)


def access_request_output(request: AccessRequest) -> AccessRequestOutput:
    """Write a request for API access."""
    return AccessRequestOutput(
        account_id=request.account_id,
        account_name=request.account_name,
        account_type=request.account_type.value,
        message=request.message,
        requested_by=request.requested_by,
        requested_at=rfc3339(request.requested_at),
    )


def user_output(member: Member, invitation_url: str | msgspec.UnsetType | None = msgspec.UNSET) -> UserOutput:
    """Write a member of an account."""
    return UserOutput(
        user_id=member.person.person_id,
        email=member.person.email,
        name=member.name,
        role=member.role.value,
        created_at=rfc3339(member.created_at),
        invitation_url=invitation_url,
    )


def credential_output(credential: Credential) -> CredentialOutput:
    """Write a key."""
    return CredentialOutput(
        client_id=credential.client_id,
        email=credential.email,
        label=credential.label,
        algorithm=credential.algorithm.value,
        created_at=rfc3339(credential.created_at),
        created_by=credential.created_by,
        last_used_at=rfc3339_or_none(credential.last_used_at),
    )


def audit_event_output(event: AuditEvent) -> AuditEventOutput:
    """Write an event of the audit trail."""
    return msgspec.convert(event.public(), AuditEventOutput)
