"""What an API key is: create, list, delete, the limit."""

from keywright.credentials.create import CreateCredential, CreatedCredential, create_credential
from keywright.credentials.delete import DeletedCredential, delete_credential
from keywright.credentials.models import Algorithm, Credential, VerificationKey
from keywright.credentials.read import find_account_of_key, list_credentials, list_credentials_for_operator
from keywright.credentials.reseal import reseal_credentials
from keywright.credentials.verification_key import check_sealed_secrets, find_verification_key, note_last_used

__all__ = [
    "Algorithm",
    "CreateCredential",
    "CreatedCredential",
    "Credential",
    "DeletedCredential",
    "VerificationKey",
    "check_sealed_secrets",
    "create_credential",
    "delete_credential",
    "find_account_of_key",
    "find_verification_key",
    "list_credentials",
    "list_credentials_for_operator",
    "note_last_used",
    "reseal_credentials",
]
