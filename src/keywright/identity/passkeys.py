"""Passkeys (Web Authentication): made, listed with the other second factors, and removed."""

from __future__ import annotations

import json
from dataclasses import dataclass

import webauthn
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from keywright.accounts import Principal, require_fresh_proof
from keywright.errors import Conflict, Fault, InvalidRequest, NotFound, Unauthenticated
from keywright.formats import RandomBytes
from keywright.identity import factor_store, session_store
from keywright.identity.challenges import Purpose, put_challenge, take_challenge
from keywright.identity.factor_store import Passkey
from keywright.identity.history import record_of_person
from keywright.identity.recovery_codes import put_recovery_codes
from keywright.identity.relying_party import RelyingParty
from keywright.identity.sessions import person_of
from keywright.identity.totp import drop_idle_recovery_codes
from keywright.mail import Outbox
from keywright.storage import WriteSession

MOST_PASSKEYS = 10
NAME = "Keywright"
_MOST_ID_BYTES = 1023  # Web Authentication Level 2, section 4: Credential ID
_ASK_MS = 120_000


@dataclass(frozen=True, slots=True)
class PasskeyQuestion:
    """What a page hands to the browser's passkeys.

    Args:
        token: comes back with the answer.
        options: JSON for `navigator.credentials.create` or `.get`, binary values in base64url.
    """

    token: str
    options: str


async def begin_passkey(
    session: WriteSession, principal: Principal, *, relying_party: RelyingParty, random_bytes: RandomBytes
) -> PasskeyQuestion:
    """Begin to make a passkey.

    Args:
        session: the transaction.
        principal: the caller, with a fresh proof.
        relying_party: what it is made for.
        random_bytes: makes token and challenge.

    Returns:
        What to hand to the browser.

    Raises:
        Forbidden: the caller is not a person.
        ProofRequired: their last proof is older than ten minutes.
        Conflict: they have ten.
    """
    person_id = person_of(principal)
    require_fresh_proof(principal, session.now_ms)
    known = await factor_store.passkeys_of(session, person_id)
    _refuse_eleventh(known)
    token, challenge = await put_challenge(session, Purpose.PASSKEY_NEW, person_id, random_bytes=random_bytes)
    options = webauthn.generate_registration_options(
        rp_id=relying_party.rp_id,
        rp_name=NAME,
        user_id=person_id.encode(),
        user_name=principal.name,
        challenge=challenge,
        timeout=_ASK_MS,
        # It stands for both factors: so it knows its person, and asks them for a finger, a face or a PIN.
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=each.credential_id) for each in known],
    )
    return PasskeyQuestion(token, webauthn.options_to_json(options))


async def add_passkey(
    session: WriteSession,
    principal: Principal,
    token: str,
    answer: str,
    *,
    name: str,
    relying_party: RelyingParty,
    random_bytes: RandomBytes,
    outbox: Outbox,
) -> tuple[Passkey, list[str]]:
    """Take a new passkey into use.

    Args:
        session: the transaction.
        principal: the caller, with a fresh proof.
        token: from `begin_passkey`.
        answer: JSON of what the browser made.
        name: what its owner calls it; 1 to 100 characters.
        relying_party: what it was made for.
        random_bytes: makes recovery codes.
        outbox: takes the mail that tells the caller.

    Returns:
        The passkey; and ten recovery codes, if it is the person's first second factor. Sessions elsewhere end then: a
        password alone opened them.

    Raises:
        Forbidden: the caller is not a person.
        ProofRequired: their last proof is older than ten minutes.
        Unauthenticated: it took more than five minutes, or this was answered already.
        InvalidRequest: the answer does not hold.
        Conflict: they have ten, or someone has this one.

    Source: Web Authentication Level 2, section 7.1.
    """
    person_id = person_of(principal)
    require_fresh_proof(principal, session.now_ms)
    challenge = await take_challenge(session, token, Purpose.PASSKEY_NEW)
    if challenge.person_id != person_id:
        raise Unauthenticated("this was begun by someone else; begin anew")
    try:
        made = webauthn.verify_registration_response(
            credential=json.loads(answer),
            expected_challenge=challenge.challenge,
            expected_rp_id=relying_party.rp_id,
            expected_origin=relying_party.origin,
            require_user_verification=True,
        )
    except Exception as error:  # a forged answer makes its parser raise anything
        message = "the browser's answer cannot be used; try again, or use another device"
        raise InvalidRequest([Fault("passkey", message)]) from error
    before = await factor_store.second_factors_of(session, person_id)
    _refuse_eleventh(before.passkeys)
    if len(made.credential_id) > _MOST_ID_BYTES:
        raise InvalidRequest([Fault("passkey", "its ID is longer than passkeys have; use another device")])
    if await factor_store.passkey_by_id(session, made.credential_id) is not None:
        raise Conflict("this passkey is in use already")
    passkey = Passkey(
        credential_id=made.credential_id,
        person_id=person_id,
        name=name,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        created_at=session.now_ms,
        last_used_at=None,
    )
    await factor_store.insert_passkey(session, passkey)
    await record_of_person(
        session, principal, "person.passkey_added", person_id=person_id, email=principal.name, outbox=outbox, name=name
    )
    if before:
        return passkey, []
    await session_store.delete_sessions_of(session, person_id, but=principal.session_id)
    return passkey, await put_recovery_codes(session, person_id, random_bytes=random_bytes)


async def remove_passkey(session: WriteSession, principal: Principal, passkey_id: str, *, outbox: Outbox) -> None:
    """Give up a passkey. With the last second factor, recovery codes go as well.

    Args:
        session: the transaction.
        principal: the caller, with a fresh proof.
        passkey_id: which, as `Passkey.passkey_id` names it.
        outbox: takes the mail that tells the caller.

    Raises:
        Forbidden: the caller is not a person.
        ProofRequired: their last proof is older than ten minutes.
        NotFound: they have no such passkey.
    """
    person_id = person_of(principal)
    require_fresh_proof(principal, session.now_ms)
    for passkey in await factor_store.passkeys_of(session, person_id):
        if passkey.passkey_id == passkey_id:
            break
    else:
        raise NotFound("there is no such passkey, or it was removed already")
    await factor_store.delete_passkey(session, person_id, passkey.credential_id)
    await drop_idle_recovery_codes(session, person_id)
    await record_of_person(
        session,
        principal,
        "person.passkey_removed",
        person_id=person_id,
        email=principal.name,
        outbox=outbox,
        name=passkey.name,
    )


def _refuse_eleventh(known: list[Passkey] | tuple[Passkey, ...]) -> None:
    if len(known) >= MOST_PASSKEYS:
        raise Conflict(f"you have {MOST_PASSKEYS} passkeys; remove one that you do not use")
