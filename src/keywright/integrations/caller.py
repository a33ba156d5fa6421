"""Who sent a request that was let through."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """The client and account behind a request that was verified.

    Args:
        client_id: of the API key.
        account_id: of the account that the key belongs to.
        account_type: `corporate` or `partner`.
        scheme: `signature` or `bearer`.
    """

    client_id: str
    account_id: str
    account_type: str
    scheme: str
