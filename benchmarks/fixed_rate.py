"""Asks a server at a fixed rate, whatever it answers: python -m benchmarks.fixed_rate PORT FILE FIRST COUNT RATE.

wrk sends the next request when the last one is answered, so a server that stalls is asked less, and the stall is seen
once. Here every request has its time; what has to wait for a free connection counts from that time on (as in wrk2). The
loop never sleeps, so a late wake-up of this process is not taken for the server's. Prints latencies as JSON.
"""

from __future__ import annotations

import gc
import json
import selectors
import socket
import sys
import time
from pathlib import Path

CONNECTIONS = 32
_PATIENCE_SECONDS = 30


def main() -> None:
    """Send COUNT requests of a prepared file, from the FIRST on."""
    port, file, first, count, rate = sys.argv[1:]
    requests = read(Path(file), int(first), int(count))
    gc.collect()
    gc.disable()
    latencies, seconds = ask(int(port), requests, float(rate))
    latencies.sort()
    shares = {"p50_us": 0.5, "p90_us": 0.9, "p99_us": 0.99, "p999_us": 0.999}
    found = {name: round(latencies[int(len(latencies) * share)] * 1e6, 1) for name, share in shares.items()}
    print(json.dumps({**found, "rate": round(len(latencies) / seconds, 1)}))


def read(file: Path, first: int, count: int) -> list[bytes]:
    """The requests of a prepared file; see prepared.lua."""
    with file.open("rb") as stream:
        length = int(stream.readline())
        stream.seek(first * length, 1)
        return [stream.read(length) for _ in range(count)]


def ask(
    port: int, requests: list[bytes], rate: float, patience_seconds: float = _PATIENCE_SECONDS
) -> tuple[list[float], float]:
    """Send each request at its time.

    Args:
        port: of the server, on 127.0.0.1.
        requests: to send, in order.
        rate: requests per second; `math.inf` sends the next one as soon as a connection is free.
        patience_seconds: how long all may take beyond their times.

    Returns:
        Seconds from each request's time to its answer, and the seconds that all took.
    """
    selector = selectors.EpollSelector()
    free = []
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        free.append(connection)
    waiting: dict[socket.socket, float] = {}
    latencies: list[float] = []
    sent, total, step, clock = 0, len(requests), 1 / rate, time.perf_counter
    began = clock()
    deadline = began + total * step + patience_seconds
    while len(latencies) < total:
        due = began + sent * step
        while sent < total and free and due <= clock():
            connection = free.pop()
            waiting[connection] = due
            connection.sendall(requests[sent])
            sent += 1
            due = began + sent * step
        for key, _ in selector.select(0):
            answer = key.fileobj.recv(65536)  # type: ignore[union-attr]
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"the server answered: {answer[:200]!r}")
            latencies.append(clock() - waiting.pop(key.fileobj))  # type: ignore[arg-type]
            free.append(key.fileobj)  # type: ignore[arg-type]
        if clock() > deadline:
            raise SystemExit(f"{total - len(latencies)} of {total} requests were not answered")
    return latencies, clock() - began


if __name__ == "__main__":
    main()
