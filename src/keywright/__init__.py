"""Keywright for those who sign requests: a credential, a signer, and auth objects for the usual HTTP clients.

The names below are loaded when they are first used: a program that imports this package, or one of the server's
rooms, does not pay for a signer that it may not need.
"""

from typing import TYPE_CHECKING

from keywright._version import __version__

if TYPE_CHECKING:
    from keywright.sdk import (
        Credential,
        RequestsAuth,
        RequestsTokenAuth,
        SignatureAuth,
        TokenAuth,
        TokenError,
        sign,
    )
else:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from keywright import sdk  # noqa: PLC0415

        return globals().setdefault(name, getattr(sdk, name))

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "Credential",
    "RequestsAuth",
    "RequestsTokenAuth",
    "SignatureAuth",
    "TokenAuth",
    "TokenError",
    "__version__",
    "sign",
]
