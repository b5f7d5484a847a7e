"""An upgrade of tables of schema version 1 to version 2, and for how long a reader and a writer wait meanwhile."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, text

from benchmarks.interleave import Timing
from benchmarks.stores.loading import LOADERS, simulated_name
from benchmarks.stores.places import PLACES

__all__ = ["READ", "STORES", "UPGRADE", "WRITE", "upgrades"]

STORES = ("PostgreSQL", "MariaDB")
UPGRADE, READ, WRITE = "upgrade", "longest read", "longest write"

_COLUMNS = ("claims", "label", "refresh_ttl")
_INDEX = "gatepass_families_login"
_READ = "SELECT subject FROM gatepass_families WHERE family_id = :name"
_WRITE = "UPDATE gatepass_families SET rotated_at = rotated_at + 1 WHERE family_id = :name"


def upgrades(kind: str, size: int, folder: Path, runs: int) -> list[dict[str, Timing]]:
    """Upgrade *size* families *runs* times. Return the time of each upgrade, and of the slowest statement meanwhile."""
    with PLACES[kind](folder) as place:
        start = time.perf_counter()
        LOADERS[kind](place, size)
        print(f"{kind}: {size:,} families in {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        measured = []
        for _ in range(runs):
            _downgrade(place.database, kind)
            measured.append(_watched(place.database, place.store.upgrade_schema))
        return measured


def _downgrade(engine: Engine, kind: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"DROP INDEX {_INDEX}{' ON gatepass_families' if kind == 'MariaDB' else ''}"))
        for column in _COLUMNS:
            connection.execute(text(f"ALTER TABLE gatepass_families DROP COLUMN {column}"))
        connection.execute(text("UPDATE gatepass_schema SET version = 1"))


def _watched(engine: Engine, upgrade: Callable[[], int]) -> dict[str, Timing]:
    """Time *upgrade* while one thread reads and another writes."""
    watches = {READ: _Watch(engine, _READ, simulated_name(5)), WRITE: _Watch(engine, _WRITE, simulated_name(7))}
    for watch in watches.values():
        watch.begin()
    start = time.perf_counter()
    upgrade()
    taken = time.perf_counter() - start
    slowest = {name: watch.end() for name, watch in watches.items()}
    return {name: Timing(seconds * 1e6, seconds * 1e6) for name, seconds in {UPGRADE: taken, **slowest}.items()}


class _Watch:
    """Repeats a statement on one family, and records the slowest."""

    def __init__(self, engine: Engine, statement: str, name: str) -> None:
        self._engine = engine
        self._statement = text(statement)
        self._name = name.encode() if engine.dialect.name == "mysql" else name
        self._slowest = 0.0
        self._first, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def begin(self) -> None:
        self._thread.start()
        self._first.wait()

    def end(self) -> float:
        self._ended.set()
        self._thread.join()
        return self._slowest

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                start = time.perf_counter()
                with self._engine.begin() as connection:
                    connection.execute(self._statement, {"name": self._name})
                if self._first.is_set():  # the first one also opens the connection
                    self._slowest = max(self._slowest, time.perf_counter() - start)
                self._first.set()
        finally:
            self._first.set()
