"""Families as rows: the columns that every relational store has, and when a row may go."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

from gatepass.refresh.family import Family

__all__ = ["COLUMNS", "SCHEMA_VERSION", "ends_at", "family_of", "row_of"]

SCHEMA_VERSION: Final = 1

COLUMNS: Final = tuple(field.name for field in fields(Family))
"""One column for each member of a family, in the order of the dataclass."""

_AMR: Final = COLUMNS.index("amr")


def row_of(family: Family) -> dict[str, Any]:
    """The values of *family*'s row by column, and `purge_at`.

    `purge_at` is the one time that housekeeping is indexed by: never later than the family's end. A rotation puts the
    end off and leaves `purge_at` alone, so that no index is written on the request path; a purge that finds the
    family alive moves it.
    """
    row = {name: getattr(family, name) for name in COLUMNS}
    row["amr"] = json.dumps(family.amr, ensure_ascii=False)
    row["purge_at"] = ends_at(family)
    return row


def family_of(row: Sequence[Any]) -> Family:
    """The family of a row, whose values come in the order of `COLUMNS`."""
    values: list[Any] = list(row)
    values[_AMR] = tuple(json.loads(values[_AMR]))
    return Family(**dict(zip(COLUMNS, values, strict=True)))


def ends_at(family: Family) -> int:
    """When the family is over: expired, idled out or revoked, whichever was first."""
    ends = [family.expires_at, family.idle_expires_at]
    if family.revoked_at is not None:
        ends.append(family.revoked_at)
    return min(ends)
