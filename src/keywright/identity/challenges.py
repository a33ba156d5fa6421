"""What waits for an answer: half a sign-in, a passkey's signature. Each for five minutes, and answered once."""

from __future__ import annotations

from enum import StrEnum

from keywright.errors import Unauthenticated
from keywright.formats import RandomBytes
from keywright.identity import session_store
from keywright.identity.secrets import new_token, token_hash
from keywright.identity.session_store import Challenge
from keywright.storage import ReadSession, WriteSession

LASTS_MS = 300_000
_CHALLENGE_BYTES = 32


class Purpose(StrEnum):
    """What an answer is good for; it is good for nothing else."""

    SECOND_FACTOR = "second_factor"
    PASSKEY_SIGN_IN = "passkey_sign_in"
    PASSKEY_NEW = "passkey_new"
    PASSKEY_PROOF = "passkey_proof"


async def put_challenge(
    session: WriteSession, purpose: Purpose, person_id: str | None, *, random_bytes: RandomBytes
) -> tuple[str, bytes]:
    """Begin to wait for an answer.

    Args:
        session: the transaction.
        purpose: what it is good for.
        person_id: who must answer; None for whoever can.
        random_bytes: makes token and challenge.

    Returns:
        The token that the answer comes with, and what a passkey must sign.
    """
    token, signed = new_token("kwc", random_bytes), random_bytes(_CHALLENGE_BYTES)
    challenge = Challenge(purpose.value, person_id, signed, session.now_ms + LASTS_MS)
    await session_store.insert_challenge(session, token_hash(token), challenge)
    return token, signed


async def find_challenge(session: ReadSession, token: str, purpose: Purpose) -> Challenge:
    """Find what waits for an answer.

    Raises:
        Unauthenticated: it was answered, has run out, or never was.
    """
    found = await session_store.challenge_by_hash(session, token_hash(token), purpose.value)
    if found is None:
        raise Unauthenticated("this has taken more than five minutes, or was answered already; begin anew")
    return found


async def take_challenge(session: WriteSession, token: str, purpose: Purpose) -> Challenge:
    """Take what waits for an answer: nobody else can answer it, unless this transaction is undone.

    Raises:
        Unauthenticated: it was answered, has run out, or never was.
    """
    found = await find_challenge(session, token, purpose)
    await session_store.delete_challenge(session, token_hash(token))
    return found
