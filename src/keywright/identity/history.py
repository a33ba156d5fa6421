"""What is told of people's sign-ins: in the platform's chain, since people belong to several accounts, and by mail."""

from __future__ import annotations

from keywright import audit
from keywright.accounts import Principal
from keywright.identity import session_store
from keywright.mail import Outbox, letters
from keywright.storage import WriteSession

_TOLD = {
    "person.password_changed": "The password with which you sign in was changed.",
    "person.password_reset": "A new password for your sign-in was set with a link from a mail.",
    "person.totp_added": "Your sign-in takes one-time codes from an app from now on.",
    "person.totp_removed": "The app for one-time codes was removed from your sign-in.",
    "person.passkey_added": "The passkey {name} was added to your sign-in.",
    "person.passkey_removed": "The passkey {name} was removed from your sign-in.",
    "person.recovery_codes_renewed": "New recovery codes were made for your sign-in. Those of before work no more.",
    "person.recovery_code_used": "Someone signed in with your password and one of your recovery codes.",
}


async def record_of_person(
    session: WriteSession,
    principal: Principal,
    action: str,
    *,
    person_id: str,
    email: str,
    outbox: Outbox,
    address: str | None = None,
    **detail: str,
) -> None:
    """Write down what was done to how a person signs in, and tell them by mail.

    Args:
        session: the transaction.
        principal: who did it.
        action: such as `person.password_reset`.
        person_id: to whom.
        email: their address.
        outbox: takes the mail.
        address: the network address it was done from; None takes the one from which the caller's session was opened.
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
    if address is None and principal.session_id is not None:
        address = await session_store.address_of_session(session, principal.session_id)
    what = _TOLD[action].format_map(detail)
    letter = letters.sign_in_changed(email, outbox.base_url, what=what, at_ms=session.now_ms, address=address)
    await outbox.put(session, letter)
