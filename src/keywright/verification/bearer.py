"""What a verifier needs to know of bearer tokens: who reads them, and where a request carries one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from keywright.errors import RefusalCode, Refused

_OTHER_SCHEME = Refused(
    RefusalCode.AUTHORIZATION_MISSING,
    "the Authorization header is of a scheme that is not taken here; sign the request with an API key, or send"
    " Authorization: Bearer with an access token",
)
_UNSIGNED = Refused(
    RefusalCode.SIGNATURE_MISSING,
    "the request has neither Signature-Input and Signature headers nor a bearer token; sign it with an API key"
    " (RFC 9421), or send Authorization: Bearer with an access token",
)
_TWICE = Refused(
    RefusalCode.TOKEN_INVALID, "the request has more than one Authorization header; send one, with one bearer token"
)


class BearerClaims(Protocol):
    """What a token says that matters here."""

    @property
    def client_id(self) -> str:
        """The key that the token stands for."""


class TokenReader(Protocol):
    """Reads bearer tokens; `keywright.tokens.AccessTokens` is one."""

    def read(self, token: str, now: float) -> BearerClaims | Refused:
        """Read a token.

        Args:
            token: as sent.
            now: seconds since 1970 UTC.

        Returns:
            What it says, or Refused if it is not ours or has expired. Whether its key works is for the caller to ask.
        """


def find_bearer_token(headers: Iterable[tuple[str, str]]) -> str | Refused:
    """Find the bearer token of a request without a signature.

    Args:
        headers: every header line.

    Returns:
        The token, or Refused: there is none.

    Source: RFC 6750 section 2.1. Tokens in a form or a query are not taken: they end up in logs.
    """
    found = [value for name, value in headers if name.lower() == "authorization"]
    if not found:
        return _UNSIGNED
    if len(found) > 1:
        return _TWICE
    scheme, _, token = found[0].strip(" \t").partition(" ")
    return token.strip(" ") if scheme.lower() == "bearer" else _OTHER_SCHEME
