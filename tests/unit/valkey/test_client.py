"""Whatever goes wrong on the way to Valkey is one error."""

from __future__ import annotations

import asyncio
import time

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisClusterException

from keywright.errors import Unavailable
from keywright.valkey.client import Calls


async def nothing() -> None:
    pass


@pytest.mark.parametrize(
    "error",
    [
        *(RedisConnectionError("x"), RedisClusterException("x"), OSError(111, "x"), TimeoutError()),
        *(
            RuntimeError("Event loop is closed"),
            KeyError("node"),
            AttributeError("x"),
            IndexError("x"),
            ValueError("x"),
        ),
    ],
)
async def test_whatever_the_library_raises_is_unavailable(error: Exception):
    async def call() -> None:
        raise error

    calls = Calls("the memory", reset=nothing)
    with pytest.raises(Unavailable, match="the memory does not answer") as caught:
        await calls.ask(call)
    assert type(error).__name__ in caught.value.private


async def test_to_be_cancelled_is_no_failure():
    calls = Calls("the memory", reset=nothing, most=1)
    task = asyncio.ensure_future(calls.ask(asyncio.Event().wait))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await calls.ask(lambda: asyncio.sleep(0, "its place is free again")) == "its place is free again"


async def test_who_finds_no_place_in_time_is_told_so():
    calls = Calls("the memory", reset=nothing, most=1)
    never = asyncio.ensure_future(calls.ask(asyncio.Event().wait))
    await asyncio.sleep(0.01)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await calls.ask(nothing)
    assert time.monotonic() - began > 0.9
    with pytest.raises(Unavailable):
        await never


async def test_a_primary_that_became_a_replica_is_left():
    closed = []

    async def reset() -> None:
        closed.append(True)
        raise OSError

    async def call() -> None:
        raise ReadOnlyError("READONLY")

    with pytest.raises(Unavailable):
        await Calls("the memory", reset=reset).ask(call)
    assert closed == [True]
