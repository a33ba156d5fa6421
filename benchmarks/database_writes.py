"""How many writing transactions PostgreSQL takes: docs/decisions/0011-postgresql.md.

    .venv/bin/python benchmarks/database_writes.py

Starts a throw-away server on a unix socket, with fsync on. Each transaction adds one row and commits; two nodes.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from sqlalchemy import insert

from keywright.storage.postgresql import PostgresqlDatabase
from keywright.storage.tables import people

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.postgresql import PostgresqlServer

SECONDS = 5.0


async def measure(url: str, writers: int, *, alone: bool) -> str:
    """Write for a while.

    Args:
        url: the database.
        writers: how many write at once, half of them on each node.
        alone: whether each takes the write lock.

    Returns:
        What was measured, as a row of a table.
    """
    nodes = [PostgresqlDatabase(url, time.time) for _ in range(2)]
    took: list[float] = []
    end = time.monotonic() + SECONDS

    async def write(node: PostgresqlDatabase) -> None:
        while time.monotonic() < end:
            began, name = time.monotonic(), os.urandom(16).hex()
            async with node.write(alone=alone) as session:
                await session.execute(insert(people).values(id=name, email=name, created_at=1))
                await session.commit()
            took.append(time.monotonic() - began)

    await asyncio.gather(*(write(nodes[number % 2]) for number in range(writers)))
    for node in nodes:
        await node.close()
    took.sort()
    middle, late = (took[int(len(took) * share)] * 1000 for share in (0.5, 0.99))
    return (
        f"| {'one at a time' if alone else 'beside'} | {writers} | {len(took) / SECONDS:.0f}"
        f" | {middle:.1f} | {late:.1f} |"
    )


def main() -> None:
    """Measure every combination."""
    server = PostgresqlServer(fsync="on", full_page_writes="on").start()
    try:
        url = server.url(server.new_database())
        print("| how | writers | transactions/s | p50 ms | p99 ms |\n|---|---|---|---|---|")
        for alone in (True, False):
            for writers in (1, 2, 8):
                print(asyncio.run(measure(url, writers, alone=alone)), flush=True)
    finally:
        server.remove()


if __name__ == "__main__":
    main()
