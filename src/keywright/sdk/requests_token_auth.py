"""Bearer tokens for requests: fetched, kept, renewed."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

from keywright.sdk.credential import Credential
from keywright.sdk.refusal import TOKEN_CODES, refusal_codes
from keywright.sdk.requests_again import can_be_sent_again, send_again
from keywright.sdk.signing import same_site
from keywright.sdk.token_answer import TokenError, token_request_headers, unreachable
from keywright.sdk.token_auth import RENEW_EARLY, conclude, token_parts
from keywright.sdk.token_keeper import Fetch

if TYPE_CHECKING:
    import requests

_WAITS = 2


class RequestsTokenAuth:
    """Sends a bearer token with each request of requests: as a session's `auth`, or a single call's.

    The token is fetched when the first request is prepared, kept in memory, and renewed before it ends; however many
    threads share the object, one of them fetches. A request that is refused with `token_invalid` or `token_expired` is
    sent once more with a new token, if its body is in memory.

    Args:
        key: whose tokens.
        token_url: of the platform's `/auth/token`. It must be `https://`, but for this machine.
        session: fetches tokens, if the way there needs a proxy or certificates of its own; its `auth` is not used.
        timeout_seconds: how long the token endpoint may be silent.
        renew_early: the fraction of a token's life that is left when it is renewed.
        allow_http: send the secret without TLS, within a network that you trust.
        clock: seconds that only go forward.

    Raises:
        ValueError: the URL or the fraction is none.
        TokenError: from a request, when the token endpoint refuses or cannot be reached.

    Source: RFC 6749 section 4.4; RFC 6750 section 2.1.
    """

    def __init__(
        self,
        key: Credential,
        token_url: str,
        *,
        session: requests.Session | None = None,
        timeout_seconds: float = 10,
        renew_early: float = RENEW_EARLY,
        allow_http: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key, self._url, self._keeper = token_parts(key, token_url, renew_early, allow_http, clock)
        self._session = session
        self._timeout_seconds = timeout_seconds

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._key.client_id!r}, {self._url!r})"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Give a prepared request its token, in place; requests calls this."""
        request.headers["Authorization"] = f"Bearer {self._token()}"
        request.hooks["response"].append(self._second_try(request.url or ""))
        return request

    def _second_try(self, first_url: str) -> Callable[..., requests.Response]:
        used = False

        def hook(response: requests.Response, **send_options: Any) -> requests.Response:
            nonlocal used
            sent = str(response.request.headers.get("Authorization", ""))
            # requests takes the token away from a redirect to somebody else, and so it is not given back to them.
            if used or response.status_code != 401 or not same_site(first_url, response.request.url or ""):
                return response
            codes = refusal_codes(401, response.headers.get("WWW-Authenticate"), response.content)
            if not codes & TOKEN_CODES:
                return response
            self._keeper.reject(sent.removeprefix("Bearer "))
            if not can_be_sent_again(response):
                return response
            used = True

            def authenticate(request: requests.PreparedRequest) -> None:
                request.headers["Authorization"] = f"Bearer {self._token()}"

            return send_again(response, send_options, authenticate)

        return hook

    def _token(self) -> str:
        for waits in count():
            found = self._keeper.take(alone=waits >= _WAITS)
            if isinstance(found, str):
                return found
            if found.claim():
                return self._fetch(found)
            token = found.wait()
            if token is not None:
                return token
        raise AssertionError("unreachable")  # pragma: no cover

    def _fetch(self, fetch: Fetch) -> str:
        import requests  # noqa: PLC0415 - an optional library; whoever calls us has it

        with fetch:
            fault: TokenError | None = None
            try:
                if self._session is not None:
                    response = self._post(self._session)
                else:
                    with requests.Session() as session:
                        response = self._post(session)
            except requests.RequestException as error:
                fault = unreachable(self._url, str(error))
            # Raised from here and without a cause: the frames and the request of that one hold the secret.
            return conclude(fetch, self._url, response) if fault is None else fetch.fail(fault)

    def _post(self, session: requests.Session) -> requests.Response:
        body = self._key.token_request_body()
        response = session.post(
            self._url,
            data=body,
            headers=token_request_headers(body),
            auth=_nobody,
            timeout=self._timeout_seconds,
            allow_redirects=False,
        )
        response.request.body = None  # it holds the secret, and whoever reports an error may print it
        return response


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authenticates nobody: requests would otherwise look for a password in ~/.netrc."""
    return request
