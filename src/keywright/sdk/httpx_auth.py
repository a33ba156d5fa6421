"""Signing every request of an httpx2 or httpx client."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from keywright.sdk.credential import Credential
from keywright.sdk.signing import LABEL, Clock, NewNonce, new_nonce, same_site, sign, without_label

if TYPE_CHECKING:
    import httpx
    import httpx2

RequestT = TypeVar("RequestT", bound="httpx2.Request | httpx.Request")

_LIBRARIES = ("httpx2", "httpx")
_WEB_SOCKET_SCHEMES = {"ws": "http", "wss": "https"}


class SignatureAuth:
    """Signs each request of an httpx2 or httpx client, sync or async, as it goes out.

    Give it to a client or to one call: `httpx2.Client(auth=keywright.SignatureAuth(key))`. Bodies are read into
    memory first, since their digest stands in a header. A redirect that the client follows beneath us goes out with
    the old signature and is refused; it is then signed anew, with a new nonce, if it stayed with the same host.

    Args:
        key: who signs.
        cover: names of headers to cover as well, in requests that carry them.
        tag: an application's name for the signature, if the verifier asks for one.
        label: the signature's key in both headers.
        clock: tells the time in seconds since the epoch.
        nonce: makes a nonce that was never used before.

    Raises:
        ValueError: from a request that cannot be signed; the message says what to change.

    Source: RFC 9421 section 3.1; RFC 9530 section 2.
    """

    # What httpx asks of an auth object that reads bodies.
    requires_request_body = True
    requires_response_body = False

    def __init__(
        self,
        key: Credential,
        *,
        cover: Sequence[str] = (),
        tag: str | None = None,
        label: str = LABEL,
        clock: Clock = time.time,
        nonce: NewNonce = new_nonce,
    ) -> None:
        if not isinstance(key, Credential):
            raise TypeError("key: a keywright.Credential is needed")
        self._key = key
        self._cover = tuple(name.lower() for name in cover)
        self._tag = tag
        self._label = label
        self._clock = clock
        self._nonce = nonce

    # httpx takes an auth object for one only if it is an instance of its own class. We want neither library imported
    # nor one preferred, so we answer that question when it is asked: by then the library that asks is there.
    @property  # type: ignore[misc]
    def __class__(self) -> type[SignatureAuth]:
        modules = [sys.modules[name] for name in _LIBRARIES if name in sys.modules]
        bases = dict.fromkeys(module.Auth for module in modules if hasattr(module, "Auth"))
        return _class_with(tuple(bases))

    def __call__(self, request: RequestT) -> RequestT:
        """Sign one request in place: as an event hook of a sync client, which sees every hop of a redirect.

        Args:
            request: about to go out. Its body is read into memory.

        Returns:
            The same request.
        """
        if not hasattr(request, "extensions"):
            raise TypeError("SignatureAuth is for httpx2 and httpx; with requests, use keywright.RequestsAuth")
        request.read()
        self._sign(request)
        return request

    def sync_auth_flow(self, request: RequestT) -> Generator[RequestT, Any, None]:
        """Sign and send; the flow of a sync client."""
        request.read()
        self._sign(request)
        response = yield request
        if self._was_redirected(request, response):
            if not response.request.read():
                response.request.headers.pop("Content-Digest", None)  # of the body that the redirect dropped
            self._sign(response.request)
            yield response.request

    async def async_auth_flow(self, request: RequestT) -> AsyncGenerator[RequestT, Any]:
        """Sign and send; the flow of an async client."""
        await request.aread()
        self._sign(request)
        response = yield request
        if self._was_redirected(request, response):
            if not await response.request.aread():
                response.request.headers.pop("Content-Digest", None)
            self._sign(response.request)
            yield response.request

    def _sign(self, request: httpx2.Request | httpx.Request) -> None:
        headers = request.headers
        for name in ("Signature-Input", "Signature"):
            before = without_label(headers.get(name), self._label)
            headers.pop(name, None)
            if before is not None:
                headers[name] = before
        added = sign(
            self._key,
            method=request.method,
            url=_wire_url(request),
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw],
            body=request.content,
            cover=[name for name in self._cover if name in headers],
            tag=self._tag,
            label=self._label,
            clock=self._clock,
            nonce=self._nonce,
        )
        for name, value in added.items():
            headers[name] = f"{headers[name]}, {value}" if name in headers else value

    def _was_redirected(self, request: httpx2.Request | httpx.Request, response: Any) -> bool:
        """Whether a redirect was followed and refused there: it carried the signature of the first request."""
        return (
            response.status_code == 401
            and response.request is not request
            and same_site(str(request.url), str(response.request.url))
        )


def _wire_url(request: httpx2.Request | httpx.Request) -> str:
    """The URL as it goes out: what httpx made of what was typed, without user information and fragment."""
    url = request.url
    scheme = _WEB_SOCKET_SCHEMES.get(url.scheme, url.scheme)
    target: bytes = request.extensions.get("target", url.raw_path)
    return f"{scheme}://{url.netloc.decode('ascii')}{target.decode('latin-1')}"


@lru_cache(maxsize=8)
def _class_with(bases: tuple[type, ...]) -> type[SignatureAuth]:
    return type("SignatureAuth", (SignatureAuth, *bases), {}) if bases else SignatureAuth
