"""What the stores on relational databases share: families as rows, the hash that a row is found by, purging in batches.

A large deletion runs in small steps, so that it holds no lock for long and may stop anywhere.
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
    """The values of *family*'s row by column, and `purge_at`.

    `purge_at` is the one time that housekeeping is indexed by: never later than the family's end, nor than the end of
    its salt. A rotation puts these off and leaves `purge_at` alone, so that no index is written on the request path
    but by the first one with a salt after a purge; a purge that finds the family alive moves it.
    """
    row = {name: getattr(family, name) for name in COLUMNS}
    row["amr"] = json.dumps(family.amr, ensure_ascii=False)
    row["purge_at"] = family.look_at
    return row


def family_of(row: Sequence[Any]) -> Family:
    """The family of a row, whose values come in the order of `COLUMNS`."""
    values: list[Any] = list(row)
    values[_AMR] = tuple(json.loads(values[_AMR]))
    return Family(**dict(zip(COLUMNS, values, strict=True)))


def hashed(text: str) -> bytes:
    """The hash that *text* is found by: no collation folds it, and it is short enough for every index."""
    return sha256(text.encode()).digest()


def purge_in_batches(limit: int, batch: int, purge: Callable[[int], tuple[int, int]]) -> PurgeResult:
    """Call *purge* until at most *limit* rows are deleted or *limit* rows were looked at, in whole batches: a row that
    stays costs as much as one that goes.

    *purge* takes how many rows it may delete, looks at a *batch* of rows, and returns how many it looked at and how
    many it deleted. If it looked at fewer than a batch, nothing is left.
    """
    deleted = seen = 0
    while deleted < limit and seen < limit:
        inspected, removed = purge(limit - deleted)
        deleted += removed
        seen += inspected
        if inspected < batch and deleted < limit:
            return PurgeResult(deleted, more=False)
    return PurgeResult(deleted, more=True)
