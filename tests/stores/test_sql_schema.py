"""The tables and statements of the SQL store: one version, created once, and an index for each statement."""

import secrets

import pytest
from sqlalchemy import event, func, insert, inspect, select, text
from tests.support.databases.sql_databases import connect, empty_database
from tests.support.databases.sql_store import engine, kind, place, store
from tests.support.sessions import wait_until

from gatepass import ConfigurationError
from gatepass.stores import sql_schema as statements
from gatepass.stores.rows import row_of
from gatepass.stores.sql import SQLStore
from gatepass.stores.sql_schema import METADATA, families, revocations
from gatepass.testing.base import make_family
from gatepass.testing.racing import in_threads

__all__ = ["engine", "kind", "place", "store"]


def test_tables_of_another_version_are_refused(kind, tmp_path):
    with empty_database(kind, tmp_path) as place:
        engine = connect(kind, place)
        SQLStore(engine).create_schema()
        with engine.begin() as connection:
            connection.execute(text("UPDATE gatepass_schema SET version = 2"))
        with pytest.raises(ConfigurationError, match="another version"):
            SQLStore(engine).get("x")
        with pytest.raises(ConfigurationError, match="another version"):
            SQLStore(engine).create_schema()
        engine.dispose()


def test_processes_may_create_the_schema_concurrently(kind, tmp_path):
    with empty_database(kind, tmp_path) as place:
        engine = connect(kind, place)
        assert in_threads(6, 1, lambda _run, _number: SQLStore(engine).create_schema()) == [[None] * 6]
        names = {table: {one["name"] for one in inspect(engine).get_indexes(table)} for table in METADATA.tables}
        engine.dispose()
        assert names["gatepass_families"] >= {
            "ix_gatepass_families_purge_at", "ix_gatepass_families_subject_hash", "ix_gatepass_families_client_id_hash"
        }  # fmt: skip
        assert names["gatepass_revocations"] >= {"ix_gatepass_revocations_keep_until"}


def test_creating_the_schema_again_keeps_existing_rows(store):
    one = make_family().family
    store.create(one)
    store.create_schema()

    assert store.get(one.family_id) == one


PLANS = {
    "get": (statements.GET, {"name": "x"}),
    "rotate": (
        statements.ROTATE,
        {"name": "x", "old": b"", "new": b"", "new_salt": b"", "moment": 1, "idle": 1, "new_purge_at": 1},
    ),
    "due for purge": (statements.DUE_FOR_PURGE, {"before": 1, "size": 10}),
    "delete": (statements.DELETE_ENDED, {"names": ["x", "y"], "before": 1}),
    "delete salts": (statements.DELETE_SALTS, {"names": ["x", "y"], "before": 1}),
    "postpone": (statements.POSTPONE_PURGE, {"names": ["x", "y"]}),
    "revoked": (statements.REVOKED_UNTIL, {"keys": [b"x", b"y"], "now": 1}),
    "expired": (statements.EXPIRED_REVOCATIONS, {"before": 1, "size": 10}),
    "delete revocations": (statements.DELETE_REVOCATIONS, {"keys": [b"x", b"y"], "before": 1}),
    "revoke": (statements.REVOKE, {"names": ["x", "y"], "at": 1}),
    **{
        f"not revoked, by {column}": (statement, {"name": b"x", "last": "", "size": 10})
        for column, statement in statements.NOT_REVOKED.items()
    },
}


class Seen(Exception):
    """Contains what SQLAlchemy was about to send to the database."""


def as_sent(engine, statement, values):
    def see(connection, cursor, sql, parameters, *_):
        raise Seen(sql, parameters)

    event.listen(engine, "before_cursor_execute", see)
    try:
        with engine.connect() as connection, pytest.raises(Seen) as seen:
            connection.execute(statement, values)
    finally:
        event.remove(engine, "before_cursor_execute", see)
    return seen.value.args


@pytest.fixture
def filled(engine):
    """Insert enough rows for an index to be cheaper than a scan. Other tests may have emptied the tables."""
    with engine.connect() as connection:
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar() for table in (families, revocations)
        ]
    if min(counts) >= 2_000:
        return engine
    hashes = ("subject_hash", "client_id_hash")
    with engine.begin() as connection:
        rows = [row_of(make_family().family) | {name: secrets.token_bytes(32) for name in hashes} for _ in range(2_000)]
        connection.execute(insert(families), rows)
        entries = [{"key_hash": secrets.token_bytes(32), "issued_until": 1, "keep_until": 10**10} for _ in range(2_000)]
        connection.execute(insert(revocations), entries)
    return engine


@pytest.mark.parametrize("case", PLANS)
def test_every_statement_finds_its_rows_by_an_index(kind, filled, case):
    sql, parameters = as_sent(filled, *PLANS[case])
    with filled.connect() as connection:
        explain = "EXPLAIN QUERY PLAN" if kind == "sqlite" else "EXPLAIN"
        rows = connection.exec_driver_sql(f"{explain} {sql}", parameters).all()

    plan = [str(one) for row in rows for one in row]
    used = (
        "ndex",
        "INDEX",
        "gatepass",
        "PRIMARY",
        "const tables",
    )  # MariaDB looked for the row already
    assert any(sign in one for one in plan for sign in used), plan
    assert not [one for one in plan if "Seq Scan" in one or "SCAN" in one or one == "ALL"], plan


def test_a_rotation_on_postgresql_writes_no_index(kind, engine, store):
    if kind != "postgresql":
        pytest.skip("heap-only updates are PostgreSQL's")
    one = make_family()
    store.create(one.family)
    count = text(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables "
        "WHERE relname = 'gatepass_families' AND schemaname = current_schema()"
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        before = connection.execute(count).one()
        for _ in range(20):
            one, rotation = one.next()
            assert store.rotate(one.family.family_id, rotation)
        wait_until(lambda: flushed(engine, count, before))


def flushed(engine, count, before):
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        connection.commit()
        updates, heap_only = (now - then for now, then in zip(connection.execute(count).one(), before, strict=True))
        # A page that an old snapshot keeps from being pruned may fill up. With an index write, none would be heap-only.
        return updates >= 20 and heap_only * 2 >= updates
