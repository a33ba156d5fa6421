"""Delete a key: permanent, and dead everywhere when the edge has committed."""

from __future__ import annotations

from dataclasses import dataclass

from keywright import audit
from keywright.accounts import Permission, Principal, authorize, require_fresh_proof
from keywright.credentials import store
from keywright.credentials.models import Credential
from keywright.credentials.news import tell_of_deleted_key
from keywright.errors import NotFound
from keywright.mail import Outbox
from keywright.revocation import Revocation, note_revocation
from keywright.storage import WriteSession


@dataclass(frozen=True, slots=True)
class DeletedCredential:
    """The key that is no more, when it ended (milliseconds since 1970 UTC), and what is to be waited for."""

    credential: Credential
    deleted_at: int
    revocation: Revocation


async def delete_credential(
    session: WriteSession, principal: Principal, account_id: str, client_id: str, *, outbox: Outbox
) -> DeletedCredential:
    """Delete a key; its email and the account's key managers are told by mail.

    Args:
        session: the transaction; once the revocation's receipt was had, no verification that starts accepts the key.
        principal: the caller.
        account_id: the account.
        client_id: the key.
        outbox: takes the mail.

    Returns:
        The key and when it ended.

    Raises:
        NotFound: no such account or active key for this caller.
        Forbidden: the caller may not delete keys here.
        ProofRequired: the caller proved too long ago who they are.
    """
    account = await authorize(session, principal, account_id, Permission.DELETE_CREDENTIALS)
    require_fresh_proof(principal, session.now_ms)
    credential = await store.active_credential(session, account_id, client_id)
    if credential is None:
        raise NotFound("there is no such active API key in this account; list the keys to see those that are")
    await store.mark_deleted(session, client_id)
    await store.give_back_a_place(session, account_id)
    revocation = await note_revocation(session, "credential", client_id)
    await audit.record(
        session,
        account_id,
        actor=principal.actor(),
        action="credential.deleted",
        subject={"kind": "credential", "id": client_id},
        detail={
            "email": credential.email,
            **({} if credential.label is None else {"label": credential.label}),
        },
    )
    await tell_of_deleted_key(session, outbox, account, credential, principal)
    return DeletedCredential(credential, session.now_ms, revocation)
