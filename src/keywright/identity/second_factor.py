"""The second half of a sign-in, for whoever has a second factor: their password alone opens nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from keywright.accounts import Principal, PrincipalKind
from keywright.errors import Unauthenticated
from keywright.formats import RandomBytes
from keywright.identity import factor_store, store
from keywright.identity.challenges import Purpose, find_challenge, put_challenge, take_challenge
from keywright.identity.factor_store import SecondFactors
from keywright.identity.history import record_of_person
from keywright.identity.recovery_codes import use_recovery_code
from keywright.identity.sessions import Opening, person_of, require_current, start_session
from keywright.identity.store import SignIn
from keywright.identity.totp import use_totp_code
from keywright.keyring import Sealer
from keywright.mail import Outbox
from keywright.storage import ReadSession, WriteSession

WRONG_CODE = "this code is wrong or was used; give the one that the app shows now, or a recovery code"


@dataclass(frozen=True, slots=True)
class HalfSignIn:
    """A sign-in whose password was right, and which waits for the second factor.

    Args:
        person_id: the person.
        email: their address.
        has_totp: whether a one-time code can be given. A recovery code always can.
        has_passkeys: whether a passkey can answer.
        challenge: what the passkey must sign.
    """

    person_id: str
    email: str
    has_totp: bool
    has_passkeys: bool
    challenge: bytes = field(repr=False)


async def list_second_factors(session: ReadSession, principal: Principal) -> SecondFactors:
    """Return what the caller has beside their password.

    Raises:
        Forbidden: the caller is not a person.
    """
    return await factor_store.second_factors_of(session, person_of(principal))


async def begin_second_factor(session: WriteSession, sign_in: SignIn, *, random_bytes: RandomBytes) -> str:
    """Go on with a sign-in whose password was right, towards its second factor.

    Args:
        session: the transaction.
        sign_in: what the password was checked against; it needs a second factor.
        random_bytes: makes the token.

    Returns:
        The token with which the second factor is to come, within five minutes. It opens nothing by itself.

    Raises:
        Unauthenticated: the password ended while it was checked.
    """
    await require_current(session, sign_in)
    token, _ = await put_challenge(session, Purpose.SECOND_FACTOR, sign_in.person_id, random_bytes=random_bytes)
    return token


async def find_half_sign_in(session: ReadSession, token: str) -> HalfSignIn:
    """Find a sign-in that waits for its second factor.

    Raises:
        Unauthenticated: it was finished, has run out, or never was.
    """
    waiting = await find_challenge(session, token, Purpose.SECOND_FACTOR)
    sign_in = None if waiting.person_id is None else await store.sign_in_by_id(session, waiting.person_id)
    if sign_in is None:
        raise Unauthenticated("this sign-in has ended; begin anew")
    return HalfSignIn(sign_in.person_id, sign_in.email, sign_in.has_totp, sign_in.has_passkeys, waiting.challenge)


async def finish_with_code(
    session: WriteSession,
    token: str,
    code: str,
    opening: Opening,
    *,
    keyring: Sealer,
    random_bytes: RandomBytes,
    outbox: Outbox,
) -> str:
    """Finish a sign-in with a one-time or recovery code. The edge asks `Throttle.begin_second_factor` before.

    Args:
        session: the transaction; undone after a wrong code, so that another can be tried.
        token: from `begin_second_factor`.
        code: as typed.
        opening: where from, and for how long.
        keyring: opens the secret of one-time codes.
        random_bytes: makes the session's token.
        outbox: takes the mail that tells of a used recovery code.

    Returns:
        The session's token.

    Raises:
        Unauthenticated: the code is wrong or was used, or the sign-in has run out.
    """
    half = await find_half_sign_in(session, token)
    await take_challenge(session, token, Purpose.SECOND_FACTOR)
    await _use_code(session, half.person_id, half.email, code, opening, keyring=keyring, outbox=outbox)
    return await start_session(session, half.person_id, opening, random_bytes=random_bytes)


async def open_session_with_code(
    session: WriteSession,
    sign_in: SignIn,
    code: str,
    opening: Opening,
    *,
    keyring: Sealer,
    random_bytes: RandomBytes,
    outbox: Outbox,
) -> str:
    """Open a session for someone who gave password and code at once. The edge asks `Throttle.begin_second_factor`.

    Args:
        session: the transaction.
        sign_in: what the password was checked against.
        code: as typed; someone without a second factor needs none, and theirs is not looked at.
        opening: where from, and for how long.
        keyring: opens the secret of one-time codes.
        random_bytes: makes the token.
        outbox: takes the mail that tells of a used recovery code.

    Returns:
        The session's token.

    Raises:
        Unauthenticated: the code is wrong or was used, or the password ended while it was checked.
    """
    current = await require_current(session, sign_in)
    if current.needs_second_factor:
        await _use_code(session, current.person_id, current.email, code, opening, keyring=keyring, outbox=outbox)
    return await start_session(session, sign_in.person_id, opening, random_bytes=random_bytes)


async def _use_code(
    session: WriteSession, person_id: str, email: str, code: str, opening: Opening, *, keyring: Sealer, outbox: Outbox
) -> None:
    if await use_totp_code(session, person_id, code, keyring=keyring):
        return
    if not await use_recovery_code(session, person_id, code):
        raise Unauthenticated(WRONG_CODE)
    person = Principal(PrincipalKind.PERSON, person_id, email)
    await record_of_person(
        session,
        person,
        "person.recovery_code_used",
        person_id=person_id,
        email=email,
        outbox=outbox,
        address=opening.address,
    )
