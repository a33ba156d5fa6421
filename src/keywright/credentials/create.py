"""Create a key: the one moment in which its secret exists on this side."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from keywright import audit
from keywright.accounts import ApiAccess, Permission, Principal, authorize, require_fresh_proof
from keywright.credentials import store
from keywright.credentials.models import LIMIT, Algorithm, Credential
from keywright.credentials.news import tell_of_created_key
from keywright.errors import ApiAccessNotEnabled, Conflict, CredentialLimitReached
from keywright.formats import SECRET_BYTES, RandomBytes, format_client_secret, new_client_id
from keywright.keyring import Sealer
from keywright.mail import Outbox
from keywright.revocation import note_new_key
from keywright.signatures import public_key_of
from keywright.storage import WriteSession


@dataclass(frozen=True, slots=True)
class CreateCredential:
    """What a new key is to be.

    Args:
        account_id: whose it is.
        email: identifies it, for people and for audit.
        label: tells keys of one email apart; optional.
        algorithm: how it signs.
        request_id: names this very request, so that sent twice it makes one key; optional.
    """

    account_id: str
    email: str
    label: str | None = None
    algorithm: Algorithm = Algorithm.ED25519
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class CreatedCredential:
    """The new key, and its secret, which nobody can have again."""

    credential: Credential
    client_secret: str = field(repr=False)


async def create_credential(
    session: WriteSession,
    principal: Principal,
    command: CreateCredential,
    *,
    keyring: Sealer,
    environment: str,
    random_bytes: RandomBytes,
    outbox: Outbox,
) -> CreatedCredential:
    """Create a key; its email and the account's key managers are told by mail.

    Args:
        session: the transaction.
        principal: the caller: a key manager of the account, or a platform token.
        command: what the key is to be.
        keyring: seals the secret of an hmac-sha256 key.
        environment: `live` or `sandbox`, for the secret's prefix.
        random_bytes: makes Client ID and secret.
        outbox: takes the mail.

    Returns:
        The key with its secret.

    Raises:
        NotFound: no such account for this caller.
        Forbidden: the caller may not create keys here.
        ProofRequired: the caller proved too long ago who they are.
        ApiAccessNotEnabled: the account's API access is not enabled.
        CredentialLimitReached: the account has ten active keys.
        Conflict: this very request made a key before.
    """
    account = await authorize(session, principal, command.account_id, Permission.CREATE_CREDENTIALS)
    require_fresh_proof(principal, session.now_ms)
    if account.api_access is not ApiAccess.ENABLED:
        raise ApiAccessNotEnabled(
            "API access is not enabled for this account; request it, and your relationship manager will decide"
        )
    if not await store.take_a_place(session, command.account_id):
        raise CredentialLimitReached(
            f"this account has {LIMIT} active API keys, the most there can be; delete one that is not used, then create"
        )
    request_hash = _request_hash(command)
    # With the place the account's row is taken, so that two of one request come here one after the other.
    if request_hash is not None and await store.was_created(session, request_hash):
        raise Conflict(
            "this key was created already, and its secret was shown then, once; if you did not store it, delete the key"
            " and create another"
        )
    client_id = new_client_id(random_bytes)
    secret = random_bytes(SECRET_BYTES)
    is_ed25519 = command.algorithm is Algorithm.ED25519
    credential = Credential(
        client_id=client_id,
        account_id=command.account_id,
        email=command.email,
        label=command.label,
        algorithm=command.algorithm,
        created_at=session.now_ms,
        created_by=principal.shown_as,
        last_used_at=None,
    )
    await store.insert_credential(
        session,
        credential,
        # Of an Ed25519 key only the public half stays: nothing here can sign in the customer's name.
        public_key=public_key_of(secret) if is_ed25519 else None,
        sealed_secret=None if is_ed25519 else keyring.seal(secret, client_id, random_bytes),
        request_hash=request_hash,
    )
    await note_new_key(session, client_id)
    await audit.record(
        session,
        command.account_id,
        actor=principal.actor(),
        action="credential.created",
        subject={"kind": "credential", "id": client_id},
        detail={
            "email": command.email,
            "algorithm": command.algorithm.value,
            **({} if command.label is None else {"label": command.label}),
        },
    )
    await tell_of_created_key(session, outbox, account, credential)
    return CreatedCredential(credential, format_client_secret(secret, environment))


def _request_hash(command: CreateCredential) -> bytes | None:
    if command.request_id is None:
        return None
    return hashlib.sha256(f"{command.account_id}\n{command.request_id}".encode()).digest()
