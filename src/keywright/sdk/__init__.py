"""For the developers who sign: the credential, signatures for any HTTP client, and tokens in their place.

Neither an HTTP client nor any part of the server is imported here.
"""

from keywright.sdk.credential import Credential
from keywright.sdk.httpx_auth import SignatureAuth
from keywright.sdk.requests_auth import RequestsAuth
from keywright.sdk.requests_token_auth import RequestsTokenAuth
from keywright.sdk.signing import sign
from keywright.sdk.token_answer import TokenError
from keywright.sdk.token_auth import TokenAuth

__all__ = ["Credential", "RequestsAuth", "RequestsTokenAuth", "SignatureAuth", "TokenAuth", "TokenError", "sign"]
