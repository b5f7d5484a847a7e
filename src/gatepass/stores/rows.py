"""Shared code of the stores on relational databases: rows, hashes, the version of the tables, purging in batches.

A large deletion runs in small steps, so that it holds no lock for long and may stop after any step.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from hashlib import sha256
from typing import Any, Final

from gatepass.errors import ConfigurationError
from gatepass.refresh.family import Family
from gatepass.refresh.store import PurgeResult

__all__ = [
    "COLUMNS", "FIRST_PAGE", "SCHEMA_VERSION", "family_of", "hashed", "purge_in_batches", "require_current", "row_of",
    "version_of",
]  # fmt: skip

SCHEMA_VERSION: Final = 2
"""Version 2 added the columns `claims`, `label` and `refresh_ttl`, and an index to list the families of a subject."""

FIRST_PAGE: Final = (2**63 - 1, "")
"""The position before every family's: a list from the start is then the same statement as any other page."""

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


def version_of(versions: Sequence[int], place: str) -> int:
    """Return the version of the tables in *place*, whose schema table contains *versions*.

    Raises `ConfigurationError` if there are no tables, or if this code is older than they are.
    """
    if not versions:
        raise ConfigurationError(f"{place} has no tables of gatepass; call create_schema() once")
    version = max(versions)
    if version > SCHEMA_VERSION:
        raise ConfigurationError("the store's tables were made by a newer version of gatepass: upgrade gatepass")
    return version


def require_current(versions: Sequence[int], place: str) -> None:
    """Raise `ConfigurationError` unless the tables in *place* are of `SCHEMA_VERSION`."""
    version = version_of(versions, place)
    if version != SCHEMA_VERSION:
        raise ConfigurationError(
            f"the store's tables are of version {version}: run upgrade_schema() of the store once, "
            "or: gatepass upgrade-store STORE"
        )


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
