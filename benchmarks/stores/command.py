"""The command `python -m benchmarks stores`: measure the stores, print the tables and update the docs."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.interleave import Effort
from benchmarks.pages import DOCS, renew
from benchmarks.stores.checks import checks
from benchmarks.stores.growth import growth
from benchmarks.stores.loading import LOADERS
from benchmarks.stores.places import PLACES, NotRunning
from benchmarks.stores.report import Measured, markdown
from benchmarks.stores.rotation import rotations
from benchmarks.stores.sessions import sessions
from benchmarks.stores.upgrading import STORES, upgrades

__all__ = ["main"]

_TURNS = 40
_MAX_LISTED = 1_000_000
"""Families in the largest database of the list of sessions, which Redis holds in memory, and of the upgrade."""


def main(arguments: Sequence[str]) -> None:
    """Run the measurements that *arguments* select."""
    options = _options(arguments)
    effort = Effort(rounds=3 if options.quick else _TURNS, seconds_a_turn=options.seconds / _TURNS)
    measured = Measured()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for part in options.parts:
            _PARTS[part](measured, Path(folder), effort, options)
    tables = markdown(measured)
    print(*tables.values(), sep="\n\n")
    if options.docs or not options.quick:
        for part, text in tables.items():
            renew((options.docs or DOCS) / "benchmarks.md", f"stores {part}", text)


def _measure_rotation(measured: Measured, folder: Path, effort: Effort, options: argparse.Namespace) -> None:
    for store, place in PLACES.items():
        try:
            with place(folder) as open_place:
                measured.settings[store] = open_place.durable
                measured.add("rotation", store, [rotations(open_place, effort) for _ in range(options.runs)])
        except NotRunning as reason:
            measured.missing.append(str(reason))
        print(f"{store}: done", file=sys.stderr, flush=True)


def _measure_growth(measured: Measured, folder: Path, effort: Effort, options: argparse.Namespace) -> None:
    # Long turns, so that each one includes work that the database postpones, such as a checkpoint.
    long = Effort(rounds=max(2, effort.rounds // 5), seconds_a_turn=effort.seconds_a_turn * 5)
    for store in ("SQLite", "PostgreSQL"):
        try:
            measured.add("growth", store, growth(store, options.sizes, folder, long, options.runs))
        except NotRunning as reason:
            measured.missing.append(f"{reason}, for growth")


def _measure_sessions(measured: Measured, folder: Path, effort: Effort, options: argparse.Namespace) -> None:
    sizes = [size for size in options.sizes if size <= _MAX_LISTED]
    for store in LOADERS:
        try:
            measured.add("sessions", store, sessions(store, sizes, folder, effort, options.runs))
        except NotRunning as reason:
            measured.missing.append(f"{reason}, for sessions")


def _measure_checks(measured: Measured, folder: Path, effort: Effort, options: argparse.Namespace) -> None:
    short = Effort(rounds=effort.rounds * 3, seconds_a_turn=effort.seconds_a_turn / 10)
    for _ in range(options.runs):
        for store, (timing, round_trips) in checks(folder, short).items():
            measured.add("checks", store, [{"": timing}])
            measured.round_trips.setdefault(store, []).append(round_trips)


def _measure_upgrade(measured: Measured, folder: Path, effort: Effort, options: argparse.Namespace) -> None:  # noqa: ARG001 - the signature of each part
    measured.families = max(size for size in options.sizes if size <= _MAX_LISTED)
    for store in STORES:
        try:
            measured.add("upgrade", store, upgrades(store, measured.families, folder, options.runs))
        except NotRunning as reason:
            measured.missing.append(f"{reason}, for the upgrade")


_PARTS = {
    "rotation": _measure_rotation, "growth": _measure_growth, "sessions": _measure_sessions,
    "upgrade": _measure_upgrade, "checks": _measure_checks,
}  # fmt: skip


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks stores", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only check that every benchmark runs; ignore the figures")
    parser.add_argument("--runs", type=int, help="how often to repeat each measurement (default: 5)")
    parser.add_argument("--seconds", type=float, help="seconds for each contender in a run (default: 3)")
    parser.add_argument("--sizes", type=_sizes, help="numbers of families (default: 10000,1000000,10000000)")
    parser.add_argument(
        "--parts", type=_parts, default=tuple(_PARTS), help=f"what to measure (default: {','.join(_PARTS)})"
    )
    parser.add_argument("--folder", type=Path, help="where SQLite and Redis write: a real disk (default: the system's)")
    parser.add_argument("--docs", type=Path, help="the folder whose benchmarks.md to update (default: docs)")
    options = parser.parse_args(arguments)
    quick: bool = options.quick
    options.runs = options.runs or (1 if quick else 5)
    options.seconds = options.seconds or (0.3 if quick else 3.0)
    options.sizes = options.sizes or ([1_000, 10_000] if quick else [10_000, 1_000_000, 10_000_000])
    return options


def _sizes(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _parts(text: str) -> tuple[str, ...]:
    parts = tuple(text.split(","))
    if not set(parts) <= set(_PARTS):
        raise argparse.ArgumentTypeError(f"choose from {', '.join(_PARTS)}")
    return parts
