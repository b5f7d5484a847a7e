"""Rotations among ten thousand to ten million simulated families, which the database itself generates.

Small and large databases exist at the same time and take turns. The rotated families are a random sample of all, so
that a database's cache does not help the large one more than it would help a service.
"""

from __future__ import annotations

import random
import secrets
import shutil
import sys
import time
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path

from benchmarks.interleave import Batch, Effort, Timing, interleave
from benchmarks.stores.loading import LOADERS, simulated_name
from benchmarks.stores.places import PLACES, Place
from gatepass.refresh import Rotation

__all__ = ["growth"]

_BYTES_A_FAMILY = 2_500
_SAMPLE = 10_000


def growth(kind: str, sizes: list[int], folder: Path, effort: Effort, runs: int) -> list[dict[str, Timing]]:
    """Return the time of `get` and `rotate` together, by the number of families."""
    needed = sum(sizes) * _BYTES_A_FAMILY
    if shutil.disk_usage(folder).free < needed:
        raise SystemExit(f"{needed / 1e9:.0f} GB must be free in {folder} for so many families; see --sizes")
    with ExitStack() as open_places:
        contenders: dict[str, Batch] = {}
        for size in sizes:
            place = open_places.enter_context(PLACES[kind](folder))
            start = time.perf_counter()
            LOADERS[kind](place, size)
            contenders[f"{size:,}"] = _rotating(place, size)
            print(f"{kind}: {size:,} families in {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        return [interleave(contenders, effort) for _ in range(runs)]


def _rotating(place: Place, size: int) -> Batch:
    drawn = random.sample(range(size), min(size, _SAMPLE))
    names = cycle([simulated_name(number) for number in drawn])
    store = place.store

    def batch(count: int) -> None:
        for _ in range(count):
            name = next(names)
            family = store.get(name)
            rotation = Rotation(
                current_hash=secrets.token_bytes(32),
                previous_hash=family.current_hash,
                salt=b"",
                rotated_at=family.created_at + 60,
                idle_expires_at=family.idle_expires_at + 60,
            )
            if not store.rotate(name, rotation):
                raise RuntimeError("the store refused a valid rotation")

    return batch
