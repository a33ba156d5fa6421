"""One-time codes from an app (RFC 6238): six digits, new every 30 seconds."""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field

import pyotp

from keywright.accounts import Principal, require_fresh_proof
from keywright.errors import Conflict, Fault, InvalidRequest, NotFound
from keywright.formats import RandomBytes
from keywright.identity import factor_store, session_store
from keywright.identity.history import record_of_person
from keywright.identity.recovery_codes import put_recovery_codes
from keywright.identity.sessions import person_of
from keywright.keyring import Keyring, Sealer
from keywright.mail import Outbox
from keywright.storage import ReadSession, WriteSession

ISSUER = "Keywright"
DIGITS = 6
STEP_SECONDS = 30
# A clock half a minute off, or a code typed as it changed, is forgiven (RFC 6238 section 5.2).
_WINDOW_STEPS = 1
_SECRET_BYTES = 20  # RFC 4226 section 4, R6: the length that is recommended
BATCH = 200
_SOME = 3


@dataclass(frozen=True, slots=True)
class TotpSetup:
    """What an app needs to make codes; shown while it is set up, and not again.

    Args:
        secret: base32, to be typed.
        uri: the same as an `otpauth://` address, to be shown as a QR code.
    """

    secret: str = field(repr=False)
    uri: str = field(repr=False)


async def begin_totp(
    session: WriteSession, principal: Principal, *, keyring: Sealer, random_bytes: RandomBytes
) -> TotpSetup:
    """Begin to set up an app. Until `confirm_totp` nothing asks for its codes; begun anew, the earlier secret is void.

    Args:
        session: the transaction.
        principal: the caller, with a fresh proof.
        keyring: seals the secret.
        random_bytes: makes it.

    Returns:
        What to give to the app.

    Raises:
        Forbidden: the caller is not a person.
        ProofRequired: their last proof is older than ten minutes.
        Conflict: they have an app already.
    """
    person_id = person_of(principal)
    require_fresh_proof(principal, session.now_ms)
    await _refuse_second(session, person_id)
    secret = random_bytes(_SECRET_BYTES)
    await factor_store.replace_totp_secret(session, person_id, keyring.seal(secret, person_id, random_bytes))
    totp = _totp(secret)
    return TotpSetup(totp.secret, totp.provisioning_uri(name=principal.name, issuer_name=ISSUER))


async def waiting_totp(session: ReadSession, principal: Principal, *, keyring: Sealer) -> TotpSetup:
    """Return what `begin_totp` returned, for as long as it was not confirmed: to show it again after a wrong code.

    Raises:
        Forbidden: the caller is not a person.
        ProofRequired: their last proof is older than ten minutes.
        NotFound: nothing waits to be confirmed.
    """
    person_id = person_of(principal)
    require_fresh_proof(principal, session.now_ms)
    stored = await factor_store.totp_secret_of(session, person_id)
    if stored is None or stored.confirmed_at is not None:
        raise NotFound("no app waits to be set up; begin anew")
    totp = _totp(keyring.open(stored.sealed_secret, person_id))
    return TotpSetup(totp.secret, totp.provisioning_uri(name=principal.name, issuer_name=ISSUER))


async def confirm_totp(
    session: WriteSession,
    principal: Principal,
    code: str,
    *,
    keyring: Sealer,
    random_bytes: RandomBytes,
    outbox: Outbox,
) -> list[str]:
    """Take an app into use, once it has shown a right code. Sessions elsewhere end: a password alone opened them.

    Args:
        session: the transaction.
        principal: the caller, with a fresh proof.
        code: from the app.
        keyring: opens the secret.
        random_bytes: makes recovery codes.
        outbox: takes the mail that tells the caller.

    Returns:
        Ten recovery codes, if this is the person's first second factor; else none.

    Raises:
        Forbidden: the caller is not a person.
        ProofRequired: their last proof is older than ten minutes.
        NotFound: nothing was begun.
        Conflict: they have an app already.
        InvalidRequest: the code is wrong.
    """
    person_id = person_of(principal)
    require_fresh_proof(principal, session.now_ms)
    await _refuse_second(session, person_id)
    stored = await factor_store.totp_secret_of(session, person_id)
    if stored is None:
        raise NotFound("no app waits to be set up; begin anew")
    if not await _use(session, person_id, stored, code, keyring=keyring):
        message = (
            "this is not what the app should show now; check that the clock of its device is right, and try the next"
        )
        raise InvalidRequest([Fault("code", message)])
    is_first = not await factor_store.second_factors_of(session, person_id)
    await factor_store.confirm_totp_secret(session, person_id)
    await record_of_person(
        session, principal, "person.totp_added", person_id=person_id, email=principal.name, outbox=outbox
    )
    if not is_first:
        return []
    await session_store.delete_sessions_of(session, person_id, but=principal.session_id)
    return await put_recovery_codes(session, person_id, random_bytes=random_bytes)


async def use_totp_code(session: WriteSession, person_id: str, code: str, *, keyring: Sealer) -> bool:
    """Use up a one-time code.

    Args:
        session: the transaction; of two with the same code, the one that comes second finds it used.
        person_id: whose it should be.
        code: as typed.
        keyring: opens the secret.

    Returns:
        Whether it is right, and was not used before.

    Raises:
        Unavailable: the secret cannot be opened.
    """
    stored = await factor_store.totp_secret_of(session, person_id)
    if stored is None or stored.confirmed_at is None:
        return False
    return await _use(session, person_id, stored, code, keyring=keyring)


async def remove_totp(session: WriteSession, principal: Principal, *, outbox: Outbox) -> None:
    """Give up the app. With the last second factor, recovery codes go as well.

    Args:
        session: the transaction.
        principal: the caller, with a fresh proof.
        outbox: takes the mail that tells the caller.

    Raises:
        Forbidden: the caller is not a person.
        ProofRequired: their last proof is older than ten minutes.
        NotFound: they have no app.
    """
    person_id = person_of(principal)
    require_fresh_proof(principal, session.now_ms)
    stored = await factor_store.totp_secret_of(session, person_id)
    if stored is None or stored.confirmed_at is None:
        raise NotFound("you have no app for one-time codes")
    await factor_store.delete_totp_secret(session, person_id)
    await drop_idle_recovery_codes(session, person_id)
    await record_of_person(
        session, principal, "person.totp_removed", person_id=person_id, email=principal.name, outbox=outbox
    )


async def drop_idle_recovery_codes(session: WriteSession, person_id: str) -> None:
    """Forget recovery codes that no second factor is left for."""
    if not await factor_store.second_factors_of(session, person_id):
        await factor_store.replace_recovery_codes(session, person_id, [])


async def reseal_totp_secrets(
    session: WriteSession, keyring: Keyring, *, after: str, random_bytes: RandomBytes
) -> tuple[str | None, int]:
    """Seal one batch of secrets anew. What is under the current key already stays as it is.

    Args:
        session: the transaction; commit after each batch, so that the server is not kept waiting.
        keyring: with the old keys and the new.
        after: the person's ID at which the batch before ended; the empty text to begin.
        random_bytes: makes nonces.

    Returns:
        Where this batch ended, None when all are done, and how many were sealed anew.

    Raises:
        Unavailable: a secret cannot be opened; nothing of this batch was changed.
    """
    batch = await factor_store.sealed_totp_secrets(session, after=after, limit=BATCH)
    changed = 0
    for person_id, sealed in batch:
        if keyring.sealed_by(sealed) != keyring.current:
            again = keyring.seal(keyring.open(sealed, person_id), person_id, random_bytes)
            await factor_store.replace_sealed_totp_secret(session, person_id, sealed, again)
            changed += 1
    return (batch[-1][0] if len(batch) == BATCH else None), changed


async def check_totp_secrets(session: ReadSession, keyring: Sealer) -> int:
    """Make sure that database and keyring belong together, by opening some of the secrets.

    Args:
        session: where to read.
        keyring: should open them.

    Returns:
        How many were tried.

    Raises:
        Unavailable: one does not open.
    """
    some = await factor_store.sealed_totp_secrets(session, after="", limit=_SOME)
    for person_id, sealed in some:
        keyring.open(sealed, person_id)
    return len(some)


async def _use(
    session: WriteSession, person_id: str, stored: factor_store.TotpSecret, code: str, *, keyring: Sealer
) -> bool:
    typed = "".join(code.split())
    if len(typed) != DIGITS or not (typed.isascii() and typed.isdigit()):
        return False
    totp = _totp(keyring.open(stored.sealed_secret, person_id))
    now = session.now_ms // 1000 // STEP_SECONDS
    for step in range(now - _WINDOW_STEPS, now + _WINDOW_STEPS + 1):
        if hmac.compare_digest(totp.generate_otp(step), typed):
            return await factor_store.use_totp_step(session, person_id, step)
    return False


async def _refuse_second(session: ReadSession, person_id: str) -> None:
    stored = await factor_store.totp_secret_of(session, person_id)
    if stored is not None and stored.confirmed_at is not None:
        raise Conflict("you have an app for one-time codes already; remove it to set up another")


def _totp(secret: bytes) -> pyotp.TOTP:
    return pyotp.TOTP(base64.b32encode(secret).decode(), digits=DIGITS, interval=STEP_SECONDS)
