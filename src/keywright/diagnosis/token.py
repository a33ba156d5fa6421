"""What a request's bearer token says of itself. Whether it is genuine, only the server can tell."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass

from keywright.errors import RefusalCode, Refused
from keywright.signatures import SignedRequest

_JWT = re.compile(r"[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class TokenFound:
    """What can be read of a token: never the token itself.

    Args:
        client_id: whose it says it is; None if it does not.
        expires: seconds since the epoch; None if it does not say.
    """

    client_id: str | None
    expires: int | None


def find_token(request: SignedRequest, now: float) -> TokenFound | Refused | None:
    """Look at a request that is not signed.

    Args:
        request: the request.
        now: seconds since the epoch.

    Returns:
        What its token says; what a verifier would refuse it with; None if it has no Authorization.
    """
    value = next((value for name, value in request.headers if name.lower() == "authorization"), None)
    if value is None:
        return None
    scheme, _, token = value.strip().partition(" ")
    if scheme.lower() != "bearer":
        return Refused(
            RefusalCode.AUTHORIZATION_MISSING,
            "Authorization is there with a scheme that is not taken; a token goes in as 'Authorization: Bearer TOKEN'.",
        )
    claims = _claims(token.strip())
    if claims is None:
        return Refused(
            RefusalCode.TOKEN_INVALID,
            "What stands behind Bearer is no access token, which has three parts with dots between them: it was cut "
            "off, is a secret, or is another server's.",
        )
    expires, client_id = claims.get("exp"), claims.get("client_id")
    if isinstance(expires, int) and now >= expires:
        return Refused(RefusalCode.TOKEN_EXPIRED, f"The token ended {int(now - expires)} s ago.")
    return TokenFound(client_id if isinstance(client_id, str) else None, expires if isinstance(expires, int) else None)


def _claims(token: str) -> dict[str, object] | None:
    match = _JWT.fullmatch(token)
    if match is None:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4)))
    except (ValueError, RecursionError, binascii.Error):
        return None
    return claims if isinstance(claims, dict) else None
