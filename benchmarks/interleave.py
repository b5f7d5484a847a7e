"""Measure several contenders fairly: in turns, in one process, so that a busy machine slows all of them alike."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Effort", "Timing", "interleave"]

Batch = Callable[[int], None]
"""A function that does a job the given number of times."""


@dataclass(frozen=True)
class Effort:
    """The number of turns of each contender, and the length of a turn."""

    rounds: int
    seconds_a_turn: float


@dataclass(frozen=True)
class Timing:
    """Microseconds for one job: the best turn and the median turn."""

    minimum: float
    median: float


def interleave(contenders: dict[str, Batch], effort: Effort) -> dict[str, Timing]:
    """Time *contenders* turn by turn, in a new random order for each round."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    counts = {name: _calibrated(batch, effort.seconds_a_turn) for name, batch in contenders.items()}
    order = list(contenders)
    collecting = gc.isenabled()
    for _ in range(effort.rounds):
        random.shuffle(order)
        for name in order:
            gc.collect(0)
            gc.disable()
            times[name].append(_seconds(contenders[name], counts[name]) / counts[name] * 1e6)
            if collecting:
                gc.enable()
    return {name: Timing(min(turns), statistics.median(turns)) for name, turns in times.items()}


def _seconds(batch: Batch, count: int) -> float:
    start = time.perf_counter()
    batch(count)
    return time.perf_counter() - start


def _calibrated(batch: Batch, seconds: float) -> int:
    batch(1)  # the first call fills caches
    count = 1
    while (taken := _seconds(batch, count)) < seconds / 4 and count < 1_000_000:
        count *= 2
    return max(1, round(count * seconds / max(taken, 1e-9)))
