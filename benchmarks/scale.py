"""How much slower everything is with many keys: verify with warm and cold cache, create, list, delete, and memory.

    .venv/bin/python benchmarks/scale.py [--keys 1000 100000 5000000] [--rounds 30]

Three databases on one PostgreSQL (without fsync: the disk is the same for all sizes), ten keys for each account, with
people, audit events and indexes as the services would have made them. For each size a process of its own: the data
plane's verifier with a cache of the default size that is full (or has all keys there are), nonces in Valkey, and the
control plane's services called beside it, without HTTP, which is the same for all sizes. The processes take turns in
short batches, so that a slow spell of the machine meets each of them.

- *verify, warm*: keys from the cache, each time another. *verify, cold*: any key, not in the cache.
- *delete*: the transaction, and the wait until the verifiers confirm.
- *growth*: the largest size over the smallest.
- *memory*: of the verifying process: with an empty cache, and with a full one of a small and of the default size.

Results go to benchmarks/results/scale.json, and tables to the screen. With five million keys it takes about ten
minutes, 10 GB of disk for a while, and 4 GB of memory.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from measured import machine, percentile, progress, write_results
from scale_data import fill

from keywright.app import prepare
from keywright.settings import Settings, load_settings
from support.postgresql import PostgresqlServer
from support.valkey import valkey

DEFAULT_CACHE = Settings.model_fields["credential_cache_size"].default
SMALL_CACHE = 10_000
KINDS = {
    "verify, warm": ("warm", 400),
    "verify, cold": ("cold", 100),
    "changes": ("change", 15),
}
AIMS = {"verify, warm": ("p99", 1.2), "create": ("p99", 1.5), "list": ("p99", 1.5)}


class Process:
    """A worker on one database.

    Args:
        environment: its settings.
        keys: how many the database has.
        seed: of its choices.
    """

    def __init__(self, environment: dict[str, str], keys: int, seed: int) -> None:
        outside = {name: value for name, value in os.environ.items() if not name.startswith("KEYWRIGHT_")}
        path = os.pathsep.join(str(Path(__file__).parents[part] / name) for part, name in ((0, ""), (1, "tests")))
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("scale_worker.py")), str(keys), str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**outside, **environment, "PYTHONPATH": path},
        )
        assert self._read() == {"ready": True}

    def tell(self, do: str, count: int = 0) -> Any:
        self._process.stdin.write(json.dumps({"do": do, "count": count}) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a worker ended; what it said is above")
        return json.loads(line)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


class Bench:
    """Databases of all sizes on one server.

    Args:
        folder: takes key files.
        server: PostgreSQL.
        valkey_url: of Valkey.
        sizes: numbers of keys.
    """

    def __init__(self, folder: Path, server: PostgresqlServer, valkey_url: str, sizes: list[int]) -> None:
        self._folder, self._server, self._valkey_url, self._sizes = folder, server, valkey_url, sizes
        self.memory: dict[int, dict[str, float]] = {size: {} for size in sizes}
        self.microseconds: dict[int, dict[str, list[float]]] = {size: {} for size in sizes}
        # Of each round: what each size's median was.
        self.medians: dict[int, dict[str, list[float]]] = {size: {} for size in sizes}

    def fill(self) -> dict[int, float]:
        """Make the databases; seconds for each."""
        took = {}
        for size in self._sizes:
            progress(f"{size:,} keys are loaded")
            took[size] = round(asyncio.run(fill(self._server, self._name(size), size)), 1)
            self._prepare(size)
        return took

    def measure(self, rounds: int) -> None:
        """Let all sizes take turns."""
        with contextlib.ExitStack() as running, ThreadPoolExecutor(len(self._sizes)) as threads:
            workers = {size: running.enter_context(self._worker(size, DEFAULT_CACHE)) for size in self._sizes}
            for size, worker in workers.items():
                self.memory[size]["empty"] = worker.tell("memory")["mib"]
            progress("caches are filled")
            list(threads.map(lambda worker: worker.tell("fill", DEFAULT_CACHE), workers.values()))
            for size, worker in workers.items():
                self.memory[size][f"full, {DEFAULT_CACHE:,}"] = worker.tell("memory")["mib"]
            for number in range(rounds + 1):
                progress(f"round {number} of {rounds}")
                # Each size is the first as often as any other.
                order = [*self._sizes[number % len(self._sizes) :], *self._sizes[: number % len(self._sizes)]]
                for kind, (do, count) in KINDS.items():
                    for size in order:
                        self._note(size, kind, workers[size].tell(do, count), keep=number > 0)

    def measure_small(self) -> None:
        """Memory with a small cache."""
        for size in self._sizes:
            progress(f"{size:,} keys, small cache")
            with self._worker(size, SMALL_CACHE) as worker:
                worker.tell("fill", SMALL_CACHE)
                self.memory[size][f"full, {SMALL_CACHE:,}"] = worker.tell("memory")["mib"]

    def _note(self, size: int, kind: str, answer: Any, *, keep: bool) -> None:
        for name, values in (answer if isinstance(answer, dict) else {kind: answer}).items():
            if keep:  # the first round warms PostgreSQL up
                self.microseconds[size].setdefault(name, []).extend(values)
                self.medians[size].setdefault(name, []).append(statistics.median(values))

    @contextlib.contextmanager
    def _worker(self, size: int, cache: int) -> Iterator[Process]:
        environment = {**self._environment(size), "KEYWRIGHT_CREDENTIAL_CACHE_SIZE": str(cache)}
        worker = Process(environment, size, seed=size)
        try:
            yield worker
        finally:
            worker.close()

    def _name(self, size: int) -> str:
        return f"keys_{size}"

    def _environment(self, size: int) -> dict[str, str]:
        return {
            "KEYWRIGHT_DATA_DIR": str(self._folder / self._name(size)),
            "KEYWRIGHT_DATABASE_URL": self._server.url(self._name(size)),
            "KEYWRIGHT_VALKEY_URL": self._valkey_url,
        }

    def _prepare(self, size: int) -> None:
        found = self._environment(size)
        prepare(load_settings(**{name.removeprefix("KEYWRIGHT_").lower(): value for name, value in found.items()}))


def times(bench: Bench, sizes: list[int]) -> dict[str, Any]:
    """Milliseconds by what was done and by size, and how they grow from the smallest size to the largest."""
    found: dict[str, Any] = {}
    for name in bench.microseconds[sizes[0]]:
        by_size = {
            str(size): {
                "count": len(bench.microseconds[size][name]),
                "p50_ms": round(statistics.median(bench.microseconds[size][name]) / 1000, 3),
                "p99_ms": round(percentile(bench.microseconds[size][name], 99) / 1000, 3),
            }
            for size in sizes
        }
        first, last = by_size[str(sizes[0])], by_size[str(sizes[-1])]
        pairs = zip(bench.medians[sizes[0]][name], bench.medians[sizes[-1]][name], strict=True)
        found[name] = {
            "by_keys": by_size,
            # Of rounds, since both sizes of one round met the same weather.
            "growth_p50": round(statistics.median(large / small for small, large in pairs), 2),
            "growth_p99": round(last["p99_ms"] / first["p99_ms"], 2),
        }
    return found


def show(found: dict[str, Any], memory: dict[int, dict[str, float]], sizes: list[int]) -> None:
    """Print the tables."""
    heads = " | ".join(f"{size:,} keys: p50, p99" for size in sizes)
    print(f"| ms | {heads} | growth of p50, p99 |\n|---|{'---|' * (len(sizes) + 1)}")
    for name, figures in found.items():
        cells = " | ".join(f"{each['p50_ms']}, {each['p99_ms']}" for each in figures["by_keys"].values())
        print(f"| {name} | {cells} | {figures['growth_p50']}, {figures['growth_p99']} |")
    print(f"\n| verifier's memory, MiB | {' | '.join(f'{size:,} keys' for size in sizes)} |")
    print(f"|---|{'---|' * len(sizes)}")
    for kind in memory[sizes[0]]:
        print(f"| cache {kind} | {' | '.join(str(memory[size][kind]) for size in sizes)} |")
    print()
    for name, (rank, most) in AIMS.items():
        growth = found[name][f"growth_{rank}"]
        result = "held" if growth < most else "missed"
        print(f"Aim: {rank} of {name} grows by less than {most} times: {result} ({growth}).")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, nargs="+", default=[1_000, 100_000, 5_000_000], help="sizes, rising")
    parser.add_argument("--rounds", type=int, default=30, help="turns that each size gets (30)")
    chosen = parser.parse_args()
    sizes = sorted(chosen.keys)
    server = PostgresqlServer(shared_buffers="1GB", max_wal_size="8GB", synchronous_commit="on").start()
    try:
        with valkey() as nonces, tempfile.TemporaryDirectory(prefix="keywright-bench-") as folder:
            bench = Bench(Path(folder), server, nonces.url, sizes)
            loaded = bench.fill()
            bench.measure(chosen.rounds)
            bench.measure_small()
            version = server.sql("SHOW server_version")
    finally:
        server.remove()
    found = times(bench, sizes)
    progress("")
    print(f"{machine()['text']}; {chosen.rounds} rounds; loaded in {loaded} s\n")
    show(found, bench.memory, sizes)
    figures = {"keys": sizes, "rounds": chosen.rounds, "loaded_seconds": loaded, "times": found}
    write_results("scale", {**figures, "memory_mib": bench.memory}, postgresql=version)


if __name__ == "__main__":
    main()
