"""The plot beside the tables: how many times faster than PyJWT, as plain SVG."""

from __future__ import annotations

from html import escape

from benchmarks.peers import PYJWT
from benchmarks.primitive import PRIMITIVE
from benchmarks.report import Runs, speedups
from benchmarks.sample import ISSUED, VERIFIED

__all__ = ["svg"]

_COLOURS = {"gatepass": "#1b6ac9", PYJWT: "#9aa3ad", "joserfc": "#c9b26b", "oxyjwt (Rust)": "#c97a4a"}
_BAR, _GAP, _LEFT, _WIDTH, _TOP = 14, 14, 150, 720, 56


def svg(runs: Runs) -> str:
    """Bars by job and contender; a thin line from the least to the most that a process saw."""
    jobs = [f"verify {name}" for name in VERIFIED] + [f"issue {name}" for name in ISSUED]
    groups = {job: {name: of for name, of in speedups(runs, job).items() if name != PRIMITIVE} for job in jobs}
    longest = max(spread.most for group in groups.values() for spread in group.values())
    scale = (_WIDTH - _LEFT - 60) / longest
    parts: list[str] = []
    y = _TOP
    for job, group in groups.items():
        parts.append(_text(_LEFT - 8, y + len(group) * _BAR / 2 + 4, job, anchor="end"))
        for name, spread in group.items():
            width = spread.middle * scale
            least, most, middle = spread.least * scale, spread.most * scale, y + _BAR / 2
            parts += [
                f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR - 2}" fill="{_COLOURS[name]}"/>',
                f'<path stroke="#333" d="M{_LEFT + least:.1f} {middle - 1}H{_LEFT + most:.1f}"/>',
                _text(_LEFT + most + 5, y + _BAR - 4, f"{spread.middle:.1f}"),
            ]
            y += _BAR
        y += _GAP
    legend = "".join(
        f'<rect x="{_LEFT + 130 * place}" y="32" width="12" height="12" fill="{_COLOURS[name]}"/>'
        + _text(_LEFT + 130 * place + 17, 42, name)
        for place, name in enumerate(next(iter(groups.values())))
    )
    title = _text(_LEFT, 20, "Times faster than PyJWT with a prepared key (thin line: from the least to the most)")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" font-family="sans-serif" font-size="12">'
        f'<rect width="{_WIDTH}" height="{y}" fill="#fff"/>{title}{legend}{"".join(parts)}</svg>\n'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#222">{escape(text)}</text>'
