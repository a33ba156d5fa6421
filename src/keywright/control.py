"""What the control plane's edges work with, REST and pages alike; put together once by `app/`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from keywright.formats import RandomBytes
from keywright.freshness import Receipts
from keywright.identity import Passwords
from keywright.identity.throttle import Throttle
from keywright.keyring import Sealer
from keywright.mail import Outbox
from keywright.settings import Settings
from keywright.storage import Database
from keywright.telemetry import Metrics
from keywright.tokens import TokenService


@dataclass(frozen=True, slots=True)
class Control:
    """The control plane's tools.

    Args:
        settings: the deployment's.
        database: the truth.
        keyring: seals the secrets of hmac-sha256 keys.
        passwords: makes and checks password hashes.
        outbox: takes mail to people, in the transaction of what it tells of.
        wake_mail: sends what was committed to the outbox, now instead of in a moment.
        tokens: gives access tokens to clients.
        receipts: waits until what was revoked is refused everywhere.
        metrics: counts.
        random_bytes: unpredictable bytes.
        is_ready: raises Unavailable, with the reason, while calls cannot be answered truthfully.
        start: called once before the first request.
        stop: called once after the last request.
        throttle: counts sign-ins and the like.
    """

    settings: Settings
    database: Database
    keyring: Sealer
    passwords: Passwords
    outbox: Outbox
    wake_mail: Callable[[], None]
    tokens: TokenService
    receipts: Receipts
    metrics: Metrics
    random_bytes: RandomBytes
    is_ready: Callable[[], Awaitable[None]]
    start: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]
    throttle: Throttle = field(default_factory=Throttle)
