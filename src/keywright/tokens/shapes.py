"""What `/auth/token` takes and gives."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class TokenInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """An API key, to be exchanged for an access token."""

    client_id: Annotated[str, Meta(max_length=200, description="the Client ID")]
    client_secret: Annotated[str, Meta(max_length=500, description="the Client Secret")]

    def __repr__(self) -> str:
        return f"TokenInput(client_id={self.client_id!r})"


class TokenOutput(msgspec.Struct):
    """An access token, in the words of RFC 6749 section 5.1, and for how many seconds it lasts."""

    access_token: str
    token_type: str
    expires_in: int

    def __repr__(self) -> str:
        return f"TokenOutput(expires_in={self.expires_in})"
