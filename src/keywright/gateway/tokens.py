"""Tokens on this listener, so that a gateway can route their addresses here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from keywright.errors import ApiAccessNotEnabled, Fault, InvalidClient, InvalidRequest, TooManyRequests
from keywright.gateway.answers import json_answer
from keywright.problems import Answer, problem_answer
from keywright.tokens import OAuthCall, TokenInput, TokenService
from keywright.wire import read_input
from keywright.wire.browser import client_address

_STATUS = {InvalidClient.code: 401, ApiAccessNotEnabled.code: 403, TooManyRequests.code: 429}


class TokenAnswers:
    """Answers at the tokens' addresses.

    Args:
        service: gives tokens.
        trusted_proxies: whose X-Forwarded-For is believed.
    """

    def __init__(self, service: TokenService, trusted_proxies: Sequence[str]) -> None:
        self._service = service
        self._trusted_proxies = trusted_proxies
        # Path to method.
        self.oauth_paths = {path: method for path, (method, _) in service.oauth.items()}

    async def answer_json(self, scope: dict[str, Any], headers: list[tuple[str, str]], body: bytes) -> Answer:
        """Exchange an API key for an access token.

        Args:
            scope: of the request (ASGI).
            headers: its header lines.
            body: its body.

        Returns:
            The answer.

        Raises:
            InvalidRequest: with every fault of the call.
            Unavailable: no truthful answer can be given now.
        """
        content_type = next((value for name, value in headers if name.lower() == "content-type"), "")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise InvalidRequest([Fault("Content-Type", "must be application/json")])
        given = read_input(body, TokenInput)
        try:
            token = await self._service.exchange(given, self._address(scope, headers))
        except (InvalidClient, ApiAccessNotEnabled, TooManyRequests) as error:
            return problem_answer(error, _STATUS[error.code])
        return json_answer(200, msgspec.json.encode(token))

    async def answer_oauth(self, scope: dict[str, Any], headers: list[tuple[str, str]], body: bytes) -> Answer:
        """Answer at one of OAuth's addresses; arguments and errors are those of `answer_json`."""
        _, answer = self._service.oauth[scope["path"]]
        return await answer(OAuthCall(headers, body, self._address(scope, headers)))

    def _address(self, scope: dict[str, Any], headers: list[tuple[str, str]]) -> str:
        peer = scope["client"][0] if scope.get("client") else ""
        forwarded = [value for name, value in headers if name.lower() == "x-forwarded-for"]
        return client_address(peer, forwarded, self._trusted_proxies)
