"""Families as rows: the columns that every relational store has, and when a row may go."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, Final

from gatepass.refresh.family import Family
from gatepass.refresh.store import Purged

__all__ = ["COLUMNS", "SCHEMA_VERSION", "family_of", "purge_in_batches", "row_of"]

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


def purge_in_batches(limit: int, batch: int, purge: Callable[[int], tuple[int, int]]) -> Purged:
    """How many rows went, *limit* at most. *purge* looks at a *batch* of rows, deletes so many of them at most, and
    answers how many it saw and how many it deleted; one that sees fewer than a batch has come to the end.

    It looks at *limit* rows in all, in whole batches: what is alive costs as much as what is dead.
    """
    deleted = seen = 0
    while deleted < limit and seen < limit:
        looked, gone = purge(limit - deleted)
        deleted += gone
        seen += looked
        if looked < batch and deleted < limit:
            return Purged(deleted, more=False)
    return Purged(deleted, more=True)
