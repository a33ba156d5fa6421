"""Who is calling us, once that is known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class PrincipalKind(StrEnum):
    """The ways in which someone can be known to us."""

    PERSON = "person"  # a user of accounts
    OPERATOR = "operator"  # a relationship manager: someone of the platform, and no account's user
    OPERATOR_TOKEN = "operator_token"
    LOCAL = "local"  # whoever may run `keywright` on the data directory


class TokenScope(StrEnum):
    """What an operator token may do."""

    OPERATOR = "operator"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller.

    Args:
        kind: how we know them.
        id: the person's or token's identifier; the system user's name for `local`.
        name: the person's email, the token's name, the system user's name.
        scope: for operator tokens.
        on_behalf_of: the email of the person for whom a platform's own backend acts.
        proved_at: when someone with a session last proved who they are, milliseconds since 1970 UTC; None for callers
            that prove it with every call.
        session_id: names the session of someone who has one; opens nothing.
        has_passkey: whether someone with a session can prove with a passkey who they are.
    """

    kind: PrincipalKind
    id: str
    name: str
    scope: TokenScope | None = None
    on_behalf_of: str | None = None
    proved_at: int | None = None
    session_id: str | None = None
    has_passkey: bool = False

    def actor(self) -> dict[str, Any]:
        """The caller as the audit trail tells of them."""
        told = {"kind": self.kind.value, "id": self.id, "name": self.name}
        return told if self.on_behalf_of is None else {**told, "onBehalfOf": self.on_behalf_of}

    @property
    def shown_as(self) -> str:
        """The caller in a word, for `createdBy`: the person, or whatever acted."""
        return self.on_behalf_of or self.name
