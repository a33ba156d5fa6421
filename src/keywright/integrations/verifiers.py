"""The two ways to verify, for asynchronous and for synchronous applications."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final, Protocol

from keywright.errors import Refused
from keywright.integrations.caller import Caller
from keywright.integrations.configuration import Keywright
from keywright.signatures import SignedRequest

# Asked of each request, and a union would be made anew each time.
VERDICT_TYPES: Final = (Caller, Refused)


class AsyncVerifier(Protocol):
    """Judges requests on an event loop."""

    async def open(self) -> None:
        """Make ready, so that what is missing shows at start; `judge` does it as well if need be."""

    def judge(
        self, request: SignedRequest, fields: dict[str, str] | None = None
    ) -> Caller | Refused | Awaitable[Caller | Refused]:
        """Judge a request, at once where nothing has to be waited for.

        Args:
            request: as its signer meant it.
            fields: its header fields, combined, by lower-case name, if the caller has them already.

        Returns:
            Who sent it, or why it is refused; or what to await for that.

        Raises:
            KeywrightError: it cannot be judged.
        """

    async def close(self) -> None:
        """Let go of everything; a later `judge` begins anew."""


class Verifier(Protocol):
    """Judges requests for threads that wait."""

    def verify(self, request: SignedRequest) -> Caller | Refused:
        """Judge a request, as AsyncVerifier does, and wait for it."""


def async_verifier(config: Keywright) -> AsyncVerifier:
    """Choose the verifier of an asynchronous application.

    Args:
        config: says where to verify.

    Returns:
        The verifier, not yet opened.

    Raises:
        ModuleNotFoundError: what this way needs is not installed.
    """
    # Only the way that is used is loaded: the other's packages need not be installed.
    if config.gateway is not None:
        from keywright.integrations.remote import AsyncRemote  # noqa: PLC0415

        return AsyncRemote(config.gateway, config.timeout_seconds)
    from keywright.integrations.direct import Direct  # noqa: PLC0415

    return Direct(config)


def verifier(config: Keywright) -> Verifier:
    """Choose the verifier of a synchronous application.

    Args:
        config: says where to verify.

    Returns:
        The verifier, not yet opened.

    Raises:
        ModuleNotFoundError: what this way needs is not installed.
    """
    if config.gateway is not None:
        from keywright.integrations.remote import Remote  # noqa: PLC0415

        return Remote(config.gateway, config.timeout_seconds)
    from keywright.integrations.background import Background  # noqa: PLC0415

    return Background(async_verifier(config))
