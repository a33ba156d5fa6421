"""What was measured, round by round, and what follows from it. Medians and ratios are reckoned when they are read."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass
class Figure:
    """One contestant's measurements; round n of one figure stands beside round n of every other."""

    label: str
    unit: str
    rounds: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)  # of the server, for each request

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def cpu_median(self) -> float:
        return statistics.median(self.cpu_us)

    @property
    def spread(self) -> tuple[float, float]:
        return min(self.rounds), max(self.rounds)


@dataclass
class Result:
    """All figures of one part of one run."""

    part: str
    title: str
    command: str
    quick: bool
    measured_on: str
    machine: dict[str, str]
    how: str
    figures: dict[str, Figure] = field(default_factory=dict)

    def add(self, key: str, label: str, unit: str, value: float, cpu_us: float | None = None) -> None:
        """Add a round's value; three decimals are more than any of these is good for."""
        figure = self.figures.setdefault(key, Figure(label, unit))
        figure.rounds.append(round(value, 3))
        if cpu_us is not None:
            figure.cpu_us.append(round(cpu_us, 3))

    def ratio(self, key: str, other: str) -> float:
        """The median of the rounds' own ratios: a slow spell of the machine meets both."""
        pairs = zip(self.figures[key].rounds, self.figures[other].rounds, strict=True)
        return statistics.median(mine / its for mine, its in pairs)

    def save(self, folder: Path = RESULTS) -> Path:
        """Write it, one line for each figure so that differences can be read."""
        document = asdict(self)
        figures = document.pop("figures")
        lines = [f" {json.dumps(name)}: {json.dumps(value)}," for name, value in document.items()]
        inner = ",\n".join(f"  {json.dumps(key)}: {json.dumps(figure)}" for key, figure in figures.items())
        file = folder / f"{self.part}.json"
        file.write_text("{\n" + "\n".join(lines) + '\n "figures": {\n' + inner + "\n }\n}\n")
        return file


def load(part: str, folder: Path = RESULTS) -> Result:
    """Read a part's result.

    Args:
        part: its name.
        folder: where results are.

    Returns:
        The result of the last run.
    """
    document = json.loads((folder / f"{part}.json").read_text())
    figures = {key: Figure(**figure) for key, figure in document.pop("figures").items()}
    return Result(**document, figures=figures)
