"""Signing every request of an httpx2 or httpx client."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from keywright.sdk.credential import Credential
from keywright.sdk.httpx_flow import HttpxFlow, Read, Steps
from keywright.sdk.refusal import TIME_CODES, refusal_codes
from keywright.sdk.server_clock import ServerClock
from keywright.sdk.signing import LABEL, Clock, NewNonce, new_nonce, same_site, sign, without_label

if TYPE_CHECKING:
    import httpx
    import httpx2

RequestT = TypeVar("RequestT", bound="httpx2.Request | httpx.Request")

_WEB_SOCKET_SCHEMES = {"ws": "http", "wss": "https"}


class SignatureAuth(HttpxFlow):
    """Signs each request of an httpx2 or httpx client, sync or async, as it goes out.

    Give it to a client or to one call: `httpx2.Client(auth=keywright.SignatureAuth(key))`. Bodies are read into
    memory first, since their digest stands in a header. A redirect that the client follows beneath us goes out with
    the old signature and is refused; it is then signed anew, with a new nonce, if it stayed with the same host.

    If the server refuses a signature for its time, and the `Date` of that refusal shows that our clock is wrong, by a
    day at most, the request is signed by the server's time and sent once more; later requests to that origin are
    signed by it from the start.

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
        self._time = ServerClock(clock)
        self._nonce = nonce

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

    def _steps(self, request: RequestT) -> Steps:
        yield Read(request)
        signed_at = self._sign(request)
        response = yield request
        if response.status_code != 401 or not same_site(str(request.url), str(response.request.url)):
            return
        sent = response.request
        if sent is not request:
            # A redirect was followed and refused there: it carried the signature of the first request.
            signed_at = yield from self._sign_again(sent)
            response = yield sent
        url = str(sent.url)
        codes = yield from _time_refusal(sent, response)
        if self._time.learn(url, codes, response.headers.get("Date"), signed_at):
            yield from self._sign_again(sent)
            response = yield sent
            if (yield from _time_refusal(sent, response)):
                self._time.forget(url)

    def _sign_again(self, request: Any) -> Any:
        yield Read(request)
        if not request.content:
            request.headers.pop("Content-Digest", None)  # of the body that the redirect dropped
        return self._sign(request)

    def _sign(self, request: httpx2.Request | httpx.Request) -> float:
        """Sign in place; the time that was signed."""
        headers = request.headers
        signed_at = self._time.now(str(request.url))
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
            clock=lambda: signed_at,
            nonce=self._nonce,
        )
        for name, value in added.items():
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return signed_at


def _time_refusal(sent: Any, response: Any) -> Any:
    """A step: the codes of a refusal for the signature's time; none if it is another answer, or someone else's."""
    if response.status_code != 401 or response.request is not sent:
        return frozenset()
    yield Read(response)
    return TIME_CODES & refusal_codes(401, response.headers.get("WWW-Authenticate"), response.content)


def _wire_url(request: httpx2.Request | httpx.Request) -> str:
    """The URL as it goes out: what httpx made of what was typed, without user information and fragment."""
    url = request.url
    scheme = _WEB_SOCKET_SCHEMES.get(url.scheme, url.scheme)
    target: bytes = request.extensions.get("target", url.raw_path)
    return f"{scheme}://{url.netloc.decode('ascii')}{target.decode('latin-1')}"
