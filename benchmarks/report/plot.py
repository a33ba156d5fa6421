"""Bars as SVG, drawn by hand: readable in light and dark, and without any library."""

from __future__ import annotations

from xml.sax.saxutils import escape

from benchmarks.figures import Figure, Result
from benchmarks.report.tables import number, rates

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP, _BAR, _FOOT = 850, 350, 90, 28, 56, 18, 54
# A browser tells an image which of both its user prefers; a page may be of the other kind, so the ground is our own.
_STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 } .quiet { fill: #59636e }
  .ours { fill: #0b6bcb } .noop { fill: #8c959f } .peer { fill: #bf6a02 } .spread { stroke: #1f2328; stroke-width: 1.5 }
  .axis { stroke: #d1d9e0 } .ground { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .quiet { fill: #9198a1 } .ours { fill: #4da3ff } .noop { fill: #7d8590 }
    .peer { fill: #e3a04f } .spread { stroke: #f0f6fc } .axis { stroke: #3d444d } .ground { fill: #0d1117 }
  }"""


def plot(result: Result) -> str:
    """Draw requests per second over HTTP, medians as bars and the spread over rounds as a line.

    Args:
        result: of the part over-http.

    Returns:
        The SVG document.
    """
    shown = rates(result)
    most = max(each.spread[1] for each in shown.values())
    scale = (_WIDTH - _LEFT - _RIGHT) / most
    height = _TOP + _ROW * len(shown) + _FOOT
    summary = "; ".join(f"{each.label} {number(each.median)}" for each in shown.values())
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="t d">',
        f'<title id="t">{escape(result.title)}, requests per second</title>',
        f'<desc id="d">{escape(summary)}</desc>',
        f"<style>{_STYLE}\n</style>",
        f'<path class="ground" d="M0 0h{_WIDTH}v{height}H0z"/>',
        f'<text class="title" x="12" y="26">{escape(result.title)}: requests per second</text>',
        f'<line class="axis" x1="{_LEFT}" y1="{_TOP - 8}" x2="{_LEFT}" y2="{height - _FOOT}"/>',
    ]
    for place, (key, figure) in enumerate(shown.items()):
        lines += _bar(key, figure, _TOP + _ROW * place, scale)
    on = result.machine
    trial = "TRIAL RUN, figures are worth little. " if result.quick else ""
    rounds = len(next(iter(shown.values())).rounds)
    feet = (
        f"{trial}Median of {rounds} rounds; lines reach from the slowest to the quickest.",
        f"{on['processor']}, {on['cores']} cores; {result.measured_on}; {result.command}",
    )
    for place, foot in enumerate(feet):
        lines.append(f'<text class="quiet" x="12" y="{height - 30 + 18 * place}">{escape(foot)}</text>')
    return "\n".join([*lines, "</svg>\n"])


def _bar(key: str, figure: Figure, top: float, scale: float) -> list[str]:
    kind = key.partition("-")[0]
    kind = kind if kind in {"ours", "noop"} else "peer"
    (low, high), middle = figure.spread, top + _BAR / 2
    end, width = _LEFT + high * scale, figure.median * scale
    weight = ' font-weight="600"' if kind == "ours" else ""
    return [
        f'<text x="{_LEFT - 10}" y="{middle + 5}" text-anchor="end"{weight}>{escape(figure.label)}</text>',
        f'<rect class="{kind}" x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR}" rx="2"/>',
        f'<line class="spread" x1="{_LEFT + low * scale:.1f}" y1="{middle}" x2="{end:.1f}" y2="{middle}"/>',
        f'<text x="{end + 8:.1f}" y="{middle + 5}"{weight}>{number(figure.median)}</text>',
    ]
