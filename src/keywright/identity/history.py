"""What the audit trail tells of people's sign-ins: in the platform's chain, since people belong to several accounts."""

from __future__ import annotations

from keywright import audit
from keywright.accounts import Principal
from keywright.storage import WriteSession


async def record_of_person(
    session: WriteSession, principal: Principal, action: str, *, person_id: str, email: str, **detail: str
) -> None:
    """Write down what was done to how a person signs in.

    Args:
        session: the transaction.
        principal: who did it.
        action: such as `person.password_reset`.
        person_id: to whom.
        email: their address.
        **detail: what else is worth knowing; never a secret.
    """
    await audit.record(
        session,
        audit.PLATFORM_CHAIN,
        actor=principal.actor(),
        action=action,
        subject={"kind": "person", "id": person_id},
        detail={"email": email, **detail},
    )
