"""Waiting that costs nothing where there is nothing to wait for: the same outcome as plain `await`, in every case."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Generator, Iterator
from typing import Any

import pytest
import uvloop

from keywright.integrations.begun import Begun

LOOPS = pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


def run(new_loop: Any, main: Any) -> Any:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main)


@LOOPS
def test_what_is_there_is_had_at_once_and_what_is_not_is_waited_for(new_loop: Any):
    async def there() -> int:
        return 1

    async def later() -> int:
        await asyncio.sleep(0.001)
        await asyncio.sleep(0)
        return 2

    async def main() -> None:
        begun = Begun(there())
        assert (begun.is_done, begun.result, await begun) == (True, 1, 1)
        begun = Begun(later())
        assert not begun.is_done
        assert (await begun, begun.is_done) == (2, True)
        future = asyncio.get_running_loop().create_future()
        begun = Begun(future)
        future.set_result(3)
        assert await begun == 3

    run(new_loop, main())


@LOOPS
def test_errors_come_out_wherever_they_happen(new_loop: Any):
    async def at_once() -> None:
        raise LookupError("at once")

    async def later() -> None:
        await asyncio.sleep(0)
        raise LookupError("later")

    async def main() -> None:
        with pytest.raises(LookupError, match="at once"):
            Begun(at_once())
        begun = Begun(later())
        with pytest.raises(LookupError, match="later"):
            await begun

    run(new_loop, main())


@LOOPS
def test_a_timeout_and_a_cancellation_reach_what_is_waited_for(new_loop: Any):
    ends: list[str] = []

    async def receive() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    async def wait() -> None:
        await Begun(receive())

    async def main() -> None:
        begun = Begun(receive())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await begun
        task = asyncio.create_task(wait())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # Nothing is left that would count against a later wait of the same task.
        async with asyncio.timeout(5):
            await asyncio.sleep(0.01)

    run(new_loop, main())
    assert ends == ["cancelled", "cancelled"]


@LOOPS
def test_what_swallows_its_cancellation_goes_on(new_loop: Any):
    async def stubborn() -> int:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return 4

    async def main() -> None:
        begun: Begun[int] = Begun(stubborn())

        async def wait() -> int:
            return await begun

        task = asyncio.create_task(wait())
        await asyncio.sleep(0.01)
        task.cancel()
        assert await task == 4

    run(new_loop, main())


class Foreign:
    """An awaitable as a server outside of Python makes them: an iterator without `send` and `throw`."""

    def __init__(self, future: asyncio.Future[int]) -> None:
        self._future = future

    def __await__(self) -> Iterator[Any]:
        return self

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._future.done():
            raise StopIteration(self._future.result())
        self._future._asyncio_future_blocking = True  # type: ignore[misc]
        return self._future


@types.coroutine
def of_a_generator() -> Generator[Any, None, int]:
    yield from asyncio.sleep(0.001).__await__()
    return 6


@LOOPS
def test_awaitables_that_are_no_coroutines(new_loop: Any):
    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_later(0.01, future.set_result, 5)
        assert await Begun(Foreign(future)) == 5
        assert await Begun(of_a_generator()) == 6
        begun = Begun(Foreign(loop.create_future()))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await begun

    run(new_loop, main())
