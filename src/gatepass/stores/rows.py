"""Families as rows: the columns that every relational store has, and when a row may go."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

from gatepass.refresh.family import Family

__all__ = ["COLUMNS", "SCHEMA_VERSION", "family_of", "row_of"]

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
