"""Generate millions of simulated families inside the database: rows first, indexes afterwards."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

from redis import Redis
from sqlalchemy import text

from benchmarks.stores.places import Place

__all__ = ["LOADERS", "simulated_name"]

_BATCH = 500_000
_REDIS_BATCH = 20_000
_INDEXED = ("subject", "client_id", "purge_at")
_HASH_INDEXED = ("subject_hash", "client_id_hash", "purge_at")


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
        for name in _HASH_INDEXED:
            connection.execute(text(f"DROP INDEX ix_gatepass_families_{name}"))
        for start in range(0, size, _BATCH):
            end = min(size, start + _BATCH) - 1
            connection.execute(text(_POSTGRESQL), {"first": start, "last": end, "now": int(time.time())})
        place.store.create_schema()
        connection.execute(text("VACUUM ANALYZE gatepass_families"))
        connection.execute(text("CHECKPOINT"))


def _load_mariadb(place: Place, size: int) -> None:
    with place.database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in _HASH_INDEXED:
            connection.execute(text(f"DROP INDEX ix_gatepass_families_{name} ON gatepass_families"))
        for start in range(0, size, _BATCH):
            end = min(size, start + _BATCH) - 1
            connection.execute(text(_MARIADB.format(first=start, last=end)), {"now": int(time.time())})
        place.store.create_schema()
        connection.execute(text("ANALYZE TABLE gatepass_families"))


def _load_redis(place: Place, size: int) -> None:
    place.store.upgrade_schema()
    with Redis.from_url(place.database, socket_timeout=60) as client:
        script = client.register_script(_REDIS)
        for start in range(0, size, _REDIS_BATCH):
            script(args=[start, min(size, start + _REDIS_BATCH) - 1, int(time.time())])


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

_MARIADB = """
INSERT INTO gatepass_families (
    family_id, subject, client_id, scope, audience, amr, created_at, expires_at, idle_expires_at,
    proof_hash, current_hash, previous_hash, salt, rotated_at, purge_at, subject_hash, client_id_hash
) SELECT CONCAT(LPAD(HEX(seq), 8, '0'), '-simulated-one'), CONCAT('subject-', seq DIV 2),
    CONCAT('client-', seq % 10), 'orders:read orders:write', 'https://api.example.com', '[]', :now, :now + 7776000,
    :now + 1209600 + seq % 86400, UNHEX(SHA2(CONCAT('proof', seq), 256)), UNHEX(SHA2(CONCAT('one', seq), 256)),
    '', '', 0, :now + 1209600 + seq % 86400, UNHEX(SHA2(CONCAT('subject-', seq DIV 2), 256)),
    UNHEX(SHA2(CONCAT('client-', seq % 10), 256))
FROM seq_{first}_to_{last}
"""
# Without the clients' indexes, which no list reads.
_REDIS = """
local now = tonumber(ARGV[3])
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local name, subject = string.format('%08x-simulated-one', i), 'subject-' .. math.floor(i / 2)
  redis.call('HSET', 'gatepass:family:' .. name, 'subject', subject, 'client_id', 'client-' .. i % 10,
    'scope', 'orders:read orders:write', 'audience', 'https://api.example.com', 'amr', '[]', 'created_at', now,
    'expires_at', now + 7776000, 'idle_expires_at', now + 1209600, 'gone_at', now + 7776000,
    'proof_hash', string.rep('0', 64), 'current_hash', string.rep('1', 64), 'previous_hash', '', 'rotated_at', 0)
  redis.call('EXPIRE', 'gatepass:family:' .. name, 1209600)
  redis.call('ZADD', 'gatepass:subject:' .. subject, now + 7776000, name)
  redis.call('EXPIRE', 'gatepass:subject:' .. subject, 7776000)
  redis.call('ZADD', 'gatepass:logins:' .. subject, now, name)
  redis.call('EXPIRE', 'gatepass:logins:' .. subject, 7776000)
end
"""

LOADERS: dict[str, Callable[[Place, int], None]] = {
    "SQLite": _load_sqlite, "PostgreSQL": _load_postgresql, "MariaDB": _load_mariadb, "Redis": _load_redis,
}  # fmt: skip
