"""Where attempts are counted for all processes of a deployment together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from limits.aio.storage import RedisStorage

from keywright.valkey.address import ValkeyAddress
from keywright.valkey.client import Calls, cluster_options, connection_pool, disconnect, ready


class ThrottleValkey(RedisStorage):
    """Moving windows in Valkey. Each count ends by itself, with its window.

    The package is given connections and hosts, never our URL: its errors quote URLs, passwords and all.

    Args:
        address: where Valkey is.
    """

    STORAGE_SCHEME = ["async+keywright-valkey"]  # noqa: RUF012 - the package's own declaration

    def __init__(self, address: ValkeyAddress) -> None:
        self._address = address
        self._calls = Calls("the memory of attempts", reset=self.close)
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in address.hosts)
        super().__init__(
            f"async+redis://{hosts if address.is_cluster else ''}",
            implementation="redispy",
            key_prefix="keywright:throttle",
        )

    def configure_bridge(self) -> None:
        """Connect as the rest of us does; called by the package."""
        if self._address.is_cluster:
            self.bridge.use_cluster(**cluster_options(self._address))
        else:
            self.bridge.use_basic(connection_pool=connection_pool(self._address))  # type: ignore[arg-type]

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count attempts, unless that would be too many; see `limits`.

        Args:
            key: of whom or what.
            limit: most within the window.
            expiry: the window in seconds.
            amount: attempts to count.

        Returns:
            Whether they were counted.

        Raises:
            Unavailable: Valkey does not answer.
        """
        return bool(await self._ask(lambda: self.bridge.acquire_entry(key, limit, expiry, amount)))

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Return when the window's oldest attempt was, and how many there are; see `limits`.

        Args:
            key: of whom or what.
            limit: most within the window.
            expiry: the window in seconds.

        Returns:
            Seconds since 1970, and a number.

        Raises:
            Unavailable: Valkey does not answer.
        """
        began, count = await self._ask(lambda: self.bridge.get_moving_window(key, limit, expiry))
        return float(began), int(count)

    async def clear(self, key: str) -> None:
        """Forget the attempts of one key.

        Args:
            key: of whom or what.

        Raises:
            Unavailable: Valkey does not answer.
        """
        await self._ask(lambda: self.bridge.clear(key))

    async def _ask(self, call: Callable[[], Awaitable[Any]]) -> Any:
        async def do() -> Any:
            await ready(self.bridge.get_connection())  # type: ignore[attr-defined]
            return await call()

        return await self._calls.ask(do)

    async def close(self) -> None:
        """Close the connections; the next call opens them again."""
        await disconnect(self.bridge.get_connection())  # type: ignore[attr-defined]
