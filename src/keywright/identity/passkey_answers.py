"""What a passkey's answer is good for: a whole sign-in, its second half, a fresh proof."""

from __future__ import annotations

import json

import webauthn
from webauthn.helpers import parse_authentication_credential_json
from webauthn.helpers.structs import PublicKeyCredentialDescriptor, UserVerificationRequirement

from keywright.accounts import Principal
from keywright.errors import NotFound, Unauthenticated
from keywright.formats import RandomBytes
from keywright.identity import factor_store
from keywright.identity.challenges import Purpose, put_challenge, take_challenge
from keywright.identity.passkeys import PasskeyQuestion
from keywright.identity.relying_party import RelyingParty
from keywright.identity.second_factor import HalfSignIn
from keywright.identity.session_store import Challenge
from keywright.identity.sessions import Opening, note_proof, person_of, start_session
from keywright.storage import ReadSession, WriteSession

WRONG_PASSKEY = "this passkey is not known here, or its answer does not hold; try again, or sign in with your password"
_ASK_MS = 120_000


async def begin_passkey_sign_in(
    session: WriteSession, *, relying_party: RelyingParty, random_bytes: RandomBytes
) -> PasskeyQuestion:
    """Ask for any passkey of this place. The edge asks `Throttle.begin_passkey_sign_in` before.

    Args:
        session: the transaction.
        relying_party: whose passkeys.
        random_bytes: makes token and challenge.

    Returns:
        What to hand to the browser.
    """
    token, challenge = await put_challenge(session, Purpose.PASSKEY_SIGN_IN, None, random_bytes=random_bytes)
    return PasskeyQuestion(token, _options(challenge, relying_party, []))


async def open_session_with_passkey(
    session: WriteSession,
    token: str,
    answer: str,
    opening: Opening,
    *,
    relying_party: RelyingParty,
    random_bytes: RandomBytes,
) -> str:
    """Sign in with a passkey alone: it is something one has, and it has asked for a finger, a face or a PIN.

    Args:
        session: the transaction.
        token: from `begin_passkey_sign_in`.
        answer: JSON of what the browser answered.
        opening: where from, and for how long.
        relying_party: what passkeys were made for.
        random_bytes: makes the session's token.

    Returns:
        The session's token.

    Raises:
        Unauthenticated: the answer does not hold, or comes too late or a second time.
    """
    challenge = await take_challenge(session, token, Purpose.PASSKEY_SIGN_IN)
    person_id = await _check(session, challenge, answer, relying_party)
    return await start_session(session, person_id, opening, random_bytes=random_bytes)


async def second_factor_options(session: ReadSession, half: HalfSignIn, relying_party: RelyingParty) -> str:
    """Ask for a passkey as the second half of a sign-in.

    Args:
        session: where to read.
        half: from `find_half_sign_in`; its token comes back with the answer.
        relying_party: what passkeys were made for.

    Returns:
        JSON to hand to the browser.
    """
    known = await factor_store.passkeys_of(session, half.person_id)
    return _options(half.challenge, relying_party, [each.credential_id for each in known])


async def finish_with_passkey(
    session: WriteSession,
    token: str,
    answer: str,
    opening: Opening,
    *,
    relying_party: RelyingParty,
    random_bytes: RandomBytes,
) -> str:
    """Finish a sign-in, whose password was right, with a passkey.

    Args:
        session: the transaction.
        token: from `begin_second_factor`.
        answer: JSON of what the browser answered.
        opening: where from, and for how long.
        relying_party: what passkeys were made for.
        random_bytes: makes the session's token.

    Returns:
        The session's token.

    Raises:
        Unauthenticated: the answer does not hold, or the sign-in has run out.
    """
    challenge = await take_challenge(session, token, Purpose.SECOND_FACTOR)
    person_id = await _check(session, challenge, answer, relying_party)
    return await start_session(session, person_id, opening, random_bytes=random_bytes)


async def begin_passkey_proof(
    session: WriteSession, principal: Principal, *, relying_party: RelyingParty, random_bytes: RandomBytes
) -> PasskeyQuestion:
    """Ask someone who is signed in for one of their passkeys, as a fresh proof.

    Args:
        session: the transaction.
        principal: the caller.
        relying_party: what passkeys were made for.
        random_bytes: makes token and challenge.

    Returns:
        What to hand to the browser.

    Raises:
        Forbidden: the caller is not a person.
        NotFound: they have no passkey.
    """
    person_id = person_of(principal)
    known = await factor_store.passkeys_of(session, person_id)
    if not known:
        raise NotFound("you have no passkey; give your password")
    token, challenge = await put_challenge(session, Purpose.PASSKEY_PROOF, person_id, random_bytes=random_bytes)
    return PasskeyQuestion(token, _options(challenge, relying_party, [each.credential_id for each in known]))


async def prove_with_passkey(
    session: WriteSession, principal: Principal, token: str, answer: str, *, relying_party: RelyingParty
) -> Principal:
    """Note that the caller has just proved with a passkey who they are: it counts as fresh for ten minutes.

    Args:
        session: the transaction.
        principal: the caller.
        token: from `begin_passkey_proof`.
        answer: JSON of what the browser answered.
        relying_party: what passkeys were made for.

    Returns:
        The caller, with a fresh proof.

    Raises:
        Forbidden: the caller is not a person.
        Unauthenticated: the answer does not hold, is not the caller's, or their session ended meanwhile.
    """
    person_id = person_of(principal)
    challenge = await take_challenge(session, token, Purpose.PASSKEY_PROOF)
    if challenge.person_id != person_id:
        raise Unauthenticated(WRONG_PASSKEY)
    await _check(session, challenge, answer, relying_party)
    return await note_proof(session, principal)


async def _check(session: WriteSession, challenge: Challenge, answer: str, relying_party: RelyingParty) -> str:
    """Check an answer and note the passkey's use; the ID of its person.

    Source: Web Authentication Level 2, section 7.2.
    """
    try:
        given = parse_authentication_credential_json(json.loads(answer))
    except Exception as error:  # a forged answer makes its parser raise anything
        raise Unauthenticated(WRONG_PASSKEY, private=f"unreadable passkey answer: {error}") from error
    passkey = await factor_store.passkey_by_id(session, given.raw_id)
    if passkey is None or challenge.person_id not in {None, passkey.person_id}:
        raise Unauthenticated(WRONG_PASSKEY)
    # Step 6: where nobody was named before, the passkey itself says whose it is.
    named = given.response.user_handle
    if named != passkey.person_id.encode() and (named or challenge.person_id is None):
        raise Unauthenticated(WRONG_PASSKEY, private=f"a passkey of {passkey.person_id} names someone else")
    try:
        checked = webauthn.verify_authentication_response(
            credential=given,
            expected_challenge=challenge.challenge,
            expected_rp_id=relying_party.rp_id,
            expected_origin=relying_party.origin,
            credential_public_key=passkey.public_key,
            # Step 21: a count that does not grow means that there are two of this passkey.
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except Exception as error:  # a forged answer makes its parser raise anything
        raise Unauthenticated(WRONG_PASSKEY, private=f"passkey of {passkey.person_id} refused: {error}") from error
    await factor_store.update_passkey_used(session, passkey.credential_id, checked.new_sign_count)
    return passkey.person_id


def _options(challenge: bytes, relying_party: RelyingParty, allowed: list[bytes]) -> str:
    options = webauthn.generate_authentication_options(
        rp_id=relying_party.rp_id,
        challenge=challenge,
        timeout=_ASK_MS,
        allow_credentials=[PublicKeyCredentialDescriptor(id=each) for each in allowed] or None,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)
