"""For the developers who sign: the credential, and signatures for any HTTP client.

Neither an HTTP client nor any part of the server is imported here.
"""

from keywright.sdk.credential import Credential
from keywright.sdk.httpx_auth import SignatureAuth
from keywright.sdk.requests_auth import RequestsAuth
from keywright.sdk.signing import sign

__all__ = ["Credential", "RequestsAuth", "SignatureAuth", "sign"]
