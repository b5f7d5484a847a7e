"""Shared code of the stores on relational databases: families as rows, hashes to find rows by, purging in batches.

A large deletion runs in small steps, so that it holds no lock for long and may stop after any step.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from hashlib import sha256
from typing import Any, Final

from gatepass.refresh.family import Family
from gatepass.refresh.store import PurgeResult

__all__ = ["COLUMNS", "SCHEMA_VERSION", "family_of", "hashed", "purge_in_batches", "row_of"]

SCHEMA_VERSION: Final = 1

COLUMNS: Final = tuple(field.name for field in fields(Family))
"""One column for each member of a family, in the order of the dataclass."""

_AMR: Final = COLUMNS.index("amr")


def row_of(family: Family) -> dict[str, Any]:
    """Return the values of *family*'s row by column, including `purge_at`.

    `purge_at` is when a purge must read the row: never later than the end of the family or of its salt. It is the only
    time with an index. A rotation postpones these ends but not `purge_at`, so that a request writes no index; only the
    first salt after a purge advances it. A purge that finds that the family has not ended postpones it.
    """
    row = {name: getattr(family, name) for name in COLUMNS}
    row["amr"] = json.dumps(family.amr, ensure_ascii=False)
    row["purge_at"] = family.purge_at
    return row


def family_of(row: Sequence[Any]) -> Family:
    """Return the family of a row, whose values are in the order of `COLUMNS`."""
    values: list[Any] = list(row)
    values[_AMR] = tuple(json.loads(values[_AMR]))
    return Family(**dict(zip(COLUMNS, values, strict=True)))


def hashed(text: str) -> bytes:
    """Return the hash by which *text* is found: no collation folds it, and it is short enough for every index."""
    return sha256(text.encode()).digest()


def purge_in_batches(limit: int, batch: int, purge: Callable[[int], tuple[int, int]]) -> PurgeResult:
    """Call *purge* in whole batches until *limit* rows are deleted or *limit* rows were inspected: a row that stays
    costs as much as a row that is deleted.

    *purge* takes the number of rows that it may delete, inspects a *batch* of rows, and returns the numbers of rows
    inspected and deleted. If it inspected fewer rows than a batch, no rows are left.
    """
    deleted = seen = 0
    while deleted < limit and seen < limit:
        inspected, removed = purge(limit - deleted)
        deleted += removed
        seen += inspected
        if inspected < batch and deleted < limit:
            return PurgeResult(deleted, more=False)
    return PurgeResult(deleted, more=True)
