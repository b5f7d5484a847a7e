"""What the stores took, as tables."""

from __future__ import annotations

import platform
import sqlite3
import statistics
from dataclasses import dataclass, field
from importlib.metadata import version

from benchmarks.interleave import Timing
from benchmarks.report import Spread
from benchmarks.stores.rotation import BARE, BOTH, ROTATE, WHOLE

__all__ = ["Measured", "markdown"]

Run = dict[str, Timing]
"""By contender."""

Table = dict[str, list[Run]]
"""By store."""


@dataclass
class Measured:
    """All that was measured, and what was not."""

    tables: dict[str, Table] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    round_trips: dict[str, list[float]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def add(self, table: str, row: str, runs: list[Run]) -> None:
        self.tables.setdefault(table, {}).setdefault(row, []).extend(runs)


def markdown(measured: Measured) -> str:
    """All tables."""
    results, missing = measured.tables, measured.missing
    versions = ", ".join(f"{name} {version(name)}" for name in ("redis", "sqlalchemy", "psycopg", "pymysql"))
    runs = max(len(of) for table in results.values() for of in table.values())
    circumstances = (
        f"{platform.python_implementation()} {platform.python_version()} on {platform.machine()}; SQLite "
        f"{sqlite3.sqlite_version}, {versions}. One thread, {runs} runs; each figure is the median of what they saw, "
        "by the median turn, in brackets the least and the most."
    )
    lines = [circumstances, *(f"Not measured: {sentence}." for sentence in missing)]
    if "rotation" in results:
        lines += ["", "### Rotate a refresh token", "", *_rotations(results["rotation"], measured.settings)]
    if "growth" in results:
        lines += ["", "### Rotate one among many", "", *_growth(results["growth"])]
    if "checks" in results:
        lines += [
            "",
            "### Ask whether an access token is revoked",
            "",
            *_checks(results["checks"], measured.round_trips),
        ]
    return "\n".join(lines)


def _rotations(table: Table, settings: dict[str, str]) -> list[str]:
    lines = [
        _row("", f"{BARE}, µs", f"{ROTATE}", f"{BOTH}", WHOLE),
        _row("---", "---:", "---:", "---:", "---:"),
    ]
    for store, runs in table.items():
        cells = []
        for name in (ROTATE, BOTH, WHOLE):
            ratio = Spread(run[BARE].median / run[name].median for run in runs)
            cells.append(f"{_per_second(runs, name)} · {ratio.text(2)}")
        lines.append(_row(f"{store} ({settings[store]})", Spread(run[BARE].median for run in runs).text(1), *cells))
    return lines


def _growth(table: Table) -> list[str]:
    stores = list(table)
    sizes = list(table[stores[0]][0])
    lines = [
        _row("families", *(f"{store}, {BOTH}, µs · times the first" for store in stores)),
        _row("---:", *("---:" for _ in stores)),
    ]
    for size in sizes:
        cells = []
        for store in stores:
            taken = Spread(run[size].median for run in table[store])
            times = Spread(run[size].median / run[sizes[0]].median for run in table[store])
            cells.append(f"{taken.middle:.0f} · {times.text(2)}")
        lines.append(_row(size, *cells))
    return lines


def _checks(table: Table, trips: dict[str, list[float]]) -> list[str]:
    lines = [_row("", "best turn, µs", "median turn, µs", "round trips"), _row("---", "---:", "---:", "---:")]
    for store, runs in table.items():
        best = Spread(run[""].minimum for run in runs)
        usual = Spread(run[""].median for run in runs)
        lines.append(_row(store, best.text(2), usual.text(2), f"{statistics.median(trips[store]):g}"))
    return lines


def _per_second(runs: list[Run], name: str) -> str:
    return f"{1e6 / statistics.median(run[name].median for run in runs):,.0f}/s"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
