"""What the passkeys of this deployment are made for."""

from __future__ import annotations

from typing import Any

from litestar import Request

from keywright.control import Control
from keywright.errors import Forbidden
from keywright.identity.relying_party import RelyingParty, relying_party


def passkey_place(request: Request[Any, Any, Any]) -> RelyingParty:
    """Return the host name and origin of passkeys.

    Raises:
        Forbidden: no browser makes passkeys for the address at which people reach these pages.
    """
    control: Control = request.app.state.control
    found = relying_party(control.settings.base_url)
    if found is None:
        raise Forbidden("passkeys take a host name and TLS, which this address does not have")
    return found
