"""Which process of the data plane has a connection; told by the kernel, since the server does not say."""

from __future__ import annotations

import socket
from pathlib import Path

from support.server import Server

_ESTABLISHED, _LISTENING = "01", "0A"


def gateway_processes(server: Server) -> list[int]:
    """The worker processes behind the data plane's listener: those that hold its port."""
    port = int(server.data.rpartition(":")[2])
    found = _holders(_sockets(port, state=_LISTENING))
    assert found
    return found


def worker_of(connection: socket.socket) -> int | None:
    """The process at the other end of a connection to this host; None while nobody has accepted it."""
    port, ours = connection.getpeername()[1], connection.getsockname()[1]
    holders = _holders(_sockets(port, peer=ours, state=_ESTABLISHED))
    assert len(holders) < 2
    return holders[0] if holders else None


def _sockets(port: int, *, state: str, peer: int | None = None) -> set[str]:
    """The names of sockets with this local port, as /proc/PID/fd shows them."""
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, its_state, *_ = parts = line.split()
        is_peer = peer is None or remote.endswith(f":{peer:04X}")
        if local.endswith(f":{port:04X}") and is_peer and its_state == state:
            found.add(f"socket:[{parts[9]}]")
    return found


def _holders(sockets: set[str]) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = {str(descriptor.readlink()) for descriptor in (process / "fd").iterdir()}
        except OSError:
            continue
        if links & sockets:
            found.append(int(process.name))
    return found
