"""The control plane in the test's own process, so that the SQL behind each answer can be counted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
from sqlalchemy import Engine, event

from keywright.app import control_plane, prepare_database
from keywright.keyring import KeyringFile
from keywright.settings import Settings

# What opens and closes a transaction asks nothing; and who looks for mail or counts verifiers now and then, for nobody.
_BEGINNINGS, _ASIDE = ("BEGIN", "PRAGMA"), ("FROM outgoing_mail", "GROUP BY verifiers.state")


@contextlib.contextmanager
def counted() -> Iterator[list[str]]:
    """Note every statement that any connection of this process executes meanwhile."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith(_BEGINNINGS) and not any(each in statement for each in _ASIDE):
            found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@contextlib.asynccontextmanager
async def in_process(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """Run the control plane here, and reach it without a network.

    Args:
        settings: with a data directory of its own.
    """
    await asyncio.to_thread(prepare_database, settings)
    KeyringFile(settings.keyring_path, lambda count: b"k" * count)
    app = control_plane(settings)
    asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    lifespan = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}}, asked.get, told.put))
    await asked.put({"type": "lifespan.startup"})
    assert (await told.get())["type"] == "lifespan.startup.complete"
    try:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url=settings.base_url) as client:
            yield client
    finally:
        await asked.put({"type": "lifespan.shutdown"})
        assert (await told.get())["type"] == "lifespan.shutdown.complete"
        await lifespan
