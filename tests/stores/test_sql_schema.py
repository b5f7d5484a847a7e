"""The tables and statements of the SQL store: one version, created once, and an index for each statement."""

import re
import secrets

import pytest
from sqlalchemy import event, func, insert, inspect, select, text
from tests.support.databases.sql_databases import connect, empty_database
from tests.support.databases.sql_store import engine, kind, place, store
from tests.support.sessions import wait_until

from gatepass import ConfigurationError
from gatepass.stores import sql_schema as statements
from gatepass.stores.rows import FIRST_PAGE, row_of
from gatepass.stores.sql import SQLStore
from gatepass.stores.sql_schema import METADATA, families, revocations
from gatepass.testing.base import make_family
from gatepass.testing.racing import in_threads

__all__ = ["engine", "kind", "place", "store"]


def test_tables_of_a_newer_version_are_refused(kind, tmp_path):
    with empty_database(kind, tmp_path) as place:
        engine = connect(kind, place)
        SQLStore(engine).create_schema()
        with engine.begin() as connection:
            connection.execute(text("UPDATE gatepass_schema SET version = 3"))
        with pytest.raises(ConfigurationError, match="by a newer version of gatepass: upgrade gatepass"):
            SQLStore(engine).get("x")
        with pytest.raises(ConfigurationError, match="by a newer version of gatepass: upgrade gatepass"):
            SQLStore(engine).create_schema()
        engine.dispose()


def test_processes_may_create_the_schema_concurrently(kind, tmp_path):
    with empty_database(kind, tmp_path) as place:
        engine = connect(kind, place)
        assert in_threads(6, 1, lambda _run, _number: SQLStore(engine).create_schema()) == [[None] * 6]
        names = {table: {one["name"] for one in inspect(engine).get_indexes(table)} for table in METADATA.tables}
        engine.dispose()
        assert names["gatepass_families"] >= {
            "ix_gatepass_families_purge_at", "ix_gatepass_families_subject_hash", "ix_gatepass_families_client_id_hash",
            "gatepass_families_login",
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


DIALECTS = {"mariadb": "mysql"}
"""The names of SQLAlchemy's dialects, where they are not the names of the databases."""


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


PAGES = {"first page": FIRST_PAGE, "next page": (1_800_000_500, "family-500")}
# One range of the index, in its order; of MariaDB the key, how much of it the range uses, and no word of a sort.
ONE_RANGE = {
    "postgresql": (
        "Index Scan Backward using gatepass_families_login",
        r"Index Cond: \(\(subject_hash = .* AND \(ROW\(created_at, \(family_id\)::text\) < ROW\(",
    ),
    "mariadb": (r"'range', .* 'gatepass_families_login', '140', None, '\d+', 'Using where'\)",),
    "sqlite": (r"USING INDEX gatepass_families_login \(subject_hash=\? AND \(created_at,family_id\)<\(\?,\?\)\)",),
}


@pytest.fixture(scope="module")
def many_logins(kind, tmp_path_factory):
    """Return an engine for a database with many logins of one user among others, as its statistics know."""
    one, client = row_of(make_family().family), {"client_id_hash": secrets.token_bytes(32)}
    with empty_database(kind, tmp_path_factory.mktemp("many")) as place:
        engine = connect(kind, place)
        SQLStore(engine).create_schema()
        with engine.begin() as connection:
            rows = [
                one | client | {
                    "family_id": f"family-{number}", "created_at": 1_800_000_000 + number // 2,
                    "subject_hash": b"many" if number % 2 else secrets.token_bytes(32),
                }
                for number in range(4_000)
            ]  # fmt: skip
            connection.execute(insert(families), rows)
        analyze = "ANALYZE TABLE gatepass_families" if kind == "mariadb" else "ANALYZE gatepass_families"
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(analyze).close()
        yield engine
        engine.dispose()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_families_is_one_range_of_an_index_in_its_order(kind, many_logins, page):
    last_time, last_name = PAGES[page]
    values = {"subject": b"many", "at": 1, "size": 20, "last_time": last_time, "last_name": last_name}
    sql, parameters = as_sent(many_logins, statements.LIVE_FAMILIES[DIALECTS.get(kind, kind)], values)
    with many_logins.connect() as connection:
        explain = "EXPLAIN QUERY PLAN" if kind == "sqlite" else "EXPLAIN"
        plan = str(connection.exec_driver_sql(f"{explain} {sql}", parameters).all())

    assert [sign for sign in ONE_RANGE[kind] if not re.search(sign, plan)] == [], plan
    assert not re.search("sort|TEMP B-TREE", plan, re.IGNORECASE), plan


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
