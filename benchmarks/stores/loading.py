"""Generate millions of simulated families inside the database: rows first, indexes afterwards."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

from sqlalchemy import text

from benchmarks.stores.places import Place

__all__ = ["LOADERS", "simulated_name"]

_BATCH = 500_000
_INDEXED = ("subject", "client_id", "purge_at")


def simulated_name(number: int) -> str:
    """Return a family id of the usual length. Ids ascend with *number*, so the primary key is written in order."""
    return f"{number:08x}-simulated-one"


def _load_sqlite(place: Place, size: int) -> None:
    with closing(sqlite3.connect(place.database, isolation_level=None)) as connection:
        for name in _INDEXED:
            connection.execute(f"DROP INDEX gatepass_families_{name}")
        connection.execute("PRAGMA synchronous = OFF")
        for start in range(0, size, _BATCH):
            connection.execute(_SQLITE, {"first": start, "end": min(size, start + _BATCH), "now": int(time.time())})
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    place.store.create_schema()
    with closing(sqlite3.connect(place.database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _load_postgresql(place: Place, size: int) -> None:
    with place.database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in ("subject_hash", "client_id_hash", "purge_at"):
            connection.execute(text(f"DROP INDEX ix_gatepass_families_{name}"))
        for start in range(0, size, _BATCH):
            end = min(size, start + _BATCH) - 1
            connection.execute(text(_POSTGRESQL), {"first": start, "last": end, "now": int(time.time())})
        place.store.create_schema()
        connection.execute(text("VACUUM ANALYZE gatepass_families"))
        connection.execute(text("CHECKPOINT"))


_SQLITE = """
WITH RECURSIVE n (i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :end)
INSERT INTO gatepass_families (
    family_id, subject, client_id, scope, audience, amr, created_at, expires_at, idle_expires_at,
    proof_hash, current_hash, previous_hash, salt, rotated_at, purge_at
) SELECT printf('%08x-simulated-one', i), 'subject-' || (i / 2), 'client-' || (i % 10), 'orders:read orders:write',
    'https://api.example.com', '[]', :now, :now + 7776000, :now + 1209600 + i % 86400,
    randomblob(32), randomblob(32), x'', x'', 0, :now + 1209600 + i % 86400
FROM n
"""
_POSTGRESQL = """
INSERT INTO gatepass_families (
    family_id, subject, client_id, scope, audience, amr, created_at, expires_at, idle_expires_at,
    proof_hash, current_hash, previous_hash, salt, rotated_at, purge_at, subject_hash, client_id_hash
) SELECT lpad(to_hex(i), 8, '0') || '-simulated-one', 'subject-' || (i / 2), 'client-' || (i % 10),
    'orders:read orders:write', 'https://api.example.com', '[]', cast(:now as bigint), cast(:now as bigint) + 7776000,
    cast(:now as bigint) + 1209600 + i % 86400, sha256(cast('proof' || i as bytea)), sha256(cast('one' || i as bytea)),
    '', '', 0, cast(:now as bigint) + 1209600 + i % 86400,
    sha256(cast('subject-' || (i / 2) as bytea)), sha256(cast('client-' || (i % 10) as bytea))
FROM generate_series(cast(:first as integer), cast(:last as integer)) AS numbers (i)
"""

LOADERS: dict[str, Callable[[Place, int], None]] = {"SQLite": _load_sqlite, "PostgreSQL": _load_postgresql}
