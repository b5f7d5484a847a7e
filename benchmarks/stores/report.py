"""Turn the measurements of the stores into tables."""

from __future__ import annotations

import platform
import sqlite3
import statistics
from dataclasses import dataclass, field
from importlib.metadata import version
from textwrap import fill

from benchmarks.interleave import Timing
from benchmarks.report import Spread
from benchmarks.stores.rotation import BARE, BOTH, ROTATE, WHOLE
from benchmarks.stores.sessions import SESSIONS
from benchmarks.stores.upgrading import READ, UPGRADE, WRITE

__all__ = ["Measured", "markdown"]

_LINE_WIDTH = 118
Run = dict[str, Timing]
"""By contender."""

Table = dict[str, list[Run]]
"""By store."""


@dataclass
class Measured:
    """All measurements, and the servers that were missing."""

    tables: dict[str, Table] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    round_trips: dict[str, list[float]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    families: int = 0
    """In the tables that were upgraded."""

    def add(self, table: str, row: str, runs: list[Run]) -> None:
        self.tables.setdefault(table, {}).setdefault(row, []).extend(runs)


def markdown(measured: Measured) -> dict[str, str]:
    """Return the text of each measured part."""
    found: dict[str, str] = {}
    for part, table in measured.tables.items():
        lines = _TABLES[part](table, measured)
        found[part] = "\n".join([_TITLES[part], "", _circumstances(table), "", *lines])
    if found and measured.missing:
        found[next(iter(found))] += "\n\n" + " ".join(f"Not measured: {sentence}." for sentence in measured.missing)
    return found


_TITLES = {
    "rotation": "### Rotate a refresh token",
    "growth": "### Rotate among many families",
    "sessions": "### List a user's sessions",
    "upgrade": "### Upgrade a store from version 1",
    "checks": "### Check whether an access token is revoked",
}


def _circumstances(table: Table) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("redis", "sqlalchemy", "psycopg", "pymysql"))
    return fill(
        f"{platform.python_implementation()} {platform.python_version()} on {platform.machine()}; SQLite "
        f"{sqlite3.sqlite_version}, {versions}. One thread, {max(map(len, table.values()))} runs; each figure is the "
        "median of their median turns, with the minimum and the maximum in parentheses.",
        _LINE_WIDTH,
    )


def _rotations(table: Table, measured: Measured) -> list[str]:
    lines = [
        _row("", f"{BARE}, µs", f"{ROTATE}", f"{BOTH}", WHOLE),
        _row("---", "---:", "---:", "---:", "---:"),
    ]
    for store, runs in table.items():
        cells = []
        for name in (ROTATE, BOTH, WHOLE):
            ratio = Spread(run[BARE].median / run[name].median for run in runs)
            cells.append(f"{_per_second(runs, name)} · {ratio.text(2)}")
        lines.append(
            _row(f"{store} ({measured.settings[store]})", Spread(run[BARE].median for run in runs).text(1), *cells)
        )
    lines += [
        "",
        "The same from the best turn of each run, when the disk was fast:",
        "",
        _row("", f"{BARE}, µs", ROTATE, BOTH, WHOLE),
        _row("---", "---:", "---:", "---:", "---:"),
    ]
    for store, runs in table.items():
        ratios = [Spread(run[BARE].minimum / run[name].minimum for run in runs) for name in (ROTATE, BOTH, WHOLE)]
        bare = Spread(run[BARE].minimum for run in runs)
        lines.append(_row(store, bare.text(1), *(ratio.text(2) for ratio in ratios)))
    return lines


def _growth(table: Table, _: Measured) -> list[str]:
    """Return the factors within each run, where the sizes took turns.

    Only the first row has microseconds: those of other rows are from runs on a disk that was busy to another degree,
    and would not divide into the factor.
    """
    stores = list(table)
    sizes = list(table[stores[0]][0])
    lines = [
        _row("families", *(f"{store}, {BOTH}, times the first row" for store in stores)),
        _row("---:", *("---:" for _ in stores)),
    ]
    for size in sizes:
        cells = []
        for store in stores:
            times = Spread(run[size].median / run[sizes[0]].median for run in table[store])
            first = statistics.median(run[size].median for run in table[store])
            cells.append(f"{first:.0f} µs = 1" if size == sizes[0] else times.text(2))
        lines.append(_row(size, *cells))
    return lines


def _sessions(table: Table, _: Measured) -> list[str]:
    sizes = list(next(iter(table.values()))[0])
    lines = [
        _row(
            "", f"among {sizes[0]} families, best turn, µs", *(f"among {size}, times the first" for size in sizes[1:])
        ),
        _row("---", *("---:" for _ in sizes)),
    ]
    for store, runs in table.items():
        first = Spread(run[sizes[0]].minimum for run in runs)
        others = (Spread(run[size].minimum / run[sizes[0]].minimum for run in runs) for size in sizes[1:])
        lines.append(_row(store, first.text(0), *(spread.text(2) for spread in others)))
    return [*lines, "", f"A page of {SESSIONS // 2} of a subject's {SESSIONS} sessions, by `TokenService.sessions`."]


def _upgrades(table: Table, measured: Measured) -> list[str]:
    lines = [_row("", *(f"{name}, s" for name in (UPGRADE, READ, WRITE))), _row("---", "---:", "---:", "---:")]
    for store, runs in table.items():
        cells = (Spread(run[name].median / 1e6 for run in runs).text(2) for name in (UPGRADE, READ, WRITE))
        lines.append(_row(store, *cells))
    return [
        *lines, "", f"{measured.families:,} families, of which another thread reads one and a third thread writes one.",
    ]  # fmt: skip


def _checks(table: Table, measured: Measured) -> list[str]:
    lines = [_row("", "best turn, µs", "median turn, µs", "round trips"), _row("---", "---:", "---:", "---:")]
    for store, runs in table.items():
        best = Spread(run[""].minimum for run in runs)
        usual = Spread(run[""].median for run in runs)
        lines.append(_row(store, best.text(2), usual.text(2), f"{statistics.median(measured.round_trips[store]):g}"))
    return lines


_TABLES = {
    "rotation": _rotations, "growth": _growth, "sessions": _sessions, "upgrade": _upgrades, "checks": _checks,
}  # fmt: skip


def _per_second(runs: list[Run], name: str) -> str:
    return f"{1e6 / statistics.median(run[name].median for run in runs):,.0f}/s"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
