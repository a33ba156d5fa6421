"""API access: asked for by an account's key managers, decided by operators."""

from __future__ import annotations

from keywright import audit
from keywright.accounts import store
from keywright.accounts.cursor import read_cursor, write_cursor
from keywright.accounts.models import AccessRequest, Account, ApiAccess, Page
from keywright.accounts.policy import Permission, authorize, authorize_platform, require_fresh_proof
from keywright.accounts.principal import Principal
from keywright.accounts.read import MOST_TOLD, key_manager_emails
from keywright.errors import Conflict
from keywright.mail import Letter, Outbox, letters
from keywright.revocation import Revocation, last_revocation, note_new_key, note_revocation
from keywright.storage import ReadSession, WriteSession

_MEANWHILE = {
    ApiAccess.NOT_REQUESTED: "its API access was reset",
    ApiAccess.REQUESTED: "the account asked for API access",
    ApiAccess.DECLINED: "its request was declined",
    ApiAccess.ENABLED: "its API access was enabled",
    ApiAccess.DISABLED: "its API access was switched off",
}


async def request_api_access(
    session: WriteSession, principal: Principal, account_id: str, *, message: str | None, outbox: Outbox
) -> Account:
    """Ask the platform to enable an account's API access; its relationship managers are told by mail.

    Args:
        session: the transaction.
        principal: the caller: one of the account's key managers.
        account_id: the account.
        message: anything the relationship manager should know, or None.
        outbox: takes the mail.

    Returns:
        The account, now waiting for a decision.

    Raises:
        NotFound: no such account for this caller.
        Forbidden: the caller is no key manager.
        Conflict: access is enabled already, or a request is waiting.
    """
    account = await authorize(session, principal, account_id, Permission.REQUEST_API_ACCESS)
    if account.api_access is ApiAccess.ENABLED:
        raise Conflict("API access is enabled already; create an API key")
    if account.api_access is ApiAccess.REQUESTED:
        raise Conflict("API access is requested already; your relationship manager will decide")
    await store.update_access_request(session, account_id, message, principal.shown_as)
    await audit.record(
        session,
        account_id,
        actor=principal.actor(),
        action="api_access.requested",
        subject={"kind": "account", "id": account_id},
        detail={} if message is None else {"message": message},
    )
    for address in await store.emails_of_operators(session, MOST_TOLD):
        letter = letters.access_requested(
            address,
            outbox.base_url,
            account_id=account_id,
            account_name=account.name,
            by=principal.shown_as,
            message=message,
        )
        await outbox.put(session, letter)
    return await authorize(session, principal, account_id, Permission.REQUEST_API_ACCESS)


async def set_api_access(
    session: WriteSession,
    principal: Principal,
    account_id: str,
    *,
    enabled: bool,
    reason: str | None,
    outbox: Outbox,
    seen: ApiAccess | None = None,
) -> tuple[Account, Revocation | None]:
    """Decide on an account's API access: enable it, decline a request, or disable it. Key managers are told by mail.

    Args:
        session: the transaction.
        principal: the caller: an operator.
        account_id: the account.
        enabled: the decision.
        reason: told to the account, or None.
        outbox: takes the mail.
        seen: the state on which the caller decided; None decides on whatever there is.

    Returns:
        The account as it is now, and, if its keys have to stop, the revocation to wait for.

    Raises:
        NotFound: no such account for this caller.
        Forbidden: the caller is no operator.
        ProofRequired: the caller proved too long ago who they are.
        Conflict: the state is no longer the one that was seen.
    """
    account = await authorize(session, principal, account_id, Permission.OPERATE)
    require_fresh_proof(principal, session.now_ms)
    if seen is not None and account.api_access is not seen:
        raise Conflict(f"meanwhile {_MEANWHILE[account.api_access]}, so nothing was changed now; look again and decide")
    status = _decide(account.api_access, enabled=enabled)
    if status is account.api_access:
        # Whoever switches it off again may have had no receipt the first time; this one is had for certain.
        return account, None if enabled else await last_revocation(session)
    await store.update_api_access(session, account_id, status, reason)
    revocation = None
    if account.api_access is ApiAccess.ENABLED:
        revocation = await note_revocation(session, "account", account_id)
    elif not enabled:
        # The request that is declined may have been made while an earlier switching off was on its way.
        revocation = await last_revocation(session)
    else:
        await note_new_key(session, account_id)
    await audit.record(
        session,
        account_id,
        actor=principal.actor(),
        action=f"api_access.{status.value}",
        subject={"kind": "account", "id": account_id},
        detail={} if reason is None else {"reason": reason},
    )
    account_now = await authorize(session, principal, account_id, Permission.OPERATE)
    for address in await key_manager_emails(session, account_id):
        await outbox.put(session, _letter(address, outbox, account_now, session.now_ms))
    return account_now, revocation


def _letter(to: str, outbox: Outbox, account: Account, at_ms: int) -> Letter:
    about = {"account_id": account.account_id, "account_name": account.name}
    reason = account.api_access_reason
    if account.api_access is ApiAccess.ENABLED:
        return letters.access_enabled(to, outbox.base_url, **about, reason=reason)
    if account.api_access is ApiAccess.DECLINED:
        return letters.access_declined(to, outbox.base_url, **about, reason=reason)
    return letters.access_disabled(to, outbox.base_url, **about, reason=reason, at_ms=at_ms)


def _decide(current: ApiAccess, *, enabled: bool) -> ApiAccess:
    if enabled:
        return ApiAccess.ENABLED
    if current is ApiAccess.ENABLED:
        return ApiAccess.DISABLED
    if current is ApiAccess.REQUESTED:
        return ApiAccess.DECLINED
    return current  # off already


async def list_access_requests(
    session: ReadSession, principal: Principal, *, limit: int, cursor: str | None
) -> Page[AccessRequest]:
    """Return a page of the requests that wait for a decision, the longest waiting first.

    Args:
        session: where to read.
        principal: the caller: an operator.
        limit: most requests to return.
        cursor: `next_cursor` of the page before, or None.

    Returns:
        The requests and where the next page begins.

    Raises:
        Forbidden: the caller is no operator.
        InvalidRequest: the cursor is none of ours.
    """
    authorize_platform(principal)
    found = await store.access_requests_oldest_first(session, after=read_cursor(cursor), limit=limit + 1)
    items = found[:limit]
    more = len(found) > limit
    return Page(items, write_cursor(items[-1].requested_at, items[-1].account_id) if more else None)
