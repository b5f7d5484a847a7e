"""Measure in several processes, one after the other, print the tables and update the docs."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.interleave import Effort, Timing
from benchmarks.measure import measure
from benchmarks.pages import DOCS, renew
from benchmarks.plot import svg
from benchmarks.report import Runs, markdown

_FULL = Effort(rounds=100, seconds_a_turn=0.002)
_QUICK = Effort(rounds=2, seconds_a_turn=0.0002)


def main() -> None:
    if sys.argv[1:2] == ["stores"]:
        from benchmarks.stores.command import main as stores  # noqa: PLC0415 - it needs the database drivers

        stores(sys.argv[2:])
        return
    if sys.argv[1:2] == ["compare"]:
        from benchmarks.compare import main as compare  # noqa: PLC0415 - it needs every framework

        compare(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog="Also: python -m benchmarks stores --help, python -m benchmarks compare --help",
    )
    parser.add_argument("--processes", type=int, default=7, help="how many processes measure (default: 7)")
    parser.add_argument("--quick", action="store_true", help="only check that every benchmark runs; ignore the figures")
    parser.add_argument("--docs", type=Path, help="the folder whose benchmarks.md and .svg to update (default: docs)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    effort = _QUICK if options.quick else _FULL
    if options.child:
        json.dump(measure(effort), sys.stdout, default=vars)
        return
    runs: Runs = []
    for number in range(1 if options.quick else options.processes):
        print(f"process {number + 1} ...", file=sys.stderr, flush=True)
        runs.append(_run_child(quick=options.quick))
    tables = markdown(runs)
    print(tables)
    folder = options.docs or (None if options.quick else DOCS)
    if folder is not None:
        renew(folder / "benchmarks.md", "measured", tables)
        (folder / "benchmarks.svg").write_text(svg(runs))


def _run_child(*, quick: bool) -> dict[str, dict[str, Timing]]:
    command = [sys.executable, "-m", "benchmarks", "--child", *(["--quick"] if quick else [])]
    child = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603 - ourselves
    return {
        job: {name: Timing(**timing) for name, timing in contenders.items()}
        for job, contenders in json.loads(child.stdout).items()
    }


if __name__ == "__main__":
    main()
