"""Create the tables of `SQLStore`, and upgrade tables that an older version of gatepass created.

An upgrade only adds: it may run while processes of the older version refresh. Each step looks for what is there first,
and the version is written last. So an upgrade that was interrupted on MariaDB, whose changes of tables are not
transactions, is completed by running it again.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, insert, inspect, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateColumn, CreateIndex

from gatepass.errors import ConfigurationError
from gatepass.stores.rows import SCHEMA_VERSION, require_current, version_of
from gatepass.stores.sql_schema import LOGIN_INDEX, METADATA, families, schema

__all__ = ["check_version", "create_tables", "upgrade_tables"]

_T = TypeVar("_T")
_PLACE: Final = "the database"
_MAX_TRIES: Final = 2 * sum(1 + len(table.indexes) for table in METADATA.tables.values())
"""When a try fails, another process has created an object or the version's row, so the next one gets further. The rest
is for deadlocks.
"""
_ALREADY_ADDED: Final = {1060, 1061}
"""MariaDB's numbers for a column and an index that exist."""
_BEING_CHANGED: Final = 1684
"""MariaDB's number for a table that it does not describe, because another process changes it at this moment."""
_PAUSE: Final = 0.05
_PATIENCE: Final = 60.0
"""Seconds for which such a change is waited for."""

_LOCK: Final[dict[str, Any]] = {
    # Excludes other upgrades and writers. Readers go on.
    "postgresql": text("LOCK TABLE gatepass_families IN SHARE ROW EXCLUSIVE MODE"),
    # A write as the first statement: the driver begins no transaction before a change of a table.
    "sqlite": update(schema).values(version=schema.c.version),
}
_INVALID_INDEX: Final = text(
    "SELECT EXISTS (SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
    "WHERE datname = current_database() AND relation = indrelid AND mode = 'ShareUpdateExclusiveLock') "
    "FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
    "WHERE indrelid = 'gatepass_families'::regclass AND relname = :name AND NOT indisvalid"
)
"""Whether a process may be creating the index concurrently; no row if there is no index or a valid one."""


def create_tables(engine: Engine) -> None:
    """Create the tables and indexes, unless they exist. Raises `ConfigurationError` for those of another version."""

    def create() -> None:
        with engine.begin() as connection:
            _create(connection)

    _retried(create, lambda _: True)  # created concurrently after our check


def upgrade_tables(engine: Engine) -> int:
    """Upgrade the tables and return the version that they had."""
    with engine.connect() as connection:
        version = version_of(_versions(connection), _PLACE)
    if version == SCHEMA_VERSION:
        return version
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="READ COMMITTED")
        with engine.begin() as connection:
            _drop_invalid_index(connection)

    def upgrade() -> int:
        with engine.begin() as connection:
            return _upgrade(connection)

    return _retried(upgrade, lambda code: code in _ALREADY_ADDED)


def check_version(connection: Connection) -> None:
    """Raise `ConfigurationError` unless the tables are of this version."""
    require_current(_versions(connection), _PLACE)


def _create(connection: Connection) -> None:
    versions = _versions(connection)
    if versions:
        require_current(versions, _PLACE)
    METADATA.create_all(connection)
    for table in METADATA.sorted_tables:
        for index in table.indexes:
            index.create(connection, checkfirst=True)
    if not versions:
        _add_columns(connection)  # to a table of an older version, whose creation was interrupted
        connection.execute(insert(schema), {"id": 1, "version": SCHEMA_VERSION})


def _upgrade(connection: Connection) -> int:
    lock = _LOCK.get(connection.dialect.name)
    if lock is not None:
        connection.execute(lock)
    version = version_of(_versions(connection), _PLACE)
    if version < SCHEMA_VERSION:
        _add_index(connection)  # before the columns, for which PostgreSQL locks out readers until the commit
        _add_columns(connection)
        connection.execute(update(schema).values(version=SCHEMA_VERSION))
    return version


def _drop_invalid_index(connection: Connection) -> None:
    """Drop what a failed CREATE INDEX CONCURRENTLY left, in its own transaction: the drop locks out readers.

    Do not wait for one that is running: it waits for every transaction that began before, so it could be a deadlock.
    """
    is_being_created = connection.execute(_INVALID_INDEX, {"name": LOGIN_INDEX}).scalar()
    if is_being_created:
        raise ConfigurationError(
            f"the index {LOGIN_INDEX} is not valid, and may still be created by another process: run the upgrade again "
            "when that has ended"
        )
    if is_being_created is not None:
        connection.execute(text(f"DROP INDEX {LOGIN_INDEX}"))


def _add_index(connection: Connection) -> None:
    found = {one["name"]: one["column_names"] for one in inspect(connection).get_indexes(families.name)}
    (index,) = (one for one in families.indexes if one.name == LOGIN_INDEX)
    if LOGIN_INDEX not in found:
        connection.execute(CreateIndex(index))
    elif found[LOGIN_INDEX] != index.columns.keys():
        raise ConfigurationError(
            f"the index {LOGIN_INDEX} must be on {', '.join(index.columns.keys())}: drop it, and run the upgrade again"
        )


def _add_columns(connection: Connection) -> None:
    found = {one["name"] for one in inspect(connection).get_columns(families.name)}
    for column in families.columns:
        if column.name not in found:
            definition = CreateColumn(column).compile(dialect=connection.dialect)
            connection.execute(text(f"ALTER TABLE {families.name} ADD COLUMN {definition}"))


def _retried(change: Callable[[], _T], may_repeat: Callable[[object], bool]) -> _T:
    """Run *change* again after an error whose code *may_repeat* accepts, and while another process changes a table."""
    tries_left, until = _MAX_TRIES, monotonic() + _PATIENCE
    while True:
        try:
            return change()
        except DBAPIError as error:
            code = error.orig.args[0] if error.orig is not None and error.orig.args else None
            if code == _BEING_CHANGED and monotonic() < until:
                sleep(_PAUSE)
                continue
            tries_left -= 1
            if not (tries_left and may_repeat(code)):
                raise


def _versions(connection: Connection) -> list[int]:
    if not _retried(lambda: inspect(connection).has_table(schema.name), lambda _: False):
        return []
    return [version for (version,) in connection.execute(select(schema.c.version))]
