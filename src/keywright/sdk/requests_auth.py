"""Signing every request of a requests session."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from keywright.sdk.credential import Credential
from keywright.sdk.refusal import TIME_CODES, refusal_codes
from keywright.sdk.requests_again import can_be_sent_again, send_again
from keywright.sdk.server_clock import ServerClock
from keywright.sdk.signing import LABEL, Clock, NewNonce, new_nonce, same_site, sign, without_label

if TYPE_CHECKING:
    import requests

_SIGNATURE_HEADERS = ("Signature-Input", "Signature")
# A prepared request may lie about for a while before it is sent; older than this, a 401 is worth a new signature.
_FRESH_SECONDS = 60


class RequestsAuth:
    """Signs each request of requests: `requests.get(url, auth=keywright.RequestsAuth(key))`, or a session's `auth`.

    Bodies are read into memory first, since their digest stands in a header. requests signs when a request is
    prepared, and follows redirects by itself. So a redirect goes out without a signature, is refused, and is then
    signed anew if it stayed with the same host; and so is a prepared request that is sent a second time, or late.

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
        self._clock = clock
        self._time = ServerClock(clock)
        self._nonce = nonce

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a prepared request in place; requests calls this."""
        _read_body(request)
        signed_at = self._sign(request)
        request.hooks["response"].append(self._second_try(request.url or "", signed_at, self._clock()))
        return request

    def _sign(self, request: requests.PreparedRequest) -> float:
        """Sign in place; the time that was signed."""
        signed_at = self._time.now(request.url or "")
        _strip(request, self._label)
        pairs = [(_text(name), _text(value)) for name, value in request.headers.items()]
        added = sign(
            self._key,
            method=request.method or "GET",
            url=_wire_url(request),
            headers=pairs,
            body=request.body if isinstance(request.body, bytes) else b"",
            cover=[name for name in self._cover if name in request.headers],
            tag=self._tag,
            label=self._label,
            clock=lambda: signed_at,
            nonce=self._nonce,
        )
        for name, value in added.items():
            before = request.headers.get(name)
            request.headers[name] = value if before is None else f"{_text(before)}, {value}"
        return signed_at

    def _second_try(self, first_url: str, signed_at: float, made_at: float) -> Callable[..., requests.Response]:
        """A response hook: what to do with an answer to the request that was signed, and to its redirects."""
        used = False

        def hook(response: requests.Response, **send_options: Any) -> requests.Response:
            nonlocal used, signed_at
            was_used, used = used, True
            request = response.request
            if response.is_redirect:
                # requests copies this request for the redirect: our signature must not go there, to whomever it leads.
                response.request = request.copy()
                _strip(request, self._label)
                return response
            if (
                response.status_code != 401
                or not can_be_sent_again(response)
                or not same_site(first_url, request.url or "")
            ):
                return response

            def sign_again(request: requests.PreparedRequest) -> None:
                nonlocal signed_at
                if not request.body:
                    request.headers.pop("Content-Digest", None)  # of the body that a redirect dropped
                signed_at = self._sign(request)

            if was_used or self._clock() - made_at > _FRESH_SECONDS:
                response = send_again(response, send_options, sign_again)
            url = response.request.url or ""
            if self._time.learn(url, _time_codes(response), response.headers.get("Date"), signed_at):
                response = send_again(response, send_options, sign_again)
                if _time_codes(response):
                    self._time.forget(url)
            return response

        return hook


def _time_codes(response: requests.Response) -> frozenset[str]:
    if response.status_code != 401:
        return frozenset()
    return TIME_CODES & refusal_codes(401, response.headers.get("WWW-Authenticate"), response.content)


def _strip(request: requests.PreparedRequest, label: str) -> None:
    for name in _SIGNATURE_HEADERS:
        value = request.headers.pop(name, None)
        before = without_label(None if value is None else _text(value), label)
        if before is not None:
            request.headers[name] = before


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _read_body(request: requests.PreparedRequest) -> None:
    """Have the body as bytes: a text as urllib3 would send it, a file or a generator read to its end."""
    body: Any = request.body
    if body is None or isinstance(body, bytes):
        return
    if isinstance(body, str):
        request.body = body.encode("utf-8")
        return
    if isinstance(body, bytearray | memoryview):
        request.body = bytes(body)
        return
    content = body.read() if hasattr(body, "read") else b"".join(body)
    request.body = content.encode("utf-8") if isinstance(content, str) else content
    # No longer a stream: requests works out the length next, and has nothing to wind back on a redirect.
    request.headers.pop("Transfer-Encoding", None)
    vars(request)["_body_position"] = None


def _wire_url(request: requests.PreparedRequest) -> str:
    """The URL as it goes out: requests has encoded it; user information stays behind in a header of its own."""
    scheme, _, rest = (request.url or "").partition("://")
    authority = rest.partition("/")[0].partition("?")[0].partition("#")[0]
    return f"{scheme}://{authority.rpartition('@')[2]}{request.path_url}"
