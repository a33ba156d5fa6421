"""How request bodies are read: whole and typed, or with every fault named."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Request

from keywright.errors import Fault, InvalidRequest
from keywright.wire import read_input

BODY_SECONDS = 10


class JsonRequest(Request[Any, Any, Any]):
    """A request whose JSON body becomes the very type that its handler takes."""

    async def body(self) -> bytes:
        """Read the body; whoever sends it too slowly must not hold a connection for ever.

        Raises:
            InvalidRequest: it did not arrive in time.
        """
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await super().body()
        except TimeoutError:
            raise InvalidRequest([Fault("", f"the body did not arrive within {BODY_SECONDS} s")]) from None

    async def json(self) -> Any:
        """Read the body.

        Raises:
            InvalidRequest: with every fault of it.
        """
        content_type = self.headers.get("content-type", "")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise InvalidRequest([Fault("Content-Type", "must be application/json")])
        field = self.route_handler.parsed_data_field
        assert field is not None
        return read_input(await self.body(), field.annotation)
