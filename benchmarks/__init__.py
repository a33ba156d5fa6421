"""How fast Keywright is, beside what a user would pick instead: `benchmarks/run`."""

import sys
from pathlib import Path

# Servers and peers of the tests serve here too.
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
