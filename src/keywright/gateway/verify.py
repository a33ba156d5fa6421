"""Read the call of `/v1/verify`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from keywright.errors import Fault, InvalidRequest
from keywright.gateway.origin import is_absolute
from keywright.wire import read_input


class VerifyCall(msgspec.Struct, forbid_unknown_fields=True):
    """The request to be judged, as the gateway received it."""

    method: Annotated[str, msgspec.Meta(min_length=1, max_length=64, description="the request's method")]
    url: Annotated[str, msgspec.Meta(description="the request's absolute URL")]
    headers: Annotated[
        list[tuple[str, str]], msgspec.Meta(description="a list of [name, value] pairs, both of them strings")
    ]
    body: Annotated[bytes | None, msgspec.Meta(description="the request's body in base64, or left out")] = None


_decode = msgspec.json.Decoder(VerifyCall).decode


def read_verify_call(raw: bytes) -> VerifyCall:
    """Read the call.

    Args:
        raw: the body of the call.

    Returns:
        The request to be judged.

    Raises:
        InvalidRequest: with every fault of the call itself. What is wrong in the judged request is a verdict.
    """
    try:
        call = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return read_input(raw, VerifyCall)
    if not is_absolute(call.url):
        raise InvalidRequest([Fault("url", "must be absolute, beginning with https:// or http://")])
    return call
