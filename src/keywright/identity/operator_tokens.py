"""Operator tokens: made, listed and ended by whoever may run `keywright` on the machine."""

from __future__ import annotations

from keywright import audit
from keywright.accounts import Principal
from keywright.accounts.policy import authorize_platform
from keywright.accounts.principal import TokenScope
from keywright.errors import Conflict, NotFound
from keywright.formats import RandomBytes, new_identifier
from keywright.identity import operator_store as store
from keywright.identity.operator_store import OperatorToken
from keywright.identity.secrets import new_token, token_hash
from keywright.storage import ReadSession, WriteSession

# Tells a leaked token from other text, for secret scanners: kwop_ and 64 hex digits.
TOKEN_PREFIX = "kwop"


async def create_operator_token(
    session: WriteSession, principal: Principal, *, name: str, scope: TokenScope, random_bytes: RandomBytes
) -> tuple[OperatorToken, str]:
    """Make an operator token.

    Args:
        session: the transaction.
        principal: the caller.
        name: tells it from the others, in the list and in the audit trail.
        scope: what it may do.
        random_bytes: makes token and identifier.

    Returns:
        The token as kept, and the token itself, which cannot be had again.

    Raises:
        Forbidden: the caller is no operator.
        Conflict: a working token has this name.
    """
    authorize_platform(principal)
    if await store.operator_token_named(session, name) is not None:
        raise Conflict(f"there is an operator token named {name}; choose another name, or delete that one first")
    secret = new_token(TOKEN_PREFIX, random_bytes)
    token = OperatorToken(new_identifier("opt", random_bytes), name, scope.value, session.now_ms)
    await store.insert_operator_token(session, token, token_hash(secret))
    await _record(session, principal, "operator_token.created", token)
    return token, secret


async def list_operator_tokens(session: ReadSession, principal: Principal) -> list[OperatorToken]:
    """Return the operator tokens that work, by name.

    Raises:
        Forbidden: the caller is no operator.
    """
    authorize_platform(principal)
    return await store.operator_tokens_by_name(session)


async def delete_operator_token(session: WriteSession, principal: Principal, *, name: str) -> OperatorToken:
    """End an operator token at once.

    Args:
        session: the transaction.
        principal: the caller.
        name: the token's name.

    Returns:
        The token that has ended.

    Raises:
        Forbidden: the caller is no operator.
        NotFound: no working token has this name.
    """
    authorize_platform(principal)
    token = await store.operator_token_named(session, name)
    if token is None:
        raise NotFound(f"there is no operator token named {name}; `keywright operator-token list` shows them")
    await store.mark_operator_token_deleted(session, token.token_id)
    await _record(session, principal, "operator_token.deleted", token)
    return token


async def _record(session: WriteSession, principal: Principal, action: str, token: OperatorToken) -> None:
    await audit.record(
        session,
        audit.PLATFORM_CHAIN,
        actor=principal.actor(),
        action=action,
        subject={"kind": "operator_token", "id": token.token_id},
        detail={"name": token.name, "scope": token.scope},
    )
