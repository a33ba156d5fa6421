"""A deployment of many nodes: PostgreSQL, Valkey, control and gateway nodes, each in processes of its own.

Every node has a data directory and a way to PostgreSQL of its own, so that one can be cut off while the others go on.
The files of keys are the same for all: the first node makes them, the others find them.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from support.postgresql import PostgresqlServer
from support.server import Server, set_environment
from support.valkey import Valkey, valkey
from support.wire import HOST, Wire

LEASE_SECONDS = 2.0  # the default
DATABASE = "cluster"


class Node:
    """One `keywright serve`.

    Args:
        name: tells it from the others, as `gateway 2`.
        role: `control` or `gateway`.
        folder: takes its data directory.
        wire: leads to PostgreSQL.
        database_url: of PostgreSQL; None is by that wire.
        environment: its settings.
        prefix: of its command line.
    """

    def __init__(
        self,
        name: str,
        role: str,
        folder: Path,
        wire: Wire,
        *,
        database_url: str | None = None,
        environment: dict[str, str],
        prefix: tuple[str, ...] = (),
    ) -> None:
        self.name, self.role, self.wire = name, role, wire
        data_dir = folder / name.replace(" ", "-")
        url = database_url or f"postgresql://postgres@{wire.host}:{wire.port}/{DATABASE}"
        set_environment(data_dir, {"KEYWRIGHT_DATABASE_URL": url})
        self.server = Server(data_dir, environment={**environment, "KEYWRIGHT_ROLE": role}, prefix=prefix)

    def __repr__(self) -> str:
        return self.name

    @property
    def address(self) -> str:
        """Where it answers: the control plane or the data plane."""
        return self.server.control if self.role == "control" else self.server.data

    @property
    def is_running(self) -> bool:
        process = self.server.process
        return process is not None and process.poll() is None

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """No process of the node gets to run; its connections stay open."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def kill(self) -> None:
        self.server.kill()

    def start(self) -> Node:
        """Start it, at the same address as before if it ran before."""
        port = int(self.address.rpartition(":")[2] or 0)
        if self.role == "control":
            self.server.port = port
        else:
            self.server.gateway_port = port
        self.server.start()
        return self

    def is_ready(self) -> bool:
        with contextlib.suppress(httpx2.HTTPError):
            return httpx2.get(f"{self.address}/readyz", timeout=10).status_code == 200
        return False

    def _signal(self, number: signal.Signals) -> None:
        assert self.server.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.server.process.pid, number)


class Cluster:
    """All nodes, and the engines behind them.

    Args:
        folder: takes everything that is kept in files.
        controls: how many control nodes.
        gateways: how many gateway nodes, each a verifier.
        postgresql: lines of its configuration.
        wired: whether every node has a way to PostgreSQL that can be cut; if not, only the last one has, and the others
            go straight there, which takes this process no time.
        environment: settings of all nodes.
    """

    def __init__(
        self,
        folder: Path,
        *,
        controls: int = 2,
        gateways: int = 3,
        postgresql: dict[str, str] | None = None,
        wired: bool = True,
        **environment: str,
    ) -> None:
        self.folder = folder
        # As it is run in earnest: an immediate shutdown must not lose what was committed.
        self.postgresql = PostgresqlServer(**{"synchronous_commit": "on", **(postgresql or {})})
        self._running = contextlib.ExitStack()
        self._running.callback(self.postgresql.remove)
        self.valkey: Valkey = self._running.enter_context(valkey())
        (folder / "keys").mkdir(parents=True)
        self.environment = {
            "KEYWRIGHT_VALKEY_URL": self.valkey.url,
            "KEYWRIGHT_KEYRING_FILE": str(folder / "keys" / "keyring.json"),
            "KEYWRIGHT_TOKEN_KEYS_FILE": str(folder / "keys" / "token-keys.json"),
            "KEYWRIGHT_PUBLIC_URL": "http://keys.example.com",
            **environment,
        }
        self.controls = [self.node(f"control {n + 1}", "control", wired=wired) for n in range(controls)]
        self.gateways = [
            self.node(f"gateway {n + 1}", "gateway", wired=wired or n + 1 == gateways) for n in range(gateways)
        ]

    @property
    def nodes(self) -> list[Node]:
        return [*self.controls, *self.gateways]

    @property
    def control(self) -> Server:
        """The first control node's server, for whatever any of them can do."""
        return self.controls[0].server

    def node(
        self,
        name: str,
        role: str,
        *,
        host: str = HOST,
        prefix: tuple[str, ...] = (),
        wired: bool = True,
        **environment: str,
    ) -> Node:
        """Make a node, which is not started yet."""
        wire = Wire(self.postgresql.folder / ".s.PGSQL.5432", host=host)
        self._running.callback(wire.close)
        url = None if wired else self.postgresql.url(DATABASE)
        settings = {**self.environment, **environment}
        return Node(name, role, self.folder, wire, database_url=url, environment=settings, prefix=prefix)

    def start(self) -> Cluster:
        """Start everything; nodes side by side, but for the first, which makes schema and keys."""
        self.postgresql.start()
        self.postgresql.sql(f"CREATE DATABASE {DATABASE}")
        first, *others = self.nodes
        first.start()
        with ThreadPoolExecutor(len(self.nodes)) as threads:
            list(threads.map(Node.start, others))
        for node in others:
            node.server._tokens = first.server._tokens  # one token of each scope for all
        return self

    def close(self) -> None:
        for node in self.nodes:
            with contextlib.suppress(Exception):
                node.kill() if node.is_running else None
        self._running.close()

    def sql(self, statement: str) -> str:
        """Ask the database itself; what it printed."""
        return self.postgresql.sql(statement, DATABASE)

    def live_verifiers(self) -> int:
        """How many registrations of verifiers are live, as the database has it."""
        return int(self.sql("SELECT count(*) FROM verifiers WHERE state = 'live'"))
