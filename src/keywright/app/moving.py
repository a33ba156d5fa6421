"""What moving a deployment's data asks of the rest of it."""
# ruff: noqa: PLC0415 - only this command needs it

from __future__ import annotations

from keywright.app.parts import clock
from keywright.settings import Settings


async def begin_nonces_anew(settings: Settings) -> bool:
    """Let Valkey vouch no longer for what was used before: it was used where this Valkey was not asked.

    Without it, a Valkey that has been running for longer than the move would take for fresh what the old host accepted.

    Args:
        settings: those of the deployment that is moved to.

    Returns:
        Whether a Valkey is set.

    Raises:
        Unavailable: it does not answer.
    """
    if settings.valkey_url is None:
        return False
    from keywright.valkey.address import parse_valkey_url
    from keywright.verification.valkey_nonces import ValkeyNonceStore

    nonces = ValkeyNonceStore(
        parse_valkey_url(settings.valkey_url),
        max_age_seconds=settings.max_age_seconds,
        max_ahead_seconds=settings.max_ahead_seconds,
        clock=clock,
    )
    try:
        await nonces.begin_anew()
    finally:
        await nonces.close()
    return True
