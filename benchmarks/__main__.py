"""Entry of benchmarks/run, which has made everything ready; see there."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.effort import Effort
from benchmarks.figures import RESULTS
from benchmarks.report import write_reports

PARTS = ("in-process", "over-http", "through-nginx", "middleware", "workers", "latency", "memory")


def main() -> None:
    """Measure what was asked for, then write tables, plot and README anew."""
    parser = argparse.ArgumentParser(
        prog="benchmarks/run",
        description="Measures Keywright beside what a user would pick instead; results go to benchmarks/results.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny rounds: shows that all works, figures are worth little"
    )
    parser.add_argument("--only", metavar="PART", action="append", choices=PARTS, help=f"one of {', '.join(PARTS)}")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for results (benchmarks/results)")
    parser.add_argument(
        "--readme",
        action="store_true",
        help="measure nothing: write tables, plot and README from the results there are",
    )
    asked = parser.parse_args()
    if not asked.readme:
        asked.results.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="keywright-bench-") as folder:
            for part in asked.only or PARTS:
                module = importlib.import_module(f"benchmarks.parts.{part.replace('-', '_')}")
                file = module.measure(Effort(asked.quick, Path(folder))).save(asked.results)
                print(f"wrote {os.path.relpath(file)}", file=sys.stderr)
        print(f"measured in {(time.monotonic() - began) / 60:.1f} minutes", file=sys.stderr)
    for written in write_reports(asked.results, readme=asked.results == RESULTS):
        print(f"wrote {os.path.relpath(written)}", file=sys.stderr)


if __name__ == "__main__":
    main()
