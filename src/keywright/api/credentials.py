"""API keys: create, list, delete. There is no other verb."""

from __future__ import annotations

from litestar import Response, Router, delete, get, post

from keywright.accounts import Principal
from keywright.api.shapes import (
    CreateCredentialInput,
    CreatedCredentialOutput,
    CredentialsOutput,
    DeletedCredentialOutput,
    credential_output,
    receipt_output,
)
from keywright.control import Control
from keywright.credentials import CreateCredential, create_credential, delete_credential, list_credentials
from keywright.credentials.models import LIMIT
from keywright.storage.times import rfc3339


@post("/accounts/{account_id:str}/credentials", summary="Create an API key")
async def post_credential(
    control: Control, principal: Principal, account_id: str, data: CreateCredentialInput
) -> Response[CreatedCredentialOutput]:
    """Create an API key. Its secret is in this answer and nowhere else, ever. Key managers and platform tokens."""
    command = CreateCredential(account_id, data.email, data.label, data.algorithm)
    async with control.database.write() as session:
        created = await create_credential(
            session,
            principal,
            command,
            keyring=control.keyring,
            environment=control.settings.environment,
            random_bytes=control.random_bytes,
            outbox=control.outbox,
        )
        await session.commit()
    control.wake_mail()
    credential = created.credential
    return Response(
        CreatedCredentialOutput(
            client_id=credential.client_id,
            client_secret=created.client_secret,
            account_id=credential.account_id,
            email=credential.email,
            label=credential.label,
            algorithm=credential.algorithm.value,
            created_at=rfc3339(credential.created_at),
            created_by=credential.created_by,
        ),
        status_code=201,
    )


@get("/accounts/{account_id:str}/credentials", summary="List active API keys")
async def get_credentials(control: Control, principal: Principal, account_id: str) -> CredentialsOutput:
    """List the account's active API keys, newest first, without secrets."""
    async with control.database.read() as session:
        found = await list_credentials(session, principal, account_id)
    return CredentialsOutput([credential_output(credential) for credential in found], LIMIT)


@delete("/accounts/{account_id:str}/credentials/{client_id:str}", status_code=200, summary="Delete an API key")
async def delete_credential_handler(
    control: Control, principal: Principal, account_id: str, client_id: str
) -> DeletedCredentialOutput:
    """Delete an API key, for good. When this answers, no verification that starts accepts it."""
    started = control.receipts.now()
    async with control.receipts.gone_everywhere(), control.database.write() as session:
        deleted = await delete_credential(session, principal, account_id, client_id, outbox=control.outbox)
        await session.commit()
    control.wake_mail()
    receipt = await control.receipts.wait(deleted.revocation, started)
    control.metrics.count_revocation()
    return DeletedCredentialOutput(
        client_id=client_id, deleted_at=rfc3339(deleted.deleted_at), receipt=receipt_output(receipt)
    )


router = Router("/", tags=["API keys"], route_handlers=[post_credential, get_credentials, delete_credential_handler])
