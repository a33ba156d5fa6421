"""Tells by mail of what happened to a key: its email and the account's key managers, each address once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from keywright.accounts import Account, Principal, key_manager_emails
from keywright.credentials.models import Credential
from keywright.mail import Letter, Outbox, letters
from keywright.storage import WriteSession


async def tell_of_created_key(session: WriteSession, outbox: Outbox, account: Account, key: Credential) -> None:
    """Leave mail on a new key.

    Args:
        session: the transaction that makes it.
        outbox: takes the mail.
        account: whose key it is.
        key: the key.
    """
    await _tell(session, outbox, letters.key_created, account, key, by=key.created_by)


async def tell_of_deleted_key(
    session: WriteSession, outbox: Outbox, account: Account, key: Credential, principal: Principal
) -> None:
    """Leave mail on a key that is no more.

    Args:
        session: the transaction that deletes it.
        outbox: takes the mail.
        account: whose key it was.
        key: the key.
        principal: who deletes it.
    """
    await _tell(session, outbox, letters.key_deleted, account, key, by=principal.shown_as)


async def _tell(
    session: WriteSession,
    outbox: Outbox,
    write: Callable[[str, str, letters.KeyNews], Letter],
    account: Account,
    key: Credential,
    *,
    by: str,
) -> None:
    news = letters.KeyNews(
        client_id=key.client_id,
        label=key.label,
        email=key.email,
        account_id=account.account_id,
        account_name=account.name,
        by=by,
        at_ms=session.now_ms,
    )
    managers = await key_manager_emails(session, key.account_id)
    told = [write(address, outbox.base_url, news) for address in managers]
    # People's addresses are kept in lower case; a key's email is kept as it was given.
    if key.email.lower() not in managers:
        # Anyone's address can be given for a key, so nothing that someone typed goes there under our name.
        told.append(write(key.email, outbox.base_url, replace(news, label=None)))
    await outbox.put(session, *told)
