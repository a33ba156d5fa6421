"""Bearer tokens for an httpx2 or httpx client: fetched, kept, renewed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any

from keywright.sdk.credential import Credential
from keywright.sdk.httpx_flow import HttpxFlow, Read, Steps, Wait, library_of
from keywright.sdk.refusal import TOKEN_CODES, refusal_codes
from keywright.sdk.signing import same_site
from keywright.sdk.token_answer import (
    checked_token_url,
    read_token,
    redirected_token_request,
    refused_token,
    token_request_headers,
)
from keywright.sdk.token_keeper import Fetch, TokenKeeper

if TYPE_CHECKING:
    from keywright.sdk.httpx_flow import AnyRequest

RENEW_EARLY = 0.1
# Who waited twice for others that gave up fetches by itself.
_WAITS = 2


class TokenAuth(HttpxFlow):
    """Sends a bearer token with each request of an httpx2 or httpx client, sync or async.

    `httpx2.Client(auth=keywright.TokenAuth(key, "https://api.example.com/auth/token"))`. The token is fetched with the
    client's own connections when the first request goes out, kept in memory, and renewed before it ends; however many
    threads and tasks share the object, one of them fetches. A request that is refused with `token_invalid` or
    `token_expired` is sent once more with a new token, if its body is in memory.

    Args:
        key: whose tokens.
        token_url: of the platform's `/auth/token`. It must be `https://`, but for this machine.
        renew_early: the fraction of a token's life that is left when it is renewed.
        allow_http: send the secret without TLS, within a network that you trust.
        clock: seconds that only go forward.

    Raises:
        ValueError: the URL or the fraction is none.
        TokenError: from a request, when the token endpoint refuses; the message says what to do.

    Source: RFC 6749 section 4.4; RFC 6750 section 2.1.
    """

    def __init__(
        self,
        key: Credential,
        token_url: str,
        *,
        renew_early: float = RENEW_EARLY,
        allow_http: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key, self._url, self._keeper = token_parts(key, token_url, renew_early, allow_http, clock)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._key.client_id!r}, {self._url!r})"

    def _steps(self, request: AnyRequest) -> Steps:
        token = yield from self._token(request)
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        # A redirect that the client followed may have led to somebody else, who is not believed.
        if response.status_code != 401 or not same_site(str(request.url), str(response.request.url)):
            return
        yield Read(response)
        if refusal_codes(401, response.headers.get("WWW-Authenticate"), response.content) & TOKEN_CODES:
            self._keeper.reject(token)
            if _is_in_memory(request):
                token = yield from self._token(request)
                request.headers["Authorization"] = f"Bearer {token}"
                yield request

    def _token(self, request: AnyRequest) -> Any:
        for waits in count():
            found = self._keeper.take(alone=waits >= _WAITS)
            if isinstance(found, str):
                return found
            if found.claim():
                return (yield from self._fetch(found, request))
            token = yield Wait(found)
            if token is not None:
                return token
        raise AssertionError("unreachable")  # pragma: no cover

    def _fetch(self, fetch: Fetch, request: AnyRequest) -> Any:
        with fetch:
            response = yield _token_request(request, self._url, self._key)
            yield Read(response)
            if response.request.url != library_of(request).URL(self._url):
                return fetch.fail(redirected_token_request(self._url))
            return conclude(fetch, self._url, response)


def token_parts(
    key: Credential, token_url: str, renew_early: float, allow_http: bool, clock: Callable[[], float]
) -> tuple[Credential, str, TokenKeeper]:
    """Check what both auth objects for tokens are given.

    Returns:
        The key, the URL and a keeper.

    Raises:
        TypeError: the key is none.
        ValueError: URL or fraction are none.
    """
    if not isinstance(key, Credential):
        raise TypeError("key: a keywright.Credential is needed")
    if not 0 <= renew_early < 1:
        raise ValueError("renew_early: a fraction of the token's life, from 0 to less than 1")
    return key, checked_token_url(token_url, allow_http=allow_http), TokenKeeper(renew_early, clock)


def conclude(fetch: Fetch, url: str, response: Any) -> str:
    """End a fetch with the endpoint's answer.

    Args:
        fetch: the caller's own.
        url: of the token endpoint.
        response: its answer, of any of the three clients, read.

    Returns:
        The token.

    Raises:
        TokenError: there is none.
    """
    status, body = response.status_code, response.content
    token = read_token(status, body)
    if token is not None:
        return fetch.succeed(*token)
    return fetch.fail(refused_token(url, status, body, response.headers.get("Retry-After")))


def _is_in_memory(request: AnyRequest) -> bool:
    try:
        _ = request.content
    except RuntimeError:  # RequestNotRead of either library: a stream that is used up
        return False
    return True


class _Once:
    """The body with the secret: given out once, so that a redirect, which would carry it on, finds none."""

    def __init__(self, body: bytes, url: str) -> None:
        self._body: bytes | None = body
        self._url = url

    def peek(self) -> bytes:
        """The body, for those who look at a request before it goes out; nothing afterwards."""
        return self._body or b""

    def _take(self) -> bytes:
        body, self._body = self._body, None
        if body is None:
            raise redirected_token_request(self._url)
        return body

    def __iter__(self) -> Iterator[bytes]:
        yield self._take()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._take()


def _token_request(like: AnyRequest, url: str, key: Credential) -> Any:
    """The request for a token, of the same library and with the same timeouts as the one that needs it."""
    library = library_of(like)
    kind, stream = _kinds(library)
    body = key.token_request_body()
    extensions = {name: value for name, value in like.extensions.items() if name == "timeout"}
    target = library.URL(url)
    headers = {"Host": target.netloc.decode("ascii"), **token_request_headers(body)}
    return kind("POST", target, headers=headers, stream=stream(body, url), extensions=extensions)


@lru_cache(maxsize=4)
def _kinds(library: Any) -> tuple[type[Any], type[Any]]:
    """A request and a stream of the library's own, which do not let the body be kept where it was read."""

    class TokenRequest(library.Request):  # type: ignore[misc]
        def read(self) -> bytes:
            return self.content

        async def aread(self) -> bytes:
            return self.content

        @property
        def content(self) -> bytes:
            return bytes(self.stream.peek())

    return TokenRequest, type("OnceStream", (_Once, library.SyncByteStream, library.AsyncByteStream), {})
