"""Results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchmarks.figures import Figure, Result
from benchmarks.report.aims import AIMS, Results

# The line of each table that the others are held against.
_MEASURE = {"over-http": "noop", "through-nginx": "without"}


def number(value: float) -> str:
    """Three digits that count, and commas in thousands."""
    if value >= 1000:
        digits = len(str(int(value))) - 3
        return f"{round(value, -digits):,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    """A table; numbers are the reader's to compare, so all but the first column stand to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def repeat(result: Result) -> str:
    """The command that repeats a table."""
    return f"    {result.command}"


def warning(results: Iterable[Result]) -> str:
    """What must be said of figures of a quick run."""
    if not any(result.quick for result in results):
        return ""
    return (
        "**Figures of a trial run: tiny rounds on a machine that did other work. They show that the benchmark runs, not"
        " how fast anything is.**\n\n"
    )


def machine_line(result: Result) -> str:
    """On what a result was measured."""
    on = result.machine
    return (
        f"{on['processor']}, {on['cores']} cores, {on['memory']}, {on['system']}; Python {on['python']},"
        f" Node {on['node']}, nginx {on['nginx']}; {result.measured_on}"
    )


def _spread(figure: Figure) -> str:
    low, high = figure.spread
    return f"{number(low)} to {number(high)}"


def rates(result: Result) -> dict[str, Figure]:
    """What is shown of the part over-http: what the server alone can do, then ours, then the others."""
    found = {key: figure for key, figure in result.figures.items() if figure.unit == "requests/s"}
    kinds = ("noop", "ours")
    return dict(sorted(found.items(), key=lambda item: [not item[0].startswith(kind) for kind in kinds]))


def over_http(result: Result) -> str:
    """Requests per second over HTTP, each beside the no-op and its own processor time."""
    rows = []
    for key, figure in rates(result).items():
        ratio = f"{result.ratio(key, _MEASURE['over-http']):.2f}"
        shown = f"**{figure.label}**" if key.startswith("ours") else figure.label
        rows.append([shown, number(figure.median), _spread(figure), ratio, number(figure.cpu_median)])
    verify = result.figures["libsodium"]
    head = ["over HTTP", "requests/s, median", "slowest, quickest round", "of the no-op", "server's CPU us each"]
    return f"{table(head, rows)}\n\n{verify.label}: {number(verify.median)} us ({_spread(verify)})."


def aims(results: Results) -> str:
    """What was set out to be shown, and why what is not reached is not."""
    rows, reasons = [], []
    for aim in AIMS:
        result = results[aim.part]
        held = "yes" if aim.holds(result) else "**not yet**"
        rows.append([aim.text, aim.wanted, f"{aim.found(result):.2f}", held])
        if aim.because is not None and not aim.holds(result):
            reasons.append(f"- {aim.text}: {aim.because(result)}.")
    shown = table(["what was to be shown", "aim", "found", "reached"], rows)
    return "\n".join([shown, "\nWhy not:", *reasons]) if reasons else shown


def in_process(result: Result, group: str) -> str:
    """Microseconds of one table of the part in-process, such as `verify ed25519`."""
    rows = []
    for key, figure in result.figures.items():
        of, _, _name = key.partition("/")
        if of == group:
            ratio = f"{result.ratio(key, f'{group}/raw'):.2f}"
            rows.append([figure.label, number(figure.median), _spread(figure), ratio])
    raw = result.figures[f"{group}/raw"].label
    return table([group.replace(" ", ", "), "us, median", "quickest, slowest round", f"times {raw}"], rows)


def plain(result: Result) -> str:
    """Any part: one line for each figure."""
    measure = _MEASURE.get(result.part)
    rows = []
    for key, figure in result.figures.items():
        row = [figure.label, f"{number(figure.median)} {figure.unit}", _spread(figure)]
        if measure is not None:
            row.append(f"{result.ratio(key, measure):.2f}")
        rows.append(row)
    head = ["", "median", "lowest, highest round"]
    return table([*head, f"of {result.figures[measure].label}"] if measure else head, rows)


def middleware(result: Result) -> str:
    """Throughput with and without, pair by pair."""
    rows = []
    for key, figure in result.figures.items():
        kind = key.partition("-")[0]
        ratio = f"{result.ratio(key, f'{kind}-without'):.2f}"
        cpu = number(figure.cpu_median)
        rows.append([figure.label, number(figure.median), _spread(figure), ratio, cpu])
    head = ["", "requests/s, median", "slowest, quickest round", "of the same without", "server's CPU us each"]
    return table(head, rows)


def workers(result: Result) -> str:
    """Throughput by workers, and the servers' processor time for each request."""
    rows = []
    for key, figure in result.figures.items():
        algorithm = key.partition("/")[2]
        ratio = f"{result.ratio(key, f'one-worker/{algorithm}'):.2f}"
        rows.append([figure.label, number(figure.median), _spread(figure), ratio, number(figure.cpu_median)])
    head = ["", "requests/s, median", "slowest, quickest round", "of one worker", "servers' CPU us each"]
    return table(head, rows)


def latency(result: Result) -> str:
    """Percentiles at half of peak, one line for each contestant."""
    rows = []
    share, longest = result.figures["machine/share"], result.figures["machine/longest"]
    for who in dict.fromkeys(key.partition("/")[0] for key in result.figures if not key.startswith("machine/")):
        figures: Mapping[str, Figure] = {
            name: result.figures[f"{who}/{name}"] for name in ("peak", "rate", "p50", "p90", "p99", "p999")
        }
        label = figures["peak"].label.partition(":")[0]
        rows.append(
            [
                label,
                *(number(each.median) for each in figures.values()),
                f"{result.ratio(f'{who}/p99', f'{who}/p50'):.2f}",
            ]
        )
    head = ["", "peak, requests/s", "asked, requests/s", "p50 us", "p90 us", "p99 us", "p99.9 us", "p99 / p50"]
    said = (
        f"The machine itself takes {number(share.median)} % of a core, up to {number(longest.median / 1000)} ms at once"
    )
    return f"{table(head, rows)}\n\n{said} (medians)."


def in_process_groups(result: Result) -> list[str]:
    """The tables of the part in-process, in order."""
    return list(dict.fromkeys(key.partition("/")[0] for key in result.figures))
