"""The SQL store keeps the contract of both protocols on PostgreSQL, on MariaDB and on SQLite."""

import os
import secrets
from functools import partial

import pytest
from sqlalchemy import create_engine, event, func, insert, inspect, select, text
from tests.support.databases.sql_places import connect, empty_place, open_store
from tests.support.needs import reason_for
from tests.support.sessions import wait_until

from gatepass import ConfigurationError
from gatepass.stores import sql_schema as statements
from gatepass.stores.rows import row_of
from gatepass.stores.sql import SQLStore
from gatepass.stores.sql_schema import METADATA, families, revocations
from gatepass.testing import RefreshStoreContract, RevocationStoreContract
from gatepass.testing.base import make_family
from gatepass.testing.racing import in_threads

KINDS = ["postgresql", "mariadb", "sqlite"]


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def place(kind, tmp_path_factory):
    with empty_place(kind, tmp_path_factory.mktemp("sql")) as place:
        yield place


@pytest.fixture(scope="module")
def engine(kind, place):
    engine = connect(kind, place)
    SQLStore(engine).create_schema()
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine):
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM gatepass_families"))
        connection.execute(text("DELETE FROM gatepass_revocations"))
    return SQLStore(engine)


class TestSQLStore(RefreshStoreContract, RevocationStoreContract):
    @pytest.fixture
    def store(self, store):
        return store

    @pytest.fixture
    def reopen(self, kind, place):
        return partial(open_store, kind, place)

    @pytest.fixture
    def dump(self, engine):
        def values():
            with engine.connect() as connection:
                rows = connection.execute(text("SELECT * FROM gatepass_families")).all()
            return [
                bytes(one) if isinstance(one, (bytes, memoryview)) else str(one).encode() for row in rows for one in row
            ]

        return values


@pytest.mark.parametrize("ask", [lambda store: store.get("x"), lambda store: store.revoked_until(["x"], now=1)])
def test_a_missing_schema_says_what_to_call(kind, tmp_path, ask):
    with empty_place(kind, tmp_path) as place:
        engine = connect(kind, place)
        store = SQLStore(engine)
        with pytest.raises(ConfigurationError, match=r"call create_schema\(\) once"):
            ask(store)
        store.create_schema()
        assert ask(store) is None
        engine.dispose()


def test_tables_of_another_version_are_refused(kind, tmp_path):
    with empty_place(kind, tmp_path) as place:
        engine = connect(kind, place)
        SQLStore(engine).create_schema()
        with engine.begin() as connection:
            connection.execute(text("UPDATE gatepass_schema SET version = 2"))
        with pytest.raises(ConfigurationError, match="another version"):
            SQLStore(engine).get("x")
        with pytest.raises(ConfigurationError, match="another version"):
            SQLStore(engine).create_schema()
        engine.dispose()


def test_processes_may_make_the_schema_at_once(kind, tmp_path):
    with empty_place(kind, tmp_path) as place:
        engine = connect(kind, place)
        assert in_threads(6, 1, lambda _run, _number: SQLStore(engine).create_schema()) == [[None] * 6]
        names = {table: {one["name"] for one in inspect(engine).get_indexes(table)} for table in METADATA.tables}
        engine.dispose()
        assert names["gatepass_families"] >= {
            "ix_gatepass_families_purge_at", "ix_gatepass_families_subject_hash", "ix_gatepass_families_client_id_hash"
        }  # fmt: skip
        assert names["gatepass_revocations"] >= {"ix_gatepass_revocations_keep_until"}


def test_making_the_schema_again_keeps_what_is_there(store):
    one = make_family().family
    store.create(one)
    store.create_schema()

    assert store.get(one.family_id) == one


@pytest.mark.parametrize("engine", [None, "postgresql://localhost/x"])
def test_what_is_no_engine_is_refused(engine):
    with pytest.raises(ConfigurationError, match="create_engine"):
        SQLStore(engine)


def test_another_database_is_refused():
    engine = create_engine("sqlite://")
    engine.dialect.name = "oracle"
    with pytest.raises(ConfigurationError, match="PostgreSQL, MariaDB, MySQL or SQLite"):
        SQLStore(engine)


@pytest.mark.skipif(os.name != "posix", reason=reason_for("POSIX", "modes are looked at"))
@pytest.mark.parametrize("url", ["sqlite:///{}", "sqlite:///file:{}?uri=true"])
@pytest.mark.parametrize("which", ["the file", "its journal", "its directory", "a link on the way"])
def test_a_file_of_sqlite_that_others_can_change_is_refused(tmp_path, url, which):
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "shared").mkdir(mode=0o700)
    (tmp_path / "shared" / "link").symlink_to(tmp_path / "data")
    path = tmp_path / ("shared/link" if which == "a link on the way" else "data") / "sql.db"
    engine = create_engine(url.format(path))
    SQLStore(engine).create_schema()
    changed = {
        "the file": path,
        "its journal": path.with_name("sql.db-journal"),
        "its directory": path.parent,
        "a link on the way": tmp_path / "shared",
    }[which]
    if which == "its journal":
        changed.touch()
    changed.chmod(0o777)

    for ask in (lambda store: store.get("x"), lambda store: store.create(make_family().family), SQLStore.create_schema):
        with pytest.raises(ConfigurationError, match="other users can"):
            ask(SQLStore(engine))
    engine.dispose()


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
    """What SQLAlchemy was about to say to the database."""


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
    """Enough rows for a scan to be the worse way. Other tests may have emptied the tables."""
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
    used = ("ndex", "INDEX", "gatepass", "PRIMARY", "const tables")  # MariaDB read the row already, and there was none
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
        # A page that somebody's old snapshot keeps from being pruned may fill up; an index written would leave none.
        return updates >= 20 and heap_only * 2 >= updates
