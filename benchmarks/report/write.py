"""Which document shows what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import RESULTS, Result, load
from benchmarks.report import tables
from benchmarks.report.aims import Results
from benchmarks.report.plot import plot

ROOT = Path(__file__).parents[2]
README, FIGURES, PLOT = ROOT / "README.md", "figures.md", "over-http.svg"
BEGIN = "<!-- Written by `benchmarks/run --readme` from benchmarks/results; a test compares it. -->"
END = "<!-- End of what benchmarks/run wrote. -->"
_TABLES: dict[str, Callable[[Result], str]] = {
    "over-http": tables.over_http,
    "through-nginx": tables.plain,
    "middleware": tables.middleware,
    "workers": tables.workers,
    "latency": tables.latency,
    "memory": tables.plain,
}
PARTS = ("over-http", "through-nginx", "middleware", "workers", "latency", "memory", "in-process")


def reports(folder: Path = RESULTS) -> dict[str, str]:
    """Make every document from the results of a folder.

    Args:
        folder: with a file for every part.

    Returns:
        Texts by name: `FIGURES`, `PLOT`, and `README` for its section.
    """
    results = {part: load(part, folder) for part in PARTS}
    return {FIGURES: _figures(results), PLOT: plot(results["over-http"]), "README": readme_section(results)}


def write_reports(folder: Path, *, readme: bool) -> list[Path]:
    """Write every document, if all parts were measured.

    Args:
        folder: with the results.
        readme: whether the README's section is written too.

    Returns:
        The files that were written.
    """
    missing = [part for part in PARTS if not (folder / f"{part}.json").exists()]
    if missing:
        print(f"no tables yet: there are no results of {', '.join(missing)}")
        return []
    try:
        made = reports(folder)
    except KeyError as error:
        raise SystemExit(
            f"the results in {folder} lack {error}: they are of another version; measure all anew"
        ) from error
    written = []
    for name in (FIGURES, PLOT):
        (folder / name).write_text(made[name])
        written.append(folder / name)
    if readme:
        README.write_text(with_section(README.read_text(), made["README"]))
        written.append(README)
    return written


def with_section(text: str, section: str) -> str:
    """Put the section between its markers.

    Args:
        text: of the README.
        section: to stand there.

    Returns:
        The new text.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"README.md must hold the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{section}{END}{after}"


def section_of(text: str) -> str:
    """The section that stands between the markers."""
    return text.partition(BEGIN)[2].partition(END)[0].removeprefix("\n")


def readme_section(results: Results) -> str:
    """What the README shows; the rest is in `FIGURES`."""
    http, inside = results["over-http"], results["in-process"]
    return f"""{tables.warning(results.values())}One command measures everything beside what you would pick instead, in
turns on the same machine, and writes what follows:

    benchmarks/run

![{http.title}: requests per second](benchmarks/results/{PLOT})

{http.how} Medians of {len(http.figures["noop"].rounds)} rounds; ratios are medians of the rounds' own, so trust them
more than the rates. {tables.machine_line(http)}.

{tables.over_http(http)}

{tables.repeat(http)}

{tables.aims(results)}

In process, without HTTP: {inside.how}

{tables.in_process(inside, "verify hmac-sha256")}

{tables.in_process(inside, "verify ed25519")}

{tables.repeat(inside)}

[All figures](benchmarks/results/{FIGURES}): signing, through nginx, inside FastAPI, workers, latency, memory; and the
[results](benchmarks/results) round by round.
"""


def _figures(results: Results) -> str:
    head = "Written by `benchmarks/run` from the results files beside this one. Medians over rounds in which all took"
    head = f"# Figures\n\n{head} turns; ratios are medians of the rounds' own.\n\n"
    pieces = [f"{head}{tables.warning(results.values())}{tables.aims(results)}\n"]
    for part in PARTS:
        result = results[part]
        if part == "in-process":
            shown = "\n\n".join(tables.in_process(result, group) for group in tables.in_process_groups(result))
        else:
            shown = _TABLES[part](result)
        pieces.append(
            f"## {result.title}\n{result.how}\n\n{shown}\n\n{tables.repeat(result)}\n\n{tables.machine_line(result)}.\n"
        )
    return "\n".join(pieces)
