"""The plot of the tables: throughput relative to PyJWT, as plain SVG for light and dark pages."""

from __future__ import annotations

from html import escape

from benchmarks.peers import PYJWT
from benchmarks.primitive import PRIMITIVE
from benchmarks.report import Runs, speedups
from benchmarks.sample import ISSUED, VERIFIED

__all__ = ["svg"]

# By contender: the class of its bars, and their colour on a light page and on a dark one.
_COLOURS = {
    "gatepass": ("a", "#1b6ac9", "#5a9bea"),
    PYJWT: ("b", "#9aa3ad", "#6b7580"),
    "joserfc": ("c", "#c9b26b", "#b39a4d"),
    "oxyjwt (Rust)": ("d", "#c97a4a", "#cf8558"),
}
_TITLE = "Throughput relative to PyJWT (1.0 = the same)"
_BAR, _GAP, _LEFT, _WIDTH, _TOP = 14, 14, 150, 720, 56


def svg(runs: Runs) -> str:
    """Return bars by job and contender, with a thin line from the minimum to the maximum of all processes."""
    jobs = [f"verify {name}" for name in VERIFIED] + [f"issue {name}" for name in ISSUED]
    groups = {job: {name: of for name, of in speedups(runs, job).items() if name != PRIMITIVE} for job in jobs}
    longest = max(spread.maximum for group in groups.values() for spread in group.values())
    scale = (_WIDTH - _LEFT - 60) / longest
    parts: list[str] = []
    y = _TOP
    for job, group in groups.items():
        parts.append(_text(_LEFT - 8, y + len(group) * _BAR / 2 + 4, job, anchor="end"))
        for name, spread in group.items():
            width = spread.median * scale
            least, most, middle = spread.minimum * scale, spread.maximum * scale, y + _BAR / 2
            parts += [
                f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR - 2}" class="{_COLOURS[name][0]}"/>',
                f'<path class="range" d="M{_LEFT + least:.1f} {middle - 1}H{_LEFT + most:.1f}"/>',
                _text(_LEFT + most + 5, y + _BAR - 4, f"{spread.median:.1f}"),
            ]
            y += _BAR
        y += _GAP
    legend = "".join(
        f'<rect x="{_LEFT + 130 * place}" y="32" width="12" height="12" class="{_COLOURS[name][0]}"/>'
        + _text(_LEFT + 130 * place + 17, 42, name)
        for place, name in enumerate(next(iter(groups.values())))
    )
    heading = _text(_LEFT, 20, f"{_TITLE}; thin line: minimum to maximum")
    described = "; ".join(
        f"{job}: " + ", ".join(f"{name} {spread.median:.1f}" for name, spread in group.items())
        for job, group in groups.items()
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" role="img" '
        f'aria-labelledby="title desc" font-family="sans-serif" font-size="12">'
        f'<title id="title">{_TITLE}</title><desc id="desc">{escape(described)}</desc>{_style()}'
        f'<rect class="card" width="{_WIDTH}" height="{y}"/>{heading}{legend}{"".join(parts)}</svg>\n'
    )


def _style() -> str:
    """Return the colours for light pages, and for dark ones where the reader prefers them."""
    light = _rules("#ffffff", "#1f2328", "#1f2328", {mark: colour for mark, colour, _ in _COLOURS.values()})
    dark = _rules("#0d1117", "#e6edf3", "#e6edf3", {mark: colour for mark, _, colour in _COLOURS.values()})
    return f"<style>{light}@media (prefers-color-scheme: dark){{{dark}}}</style>"


def _rules(card: str, text: str, line: str, bars: dict[str, str]) -> str:
    fills = "".join(f".{mark}{{fill:{colour}}}" for mark, colour in bars.items())
    return f".card{{fill:{card}}}text{{fill:{text}}}.range{{stroke:{line}}}{fills}"


def _text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
