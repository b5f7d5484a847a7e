"""The embedded store: one SQLite file, shared by the threads and processes of one machine, durable.

The write-ahead log with `synchronous = FULL` makes every returned change survive a power cut. Concurrent writes of
threads share one wait for the disk. The methods roll back and raise SQLite's errors (disk full, locked too long, file
not writable or damaged), for which the service responds with 503.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, final

from gatepass.common.settings import file_path, seconds
from gatepass.errors import ConfigurationError
from gatepass.refresh.family import Family, Rotation
from gatepass.refresh.store import PurgeResult
from gatepass.stores.rows import (
    COLUMNS,
    FIRST_PAGE,
    SCHEMA_VERSION,
    family_of,
    hashed,
    purge_in_batches,
    require_current,
    row_of,
    version_of,
)
from gatepass.stores.sqlite_file import SQLiteFile

__all__ = ["SQLiteStore"]

_PLACE: Final = "the store's file"
_LOGIN_INDEX: Final = """CREATE INDEX IF NOT EXISTS gatepass_families_login
    ON gatepass_families (subject, created_at, family_id)"""
_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS gatepass_schema (version INTEGER NOT NULL)",
    """CREATE TABLE IF NOT EXISTS gatepass_families (
        family_id TEXT NOT NULL PRIMARY KEY,
        subject TEXT NOT NULL, client_id TEXT NOT NULL, scope TEXT NOT NULL, audience TEXT NOT NULL,
        auth_time INTEGER, acr TEXT, amr TEXT NOT NULL,
        created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, idle_expires_at INTEGER NOT NULL,
        proof_hash BLOB NOT NULL, current_hash BLOB NOT NULL, previous_hash BLOB NOT NULL, salt BLOB NOT NULL,
        rotated_at INTEGER NOT NULL, revoked_at INTEGER, purge_at INTEGER NOT NULL,
        claims TEXT, label TEXT, refresh_ttl INTEGER
    )""",
    "CREATE INDEX IF NOT EXISTS gatepass_families_subject ON gatepass_families (subject)",
    "CREATE INDEX IF NOT EXISTS gatepass_families_client_id ON gatepass_families (client_id)",
    "CREATE INDEX IF NOT EXISTS gatepass_families_purge_at ON gatepass_families (purge_at)",
    _LOGIN_INDEX,
    """CREATE TABLE IF NOT EXISTS gatepass_revocations (
        key_hash BLOB NOT NULL PRIMARY KEY, issued_until INTEGER NOT NULL, keep_until INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS gatepass_revocations_keep_until ON gatepass_revocations (keep_until)",
)
_ADDED: Final = {"claims": "TEXT", "label": "TEXT", "refresh_ttl": "INTEGER"}
"""The columns that version 2 added."""

_ROW: Final = (*COLUMNS, "purge_at")
_INSERT: Final = f"INSERT INTO gatepass_families ({', '.join(_ROW)}) VALUES ({', '.join(':' + name for name in _ROW)})"  # noqa: S608 - constant names
_SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM gatepass_families WHERE family_id = ?"  # noqa: S608 - the same
_ROTATE: Final = """UPDATE gatepass_families
    SET current_hash = ?, previous_hash = ?, salt = ?, rotated_at = ?, idle_expires_at = ?
    WHERE family_id = ? AND current_hash = ? AND revoked_at IS NULL"""
_ADVANCE_PURGE: Final = "UPDATE gatepass_families SET purge_at = ? WHERE family_id = ? AND purge_at > ?"
_REVOKE: Final = """UPDATE gatepass_families SET revoked_at = :at, purge_at = min(purge_at, :at)
    WHERE family_id = :name AND revoked_at IS NULL"""
_NOT_REVOKED: Final = {
    column: f"SELECT family_id FROM gatepass_families WHERE {column} = ? AND revoked_at IS NULL"  # noqa: S608 - the same
    for column in ("subject", "client_id")
}
_LIVE: Final = f"""SELECT {", ".join(COLUMNS)} FROM gatepass_families
    WHERE subject = ? AND (created_at, family_id) < (?, ?) AND revoked_at IS NULL
    AND expires_at > ? AND idle_expires_at > ? ORDER BY created_at DESC, family_id DESC LIMIT ?"""  # noqa: S608 - the same
_END: Final = "min(expires_at, idle_expires_at, coalesce(revoked_at, expires_at))"
_DUE_FOR_PURGE: Final = f"SELECT rowid, {_END} FROM gatepass_families WHERE purge_at < ? ORDER BY purge_at LIMIT ?"  # noqa: S608 - the same
_DELETE_SALT: Final = "UPDATE gatepass_families SET salt = x'' WHERE rowid = ? AND salt <> x'' AND rotated_at < ?"
_POSTPONE_PURGE: Final = f"""UPDATE gatepass_families SET purge_at = CASE WHEN salt = x'' THEN {_END}
    ELSE min({_END}, rotated_at + {Rotation.MAX_GRACE}) END WHERE rowid = ?"""  # noqa: S608 - the same
_PUT_REVOCATION: Final = """INSERT INTO gatepass_revocations VALUES (?, ?, ?) ON CONFLICT (key_hash) DO UPDATE
    SET issued_until = max(issued_until, excluded.issued_until), keep_until = max(keep_until, excluded.keep_until)"""
_PURGE_REVOCATIONS: Final = """DELETE FROM gatepass_revocations WHERE key_hash IN
    (SELECT key_hash FROM gatepass_revocations WHERE keep_until < ? ORDER BY keep_until LIMIT ?)"""

_BATCH: Final = 500
_GAP: Final = 0.005
"""Seconds between two of many transactions: other processes poll for the lock, and must find it free at times."""
_MAX_TIMEOUT: Final = 60.0


@final
class SQLiteStore:
    """Families and revocations in the file *path*, which `create_schema()` creates once.

    *timeout*: seconds that a writer waits for writers of other processes before SQLite gives up. Keep the file on a
    local disk: SQLite's locks do not work on network file systems. Close the store after use, or use it as a context
    manager.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, SQLiteStore(f"{folder}/sessions.db") as store:
    ...     store.create_schema()
    ...     store.get("unknown-id") is None
    True
    """

    __slots__ = ("_file",)

    contract_version: int = 2

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 5.0) -> None:
        file = file_path(path, "path")
        name = os.fspath(path).strip()
        if name in {"", ":memory:"} or name.lower().startswith("file:"):
            raise ConfigurationError("path= must be a file path, not a URI; MemoryStore() is the store without a file")
        wait = seconds(timeout, "timeout", minimum=0, maximum=_MAX_TIMEOUT)
        self._file = SQLiteFile(file.absolute(), timeout=wait, on_connect=_check_version)

    def create_schema(self) -> None:
        """Create the file and its tables, unless they exist.

        Safe at every start and for many processes at once: each waits up to *timeout* for the processes before it.
        """
        self._file.create(_create)

    def upgrade_schema(self) -> int:
        """Upgrade tables that an older version of gatepass created, in one transaction. Return their version before it.

        No family is lost. Safe to call again and from many processes at once. Writers of other processes wait up to
        their *timeout* until it ends.
        """
        return self._file.alter(_upgrade)

    def close(self) -> None:
        """Close the file. The store cannot be used afterwards."""
        self._file.close()

    def __enter__(self) -> SQLiteStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def create(self, family: Family) -> None:
        row = row_of(family)
        self._file.write(lambda connection: _changed(connection, _INSERT, row))

    def get(self, family_id: str) -> Family | None:
        rows = self._file.read(lambda connection: connection.execute(_SELECT, (family_id,)).fetchall())
        return family_of(rows[0]) if rows else None

    def rotate(self, family_id: str, rotation: Rotation) -> bool:
        purge_at = rotation.purge_at
        values = (
            rotation.current_hash, rotation.previous_hash, rotation.salt, rotation.rotated_at,
            rotation.idle_expires_at, family_id, rotation.previous_hash,
        )  # fmt: skip

        def rotate(connection: sqlite3.Connection) -> bool:
            if _changed(connection, _ROTATE, values) == 0:
                return False
            _changed(connection, _ADVANCE_PURGE, (purge_at, family_id, purge_at))
            return True

        return self._file.write(rotate)

    def revoke(self, family_id: str, *, at: int) -> bool:
        values = {"name": family_id, "at": at}
        return self._file.write(lambda connection: _changed(connection, _REVOKE, values)) > 0

    def revoke_subject(self, subject: str, *, at: int) -> int:
        return self._revoke_all("subject", subject, at)

    def revoke_client(self, client_id: str, *, at: int) -> int:
        return self._revoke_all("client_id", client_id, at)

    def live_families(self, subject: str, *, at: int, limit: int, after: tuple[int, str] | None) -> Sequence[Family]:
        values = (subject, *(after or FIRST_PAGE), at, at, limit)
        return [
            family_of(row) for row in self._file.read(lambda connection: connection.execute(_LIVE, values).fetchall())
        ]

    def purge(self, *, before: int, limit: int) -> PurgeResult:
        """Delete in batches, each in its own transaction, so that no writer waits long."""
        return purge_in_batches(
            limit, _BATCH, lambda limit: self._file.write(lambda connection: _purge(connection, before, limit))
        )

    def put_revocation(self, key: str, *, issued_until: int, keep_until: int) -> None:
        values = (hashed(key), issued_until, keep_until)
        self._file.write(lambda connection: _changed(connection, _PUT_REVOCATION, values))

    def revoked_until(self, keys: Sequence[str], *, now: int) -> int | None:
        marks = ", ".join("?" * len(keys))
        query = f"SELECT max(issued_until) FROM gatepass_revocations WHERE key_hash IN ({marks}) AND keep_until >= ?"  # noqa: S608 - question marks
        values = (*map(hashed, keys), now)
        rows: list[tuple[int | None]] = self._file.read(lambda connection: connection.execute(query, values).fetchall())
        return rows[0][0]

    def purge_revocations(self, *, before: int, limit: int) -> int:

        def purge(limit: int) -> tuple[int, int]:
            size = min(limit, _BATCH)
            count = self._file.write(lambda connection: _changed(connection, _PURGE_REVOCATIONS, (before, size)))
            return count, count

        return purge_in_batches(limit, _BATCH, purge).deleted

    def _revoke_all(self, column: str, name: str, at: int) -> int:
        """Revoke the families that exist now, in transactions so short that no writer waits long."""

        def revoke_in_batches(connection: sqlite3.Connection) -> int:
            found = connection.execute(_NOT_REVOKED[column], (name,))  # a snapshot of this moment
            revoked = 0
            while batch := [{"name": family_id, "at": at} for (family_id,) in found.fetchmany(_BATCH)]:
                revoked += self._file.write(partial(_revoke, batch))
                time.sleep(_GAP)
            return revoked

        return self._file.read(revoke_in_batches)


def _create(connection: sqlite3.Connection) -> None:
    versions = _versions(connection)
    if versions:
        require_current(versions, _PLACE)
    for statement in _SCHEMA:
        connection.execute(statement)
    if not versions:
        connection.execute("INSERT INTO gatepass_schema VALUES (?)", (SCHEMA_VERSION,))


def _upgrade(connection: sqlite3.Connection) -> int:
    version = version_of(_versions(connection), _PLACE)
    if version < SCHEMA_VERSION:
        present = {name for _, name, *_ in connection.execute("PRAGMA table_info(gatepass_families)")}
        for column, kind in _ADDED.items():
            if column not in present:
                connection.execute(f"ALTER TABLE gatepass_families ADD COLUMN {column} {kind}")
        connection.execute(_LOGIN_INDEX)
        connection.execute("UPDATE gatepass_schema SET version = ?", (SCHEMA_VERSION,))
    return version


def _check_version(connection: sqlite3.Connection) -> None:
    require_current(_versions(connection), _PLACE)


def _versions(connection: sqlite3.Connection) -> list[int]:
    tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'gatepass_schema'").fetchall()
    rows = connection.execute("SELECT version FROM gatepass_schema").fetchall() if tables else []
    return [version for (version,) in rows]


def _revoke(batch: list[dict[str, Any]], connection: sqlite3.Connection) -> int:
    return connection.executemany(_REVOKE, batch).rowcount


def _purge(connection: sqlite3.Connection, before: int, limit: int) -> tuple[int, int]:
    """Delete at most *limit* rows of one batch, postpone the others, and return the numbers inspected and deleted."""
    rows = connection.execute(_DUE_FOR_PURGE, (before, _BATCH)).fetchall()
    ended = [(rowid,) for rowid, end in rows if end < before][:limit]
    others = [(rowid,) for rowid, end in rows if end >= before]
    connection.executemany("DELETE FROM gatepass_families WHERE rowid = ?", ended)
    connection.executemany(_DELETE_SALT, [(rowid, before - Rotation.MAX_GRACE) for (rowid,) in others])
    connection.executemany(_POSTPONE_PURGE, others)  # to the family's end, or to the end of a salt still in use
    return len(rows), len(ended)


def _changed(connection: sqlite3.Connection, statement: str, values: Any) -> int:
    return connection.execute(statement, values).rowcount
