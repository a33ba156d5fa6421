"""Recovery codes: for whoever has lost the app or the passkey. Ten, each good for one sign-in."""

from __future__ import annotations

from keywright.accounts import Principal, require_fresh_proof
from keywright.errors import Conflict
from keywright.formats import RandomBytes
from keywright.identity import factor_store
from keywright.identity.history import record_of_person
from keywright.identity.secrets import token_hash
from keywright.identity.sessions import person_of
from keywright.mail import Outbox
from keywright.storage import WriteSession

CODES = 10
_CODE_BYTES = 10  # 80 bits: no one guesses them, however long they try
_CHARACTERS = 16
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford: nothing looks like another
_TAKEN_FOR = str.maketrans("ilo", "110", "- \t\r\n")


async def renew_recovery_codes(
    session: WriteSession, principal: Principal, *, random_bytes: RandomBytes, outbox: Outbox
) -> list[str]:
    """Make new recovery codes; those of before work no more.

    Args:
        session: the transaction.
        principal: the caller, with a fresh proof.
        random_bytes: makes them.
        outbox: takes the mail that tells the caller.

    Returns:
        Ten codes, which cannot be had again.

    Raises:
        Forbidden: the caller is not a person.
        ProofRequired: their last proof is older than ten minutes.
        Conflict: they have no second factor that a code could stand in for.
    """
    person_id = person_of(principal)
    require_fresh_proof(principal, session.now_ms)
    if not await factor_store.second_factors_of(session, person_id):
        raise Conflict("recovery codes stand in for a second factor; set up an app or a passkey first")
    codes = await put_recovery_codes(session, person_id, random_bytes=random_bytes)
    await record_of_person(
        session, principal, "person.recovery_codes_renewed", person_id=person_id, email=principal.name, outbox=outbox
    )
    return codes


async def put_recovery_codes(session: WriteSession, person_id: str, *, random_bytes: RandomBytes) -> list[str]:
    """Make a person's recovery codes; only their hashes are kept.

    Args:
        session: the transaction.
        person_id: the person.
        random_bytes: makes them.

    Returns:
        Ten codes such as `4mh7-0bzv-q9wk-x2cn`.
    """
    codes = [_write(random_bytes(_CODE_BYTES)) for _ in range(CODES)]
    await factor_store.replace_recovery_codes(session, person_id, [_hash(person_id, code) for code in codes])
    return codes


async def use_recovery_code(session: WriteSession, person_id: str, code: str) -> bool:
    """Use up a recovery code.

    Args:
        session: the transaction.
        person_id: whose it should be.
        code: as typed: case, spaces and hyphens do not matter.

    Returns:
        Whether it was one of theirs.
    """
    return await factor_store.use_recovery_code(session, person_id, _hash(person_id, code))


def _write(random: bytes) -> str:
    number = int.from_bytes(random, "big")
    text = "".join(_ALPHABET[(number >> (5 * index)) & 31] for index in reversed(range(_CHARACTERS)))
    return "-".join(text[index : index + 4] for index in range(0, _CHARACTERS, 4))


def _hash(person_id: str, code: str) -> bytes:
    return token_hash(f"{person_id}:{code.lower().translate(_TAKEN_FOR)}")
