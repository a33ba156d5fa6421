"""Talks to Valkey: bounded in time and in connections, and whatever goes wrong is `Unavailable`.

The library's own retries are set on purpose. A command whose connection broke is sent once more, on a new connection:
all that is sent from here may be sent twice (the scripts of `verification` know their own earlier attempt). A command
that was not answered in time is not sent again. In a cluster the library's one more attempt comes with a new look at
which node has what.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import redis.exceptions
from redis.asyncio import ConnectionPool, Redis, RedisCluster, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from keywright.errors import Unavailable
from keywright.valkey.address import ValkeyAddress

CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 1.0
WAIT_SECONDS = 1.0  # for a connection that is free
WHOLE_SECONDS = 2.5  # all of it, with a second attempt
CONNECTIONS = 16


class Script:
    """A Lua script and the name under which a server keeps it.

    Args:
        text: the script.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Calls:
    """Bounds what one process asks of Valkey, in time and in number, and makes every failure `Unavailable`.

    Args:
        what: who does not answer, for the message.
        reset: closes the connections.
        most: calls at the same time.
    """

    def __init__(self, what: str, *, reset: Callable[[], Awaitable[None]], most: int = CONNECTIONS) -> None:
        self._what = what
        self._reset = reset
        self._free = asyncio.Semaphore(most)

    async def ask(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Do something with Valkey.

        Args:
            call: what to do.

        Returns:
            What it returns.

        Raises:
            Unavailable: whatever went wrong; it may have been done.
        """
        try:
            async with asyncio.timeout(WHOLE_SECONDS):
                if self._free.locked():
                    async with asyncio.timeout(WAIT_SECONDS):
                        await self._free.acquire()
                else:
                    await self._free.acquire()
                try:
                    return await call()
                finally:
                    self._free.release()
        except redis.exceptions.ReadOnlyError as error:
            # The primary became a replica, and its address may lead to the new one by now.
            await self.reset()
            raise self._away(error) from error
        except Exception as error:
            # The library raises, besides its own errors and OSError, under load and while a cluster changes, whatever
            # its inner state leads to (RuntimeError, AttributeError, KeyError, IndexError). None of it is an answer.
            raise self._away(error) from error

    async def reset(self) -> None:
        """Close the connections, come what may: the other side may be gone."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._reset()

    def _away(self, error: Exception) -> Unavailable:
        # The library's messages hold no passwords: it got them as arguments, never in a URL.
        return Unavailable(
            f"{self._what} does not answer; try again in a moment",
            private=f"Valkey: {type(error).__name__}: {error}"[:500],
        )


class ValkeyClient:
    """One process's connections to Valkey, from one event loop.

    Args:
        address: where it is.
        what: what it is asked for, for messages.
    """

    def __init__(self, address: ValkeyAddress, what: str) -> None:
        self._address = address
        self._calls = Calls(what, reset=self._close)
        self._client: Any = None

    async def run(self, script: Script, keys: Sequence[str | bytes], arguments: Sequence[object]) -> Any:
        """Run a script.

        Args:
            script: may run twice for one call, so must know what it did before.
            keys: all of one key tag.
            arguments: its arguments.

        Returns:
            What it answers.

        Raises:
            Unavailable: there was no answer; it may have run.
        """
        return await self._calls.ask(lambda: self._run(script, keys, arguments))

    async def close(self) -> None:
        """Close the connections; the next call opens them again."""
        await self._calls.reset()

    async def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await disconnect(client)

    async def _run(self, script: Script, keys: Sequence[str | bytes], arguments: Sequence[object]) -> Any:
        if self._client is None:
            self._client = connect(self._address)
        client = self._client
        await ready(client)
        try:
            return await client.execute_command("EVALSHA", script.sha, len(keys), *keys, *arguments)
        except redis.exceptions.NoScriptError:
            # Nothing ran: a restart or SCRIPT FLUSH forgot the script.
            return await client.execute_command("EVAL", script.text, len(keys), *keys, *arguments)


def connect(address: ValkeyAddress) -> Any:
    """Make a client of the library; it connects when it is used.

    Args:
        address: where Valkey is.

    Returns:
        Its `Redis` or `RedisCluster`.
    """
    if address.is_cluster:
        options = cluster_options(address)
        return RedisCluster(startup_nodes=[ClusterNode(host, port) for host, port in address.hosts], **options)
    return Redis(connection_pool=connection_pool(address))


async def ready(client: Any) -> None:
    """Let a client look at its cluster if it has not.

    Without that the library, whose first command has to bring it about, sends that command to any node at all.

    Args:
        client: from `connect`.
    """
    if isinstance(client, RedisCluster):
        await client.initialize()


async def disconnect(client: Any) -> None:
    """Close a client's connections.

    Args:
        client: from `connect`.
    """
    if not isinstance(client, RedisCluster):
        await client.connection_pool.disconnect()
    else:
        await client.aclose()
        # After a connection failed, the library takes itself for closed, and closes nothing.
        for nodes in ("nodes_cache", "startup_nodes"):
            await client.nodes_manager.aclose(nodes)


def connection_pool(address: ValkeyAddress) -> ConnectionPool:
    """Make the pool of connections to a single server.

    Args:
        address: where it is.

    Returns:
        The library's pool.
    """
    options: dict[str, Any] = {**_common(address), "db": address.database}
    options["retry"] = Retry(NoBackoff(), 1, supported_errors=(redis.exceptions.ConnectionError,))
    kind: type[Any] = Connection
    if address.path is not None:
        kind = UnixDomainSocketConnection
        options["path"] = address.path
    else:
        ((options["host"], options["port"]),) = address.hosts
        options["socket_keepalive"] = True
        if address.is_tls:
            kind = SSLConnection
            options |= _tls(address)
    # More than the calls at the same time: a connection that is just being closed still counts.
    return ConnectionPool(connection_class=kind, max_connections=2 * CONNECTIONS, **options)


def cluster_options(address: ValkeyAddress) -> dict[str, Any]:
    """Tell the library how to speak to a cluster.

    Args:
        address: where it is.

    Returns:
        Arguments of its `RedisCluster`, but for the nodes.
    """
    return {
        **_common(address),
        **({"ssl": True, **_tls(address)} if address.is_tls else {}),
        "max_connections": 2 * CONNECTIONS,
        "retry": Retry(NoBackoff(), 1),
        # What the nodes that are there have must go on when another is lost.
        "require_full_coverage": False,
        # A slot that moved is noted, and that is all: to look at the whole topology anew the library would close the
        # connections under the calls of others.
        "reinitialize_steps": 0,
    }


def _common(address: ValkeyAddress) -> dict[str, Any]:
    return {
        "username": address.username,
        "password": address.password,
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "protocol": 2,  # 3 brings notifications that nobody here wants, and a handshake for them
        "driver_info": None,  # spares every new connection two commands
    }


def _tls(address: ValkeyAddress) -> dict[str, Any]:
    return {
        "ssl_ca_certs": address.ca_file,
        "ssl_certfile": address.cert_file,
        "ssl_keyfile": address.key_file,
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
    }
