"""From what a request carries to the Principal who sent it."""

from __future__ import annotations

from keywright.accounts import Principal, PrincipalKind
from keywright.accounts.principal import TokenScope
from keywright.errors import Forbidden, Unauthenticated
from keywright.identity import operator_store, session_store
from keywright.identity.secrets import token_hash
from keywright.storage import ReadSession


async def authenticate_token(session: ReadSession, token: str, *, on_behalf_of: str | None) -> Principal:
    """Find out whose operator token this is.

    Args:
        session: where to look.
        token: from `Authorization: Bearer`.
        on_behalf_of: the email of the person for whom a platform's own backend acts, if it names one.

    Returns:
        The caller.

    Raises:
        Unauthenticated: no such token works.
        Forbidden: only a platform token can act for a person.
    """
    known = await operator_store.operator_token_by_hash(session, token_hash(token))
    if known is None:
        raise Unauthenticated(
            "this operator token is unknown or was deleted; make one with `keywright operator-token create`"
        )
    scope = TokenScope(known.scope)
    if on_behalf_of is not None and scope is not TokenScope.PLATFORM:
        raise Forbidden("only a platform token can act on behalf of a person; leave out Keywright-On-Behalf-Of")
    return Principal(PrincipalKind.OPERATOR_TOKEN, known.token_id, known.name, scope, on_behalf_of)


async def authenticate_session(session: ReadSession, token: str) -> Principal:
    """Find out whose session this is.

    Args:
        session: where to look.
        token: from the cookie.

    Returns:
        The caller.

    Raises:
        Unauthenticated: no such session runs.
    """
    visitor = await session_store.visitor_by_session(session, token_hash(token))
    if visitor is None:
        raise Unauthenticated("your session has ended; sign in again")
    kind = PrincipalKind.OPERATOR if visitor.is_operator else PrincipalKind.PERSON
    return Principal(
        kind,
        visitor.person_id,
        visitor.email,
        proved_at=visitor.proved_at,
        session_id=visitor.session_id,
        has_passkey=visitor.has_passkey,
    )
