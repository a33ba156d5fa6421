"""How request bodies are read: whole and typed, or with every fault named."""

from __future__ import annotations

from typing import Any

from litestar import Request

from keywright.errors import Fault, InvalidRequest
from keywright.wire import read_input


class JsonRequest(Request[Any, Any, Any]):
    """A request whose JSON body becomes the very type that its handler takes."""

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
