"""Families and revocations in PostgreSQL or MariaDB (MySQL, SQLite), through SQLAlchemy Core.

Each result depends on one statement that the database evaluates row by row; no transaction stays open between
calls. The methods raise the driver's errors, for which the service responds with 503. With two drivers, the
statements of every refresh run without SQLAlchemy (`_DriverCursors`).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeVar, final
from urllib.parse import unquote, urlsplit

from gatepass.common.settings import extra_hint
from gatepass.errors import ConfigurationError

if find_spec("sqlalchemy") is None:
    raise ImportError(f"gatepass.stores.sql needs SQLAlchemy and a driver; install it with: {extra_hint('sql')}")

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from gatepass.refresh.family import Family, Rotation
from gatepass.refresh.store import PurgeResult
from gatepass.stores import sql_schema as sql
from gatepass.stores.rows import COLUMNS, FIRST_PAGE, family_of, hashed, purge_in_batches, row_of
from gatepass.stores.sql_upgrade import check_version, create_tables, upgrade_tables
from gatepass.stores.sqlite_file import check_database

__all__ = ["SQLStore"]

_T = TypeVar("_T")
_MAX_TRIES: Final = 5
_BATCH: Final = 200
_PAGE: Final = 10_000
# Serialization failure and deadlock, by SQLSTATE; record changed and deadlock, by MariaDB's number.
_RETRYABLE: Final = {"40001", "40P01", 1020, 1213}
_VISIBLE_BEFORE_DURABLE: Final = {"mariadb", "mysql"}
"""Databases whose commits are visible to others before they are durable."""
_DRIVERS: Final = {"psycopg", "pymysql"}
"""Drivers that `_DriverCursors` supports. With others, every statement runs through SQLAlchemy."""
_FAMILY_ID: Final = COLUMNS.index("family_id")
_CURSOR: Final = "gatepass"
"""The name under which a pooled connection keeps its cursor."""


@final
class SQLStore:
    """Families and revocations in the tables that `create_schema()` creates through *engine*.

    Set timeouts on the engine, so that a lost server leads to a quick 503: `create_engine(url, pool_timeout=5,
    connect_args={"connect_timeout": 3})`, and with PyMySQL also `"read_timeout": 5`. Durability depends on the server:
    keep the defaults of `synchronous_commit` and `innodb_flush_log_at_trx_commit`. A forked process leaves the engine's
    connections to its parent and opens its own.

    With psycopg and PyMySQL, the statements of each refresh run on the driver's cursor and trigger no engine events.

    Indexes: on `gatepass_families` the primary key `family_id`, and `subject_hash`, `client_id_hash`, `purge_at`, and
    `gatepass_families_login` on `subject_hash`, `created_at`, `family_id`; on `gatepass_revocations` the primary key
    `key_hash`, and `keep_until`. Refreshes and checks of access tokens use only the primary keys.
    """

    __slots__ = (
        "_checked", "_cursors", "_engine", "_inherited", "_live", "_process", "_put", "_schema_engine",
        "_shows_before_durable",
    )  # fmt: skip

    contract_version: int = 2

    def __init__(self, engine: Engine) -> None:
        if not isinstance(engine, Engine):
            raise ConfigurationError("engine= must be an Engine, as SQLAlchemy's create_engine() returns it")
        name = engine.dialect.name
        if name not in sql.PUT_REVOCATION:
            raise ConfigurationError("engine= must be an engine for PostgreSQL, MariaDB, MySQL or SQLite")
        self._schema_engine = engine
        # One statement is a transaction. Autocommit is free in PostgreSQL, so each statement is one round trip there.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT") if name == "postgresql" else engine
        has_supported_driver = engine.dialect.driver in _DRIVERS
        self._cursors = _DriverCursors(self._engine, commits=name != "postgresql") if has_supported_driver else None
        self._put = sql.PUT_REVOCATION[name]
        self._live = sql.LIVE_FAMILIES[name]
        self._shows_before_durable = name in _VISIBLE_BEFORE_DURABLE
        self._checked = False
        self._process = os.getpid()
        self._inherited: list[Any] = []

    def create_schema(self) -> None:
        """Create the tables and indexes, unless they exist. Safe to call at every start."""
        self._drop_inherited_connections()
        create_tables(self._schema_engine)
        self._check()

    def upgrade_schema(self) -> int:
        """Upgrade tables that an older version of gatepass created. Return their version before the upgrade.

        No family is lost. Safe to call again, also after an interruption, and from many processes at once. Use an
        engine without a `read_timeout`: on a large table an index is created for minutes.
        """
        self._drop_inherited_connections()
        with self._schema_engine.connect() as connection:
            _check_files(connection)
        version = upgrade_tables(self._schema_engine)
        self._check()
        return version

    def create(self, family: Family) -> None:
        row = row_of(family)
        self._change(
            sql.CREATE, row | {"subject_hash": hashed(family.subject), "client_id_hash": hashed(family.client_id)}
        )

    def get(self, family_id: str) -> Family | None:
        values, cursors = {"name": family_id}, self._cursors
        rows = self._rows(sql.GET, values) if cursors is None else self._retry(lambda: cursors.get(values))
        return family_of(rows[0]) if rows else None

    def rotate(self, family_id: str, rotation: Rotation) -> bool:
        values = {
            "name": family_id,
            "old": rotation.previous_hash,
            "new": rotation.current_hash,
            "new_salt": rotation.salt,
            "moment": rotation.rotated_at,
            "idle": rotation.idle_expires_at,
            "new_purge_at": rotation.purge_at,
        }
        cursors = self._cursors
        if cursors is None:
            return self._change(sql.ROTATE, values) == 1
        return self._retry(lambda: cursors.rotate(values)) == 1

    def revoke(self, family_id: str, *, at: int) -> bool:
        return self._change_durably(sql.REVOKE, {"names": [family_id], "at": at}) > 0

    def revoke_subject(self, subject: str, *, at: int) -> int:
        return self._revoke_all("subject_hash", hashed(subject), at)

    def revoke_client(self, client_id: str, *, at: int) -> int:
        return self._revoke_all("client_id_hash", hashed(client_id), at)

    def live_families(self, subject: str, *, at: int, limit: int, after: tuple[int, str] | None) -> Sequence[Family]:
        last_time, last_name = after or FIRST_PAGE
        values = {
            "subject": hashed(subject), "at": at, "size": limit, "last_time": last_time, "last_name": last_name,
        }  # fmt: skip
        return [family_of(row) for row in self._rows(self._live, values)]

    def purge(self, *, before: int, limit: int) -> PurgeResult:
        """Delete in small batches, so that no lock is held for long."""

        def purge(limit: int) -> tuple[int, int]:
            rows = self._rows(sql.DUE_FOR_PURGE, {"before": before, "size": _BATCH})
            ended = sorted([name for name, end in rows if end < before][:limit])
            others = sorted(name for name, end in rows if end >= before)
            if others:
                self._change(sql.DELETE_SALTS, {"names": others, "before": before - Rotation.MAX_GRACE})
                # To the family's end, or to the end of a salt still in use.
                self._change(sql.POSTPONE_PURGE, {"names": others})
            return len(rows), self._change(sql.DELETE_ENDED, {"names": ended, "before": before}) if ended else 0

        return purge_in_batches(limit, _BATCH, purge)

    def put_revocation(self, key: str, *, issued_until: int, keep_until: int) -> None:
        values = {"key_hash": hashed(key), "issued_until": issued_until, "keep_until": keep_until}
        self._change_durably(self._put, values)

    def revoked_until(self, keys: Sequence[str], *, now: int) -> int | None:
        if not keys:
            return None
        ((latest,),) = self._rows(sql.REVOKED_UNTIL, {"keys": [hashed(key) for key in keys], "now": now})
        return None if latest is None else int(latest)

    def purge_revocations(self, *, before: int, limit: int) -> int:

        def purge(limit: int) -> tuple[int, int]:
            size = min(limit, _BATCH)
            rows = self._rows(sql.EXPIRED_REVOCATIONS, {"before": before, "size": size})
            keys = sorted(bytes(key) for (key,) in rows)
            return len(keys), self._change(sql.DELETE_REVOCATIONS, {"keys": keys, "before": before}) if keys else 0

        return purge_in_batches(limit, _BATCH, purge).deleted

    def _revoke_all(self, column: str, name: bytes, at: int) -> int:
        """Revoke page by page along the primary key, so that no row is met twice, in statements that lock few rows."""
        revoked, last, full = 0, "", True
        while full:
            rows = self._rows(sql.NOT_REVOKED[column], {"name": name, "last": last, "size": _PAGE})
            names = [family_id for (family_id,) in rows]
            # If commits are visible before they are durable, write even for no rows: the commits read above are then on
            # disk.
            for start in range(0, max(len(names), self._shows_before_durable), _BATCH):
                revoked += self._change_durably(sql.REVOKE, {"names": names[start : start + _BATCH], "at": at})
            full = len(names) == _PAGE
            last = names[-1] if names else last
        return revoked

    def _rows(self, statement: Any, values: dict[str, Any]) -> Sequence[Any]:
        def read() -> Sequence[Any]:
            with self._engine.connect() as connection:
                return connection.execute(statement, values).all()

        return self._retry(read)

    def _change(self, statement: Any, values: dict[str, Any]) -> int:
        def write() -> int:
            with self._engine.begin() as connection:
                return connection.execute(statement, values).rowcount

        return self._retry(write)

    def _change_durably(self, statement: Any, values: dict[str, Any]) -> int:
        """Run a revocation and return when it is durable, even if a concurrent call made it.

        InnoDB shows a commit before it waits for its log, and a statement that changes no row does not wait for the
        log. So the transaction inserts and deletes a row: when it is durable, so is every commit that it saw.
        """
        if not self._shows_before_durable:
            return self._change(statement, values)
        name = secrets.token_bytes(32)

        def write() -> int:
            with self._engine.begin() as connection:
                # Insert first, so that the locks of the statement are not held during the insert.
                connection.execute(self._put, {"key_hash": name, "issued_until": 0, "keep_until": 0})
                changed = connection.execute(statement, values).rowcount
                connection.execute(sql.DELETE_REVOCATION, {"key": name})
                return changed

        return self._retry(write)

    def _retry(self, work: Callable[[], _T]) -> _T:
        self._drop_inherited_connections()
        if not self._checked:
            self._check()
        for tries_left in reversed(range(_MAX_TRIES)):
            try:
                return work()
            except DBAPIError as error:
                error.hide_parameters = True  # even if the engine shows them: they are hashes and subjects
                if not (tries_left and _is_retryable(error)):
                    raise
        raise AssertionError

    def _drop_inherited_connections(self) -> None:
        """In a forked child, drop them: two processes on one connection would read each other's results."""
        process = os.getpid()  # checked each time: not every forking server runs Python's hooks
        if process != self._process:
            self._inherited.append(self._engine.pool)  # kept, because closing it might end the parent's connections
            self._engine.dispose(close=False)
            self._process = process

    def _check(self) -> None:
        with self._engine.connect() as connection:
            _check_files(connection)
            check_version(connection)
        self._checked = True


@final
class _DriverCursors:
    """The two statements of every refresh on the driver's own cursor: SQLAlchemy's layers cost as much as the disk.

    Connections come from the pool of *engine* and return to it, unless an error occurred on them. They autocommit, or
    this class commits if *commits* is true. After the server was lost, connections that were used before are dropped.
    """

    __slots__ = ("_binary_names", "_commits", "_engine", "_errors", "_last_loss")

    def __init__(self, engine: Engine, *, commits: bool) -> None:
        self._engine = engine
        self._commits = commits
        self._errors: Any = engine.dialect.loaded_dbapi.Error
        self._binary_names = engine.dialect.driver == "pymysql"
        self._last_loss = object()
        """A new object after each loss of the server. A cursor stored with an older one may have a dead connection."""

    def get(self, values: dict[str, Any]) -> Sequence[Any]:
        """Return the rows of the family that *values* name, in the order of `COLUMNS`."""
        rows: list[Any] = self._run(sql.GET_BY_CURSOR, values, lambda cursor: cursor.fetchall())
        if not self._binary_names:
            return rows
        return [(*row[:_FAMILY_ID], row[_FAMILY_ID].decode(), *row[_FAMILY_ID + 1 :]) for row in rows]

    def rotate(self, values: dict[str, Any]) -> int:
        """Rotate, and return the number of changed rows once the change is durable."""
        changed: int = self._run(sql.ROTATE_BY_CURSOR, values, lambda cursor: cursor.rowcount)
        return changed

    def _run(self, statement: str, values: dict[str, Any], read: Callable[[Any], Any]) -> Any:
        if self._binary_names:
            values = values | {"name": values["name"].encode()}
        while True:
            with self._engine.connect() as connection:
                last_loss = self._last_loss
                cursor, known = connection.connection.info.get(_CURSOR, (None, last_loss))
                if known is last_loss:
                    if self._commits and statement is not sql.ROTATE_BY_CURSOR:
                        connection.begin()  # SQLAlchemy ends it on return, however the pool is set
                    return self._execute(connection, cursor, statement, values, read)
                connection.invalidate()

    def _execute(
        self, connection: Connection, cursor: Any, statement: str, values: dict[str, Any], read: Callable[[Any], Any]
    ) -> Any:
        pooled = connection.connection
        try:
            if cursor is None:  # kept with its connection: a new cursor would lose what it caches for these statements
                cursor = pooled.cursor()
                pooled.info[_CURSOR] = (cursor, self._last_loss)
            cursor.execute(statement, values)
            if self._commits and statement is sql.ROTATE_BY_CURSOR:
                pooled.commit()
            return read(cursor)
        except self._errors as error:
            gone = self._engine.dialect.is_disconnect(error, pooled, None)
            if gone:  # other errors must not write: that could undo another thread's update
                self._last_loss = object()
            connection.invalidate(error)
            raise DBAPIError.instance(
                None, None, error, self._errors, hide_parameters=True, connection_invalidated=gone,
                dialect=self._engine.dialect,
            ) from error  # fmt: skip
        except BaseException as error:
            connection.invalidate(error)  # the connection's state is unknown
            raise


def _check_files(connection: Connection) -> None:
    """Apply the rule of `SQLiteStore` to the database file, if the database is SQLite.

    SQLite reports which file it has opened, however the engine names it. The links on the path are only in the
    engine's URL.
    """
    if connection.dialect.name != "sqlite":
        return
    files = [file for _, _, file in connection.exec_driver_sql("PRAGMA database_list") if file]  # no file: in memory
    named = connection.engine.url.database
    if files and named and named != ":memory:":
        files.append(unquote(urlsplit(named).path) if named.startswith("file:") else named)
    for file in files:
        check_database(Path(file))


def _is_retryable(error: DBAPIError) -> bool:
    """Return whether the database reports that it changed nothing because of a conflict: a retry is then safe."""
    cause = error.orig
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return code in _RETRYABLE or (cause is not None and bool(cause.args) and cause.args[0] in _RETRYABLE)
