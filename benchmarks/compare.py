"""`python -m benchmarks compare OLD_CHECKOUT`: time the same jobs in two checkouts, and print the ratios new/old.

Two processes, one for the sources and benchmarks of each checkout, take short turns: old, new, new, old. Each pair of
turns gives a ratio of processor times, so that a busy machine slows both. A row shows the median of several pairs of
processes, the minimum and the maximum; the figure of a pair is the median of its turns. Both processes run this file.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from timeit import Timer
from typing import Annotated, Any

from fastapi import Depends, FastAPI

import gatepass
from benchmarks import frameworks
from benchmarks.interleave import Batch
from benchmarks.peers import with_gatepass
from benchmarks.sample import AGAIN, VERIFIED, KeyMaterial, fresh_materials
from gatepass_fastapi import AccessTokenBearer


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks compare", description=__doc__.partition("\n")[0])
    parser.add_argument("old", type=Path, metavar="OLD_CHECKOUT", help="the folder of the other checkout")
    parser.add_argument("--processes", type=int, default=5, help="how many pairs of processes measure (default: 5)")
    parser.add_argument("--rows", nargs="+", default=[""], help="only rows that contain one of these texts")
    parser.add_argument("--quick", action="store_true", help="only check that every benchmark runs; ignore the figures")
    options = parser.parse_args(arguments)
    processes, turns, seconds = (1, 2, 0.0002) if options.quick else (options.processes, 60, 0.003)
    if hasattr(os, "sched_setaffinity"):  # both processes on one core: cores differ in speed
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    ratios: dict[str, list[float]] = {row: [] for row in _jobs({}) if any(text in row for text in options.rows)}
    for number in range(processes):
        print(f"processes {number + 1} ...", file=sys.stderr, flush=True)
        with _started(options.old, seconds) as old, _started(Path(__file__).parents[1], seconds) as new:
            for row, found in ratios.items():
                orders = [(new, old) if turn % 2 else (old, new) for turn in range(turns)]
                pairs = [{process: _answer(process, row) for process in order} for order in orders]
                found.append(statistics.median(pair[new] / pair[old] for pair in pairs))
    for row, found in ratios.items():
        print(f"{row:13} {statistics.median(found):6.3f}  ({min(found):.3f} to {max(found):.3f})")


def _started(checkout: Path, seconds: float) -> subprocess.Popen[str]:
    paths = os.pathsep.join(str(checkout.resolve() / folder) for folder in ("src", "adapters", ""))
    command = [sys.executable, "-P", __file__, str(seconds)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": paths}, **pipes)  # noqa: S603 - ourselves
    if not Path(_answer(process, "")).is_relative_to(checkout.resolve()):
        raise SystemExit(f"{checkout} is not a checkout of gatepass")
    return process


def _answer(process: subprocess.Popen[str], row: str) -> Any:
    print(row, file=process.stdin, flush=True)
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise SystemExit("a measuring process has ended; its error is above")
    return json.loads(line)


def _serve(seconds: float) -> None:
    """For each line of standard input, print the seconds of one job of that row; for an empty line, the module path."""
    jobs, ready = _jobs(fresh_materials()), dict[str, tuple[Batch, int]]()
    for row in map(str.strip, sys.stdin):
        if row and row not in ready:
            batch, count = jobs[row](), 1
            while min(_processor_seconds(batch, count) for _ in range(3)) * count < seconds / 2:  # the first is slow
                count *= 2
            ready[row] = batch, count
        print(json.dumps(_processor_seconds(*ready[row]) if row else gatepass.__file__), flush=True)


def _processor_seconds(batch: Batch, count: int) -> float:
    return Timer(partial(batch, count), timer=time.process_time).timeit(1) / count


def _jobs(materials: dict[str, KeyMaterial]) -> dict[str, Callable[[], Batch]]:
    jobs: dict[str, Callable[[], Batch]] = {}
    for name in VERIFIED:
        jobs[f"verify {name}"] = lambda name=name: _verifying(materials[name])
        jobs[f"issue {name}"] = lambda name=name: Timer(with_gatepass.issuing(materials[name])).timeit
    for name in AGAIN:
        jobs[f"again {name}"] = lambda name=name: _verifying(materials[name], cache_ttl=300)
    for name in ("Flask", "Django", "Starlette"):
        jobs[name] = lambda name=name: frameworks.requests(name, materials["HS256"])[frameworks.OURS]
    return {**jobs, "FastAPI": lambda: _fastapi(materials["HS256"])}


def _verifying(material: KeyMaterial, **settings: Any) -> Batch:
    verify = with_gatepass.verifier(material, **settings).verify
    return Timer(partial(verify, with_gatepass.sample_token(material))).timeit


def _fastapi(material: KeyMaterial) -> Batch:
    app, bearer = FastAPI(), AccessTokenBearer(gatepass.ResourceServer(with_gatepass.verifier(material)))

    @app.get("/orders")
    async def orders(token: Annotated[gatepass.AccessToken, Depends(bearer)]) -> str:
        return token.subject

    return frameworks._asgi(app, f"Bearer {with_gatepass.sample_token(material)}")  # noqa: SLF001 - older checkouts have it


if __name__ == "__main__":
    _serve(float(sys.argv[1]))
