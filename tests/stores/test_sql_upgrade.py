"""Tables of version 1 are upgraded in place: by one call or several at once, after an interruption, and while used."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest
from sqlalchemy import event, inspect, select, text, update
from sqlalchemy.exc import DBAPIError
from tests.support.databases.sql_databases import connect, empty_database, open_store
from tests.support.databases.sql_store import KINDS
from tests.support.databases.version_1 import families as families_of_version_1
from tests.support.databases.version_1 import version_1_store
from tests.support.sessions import wait_until

from gatepass import ConfigurationError
from gatepass.stores.sql import SQLStore
from gatepass.stores.sql_schema import LOGIN_INDEX, families, schema
from gatepass.testing.base import make_family
from gatepass.testing.racing import in_processes, rounds

NEW = ("claims", "label", "refresh_ttl")
TEXT = {"mariadb": "MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"}
WHAT_TO_RUN = r"of version 1: run upgrade_schema\(\) of the store once, or: gatepass upgrade-store"


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@contextmanager
def version_1(kind, folder):
    """Yield the URL of a database of version 1, and an engine for it."""
    with version_1_store(f"sql-{kind}", folder) as database:
        engine = connect(kind, database.place)
        yield database.place, engine
        engine.dispose()


@pytest.fixture
def place_and_engine(kind, tmp_path):
    with version_1(kind, tmp_path) as pair:
        yield pair


@pytest.fixture
def engine(place_and_engine):
    return place_and_engine[1]


def rows(engine):
    """Return all families, without the columns of version 2."""
    names = [column for column in families.c if column.name not in NEW]
    with engine.connect() as connection:
        return connection.execute(select(*names).order_by(families.c.family_id)).all()


def version(engine):
    with engine.connect() as connection:
        return connection.execute(select(schema.c.version)).scalar_one()


def structure(engine):
    found = inspect(engine)
    columns = {
        (table, one["name"], str(one["type"]), one["nullable"])
        for table in found.get_table_names()
        for one in found.get_columns(table)
    }
    indexes = {
        (table, one["name"], tuple(one["column_names"]))
        for table in found.get_table_names()
        for one in found.get_indexes(table)
    }
    return columns, indexes


def order_of_columns(engine):
    return [one["name"] for one in inspect(engine).get_columns("gatepass_families")]


def run(engine, *statements):
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_an_upgrade_keeps_every_row_and_makes_the_tables_of_a_new_database(kind, engine, tmp_path):
    before = rows(engine)

    assert SQLStore(engine).upgrade_schema() == 1

    assert rows(engine) == before
    assert len(before) == len(families_of_version_1(f"sql-{kind}"))
    (tmp_path / "new").mkdir(mode=0o700)
    with empty_database(kind, tmp_path / "new") as place:
        new = connect(kind, place)
        SQLStore(new).create_schema()
        assert (structure(engine), order_of_columns(engine)) == (structure(new), order_of_columns(new))
        new.dispose()


def test_another_upgrade_changes_nothing(engine):
    store, one = SQLStore(engine), make_family(claims='{"tenant":"north"}', label="phone", refresh_ttl=60).family
    store.upgrade_schema()
    store.create(one)
    before = structure(engine)

    assert store.upgrade_schema() == 2

    assert structure(engine) == before
    assert store.get(one.family_id) == one


@pytest.mark.parametrize(
    "ask",
    [
        SQLStore.create_schema,
        lambda store: store.get("x"),
        lambda store: store.rotate("x", make_family().next()[1]),
        lambda store: store.create(make_family().family),
        lambda store: store.live_families("anna", at=1, limit=1, after=None),
        lambda store: store.revoked_until(["x"], now=1),
    ],
)
def test_a_store_of_version_1_says_what_to_run_and_is_not_changed(engine, ask):
    before = structure(engine)

    with pytest.raises(ConfigurationError, match=WHAT_TO_RUN):
        ask(SQLStore(engine))

    assert (version(engine), structure(engine)) == (1, before)


def test_a_store_that_was_refused_works_after_the_upgrade(engine):
    store = SQLStore(engine)
    with pytest.raises(ConfigurationError):
        store.get("x")

    SQLStore(engine).upgrade_schema()

    assert store.get("x") is None


def test_an_empty_database_is_not_upgraded(kind, tmp_path):
    with empty_database(kind, tmp_path) as place:
        engine = connect(kind, place)
        with pytest.raises(ConfigurationError, match=r"call create_schema\(\) once"):
            SQLStore(engine).upgrade_schema()
        assert inspect(engine).get_table_names() == []
        engine.dispose()


def test_tables_of_a_newer_version_are_not_changed(engine):
    with engine.begin() as connection:
        connection.execute(update(schema).values(version=3))
    before = structure(engine)

    with pytest.raises(ConfigurationError, match="made by a newer version of gatepass: upgrade gatepass"):
        SQLStore(engine).upgrade_schema()

    assert (version(engine), structure(engine)) == (3, before)


HALVES = {"the index": 1, "the index and a column": 2, "the index and all columns": 4}


def steps(kind):
    return [
        f"CREATE INDEX {LOGIN_INDEX} ON gatepass_families (subject_hash, created_at, family_id)",
        f"ALTER TABLE gatepass_families ADD COLUMN claims {TEXT.get(kind, 'TEXT')}",
        f"ALTER TABLE gatepass_families ADD COLUMN label {TEXT.get(kind, 'TEXT')}",
        "ALTER TABLE gatepass_families ADD COLUMN refresh_ttl BIGINT",
    ]


@pytest.mark.parametrize("half", HALVES)
def test_an_interrupted_upgrade_is_completed_by_the_next(kind, engine, tmp_path, half):
    run(engine, *steps(kind)[: HALVES[half]])
    before = rows(engine)

    assert SQLStore(engine).upgrade_schema() == 1

    assert (version(engine), rows(engine)) == (2, before)
    (tmp_path / "whole").mkdir(mode=0o700)
    with version_1(kind, tmp_path / "whole") as (_, whole):
        SQLStore(whole).upgrade_schema()
        assert structure(engine) == structure(whole)


def test_a_creation_of_version_1_that_was_interrupted_is_completed_with_the_new_columns(engine):
    run(engine, "DELETE FROM gatepass_schema")
    store, one = SQLStore(engine), make_family(claims='{"tenant":"north"}', label="phone", refresh_ttl=60).family

    store.create_schema()

    store.create(one)
    assert (version(engine), store.get(one.family_id)) == (2, one)


def test_an_index_of_that_name_on_other_columns_is_refused(engine):
    run(engine, f"CREATE INDEX {LOGIN_INDEX} ON gatepass_families (purge_at)")

    with pytest.raises(ConfigurationError, match="must be on subject_hash, created_at, family_id: drop it"):
        SQLStore(engine).upgrade_schema()

    assert version(engine) == 1


def oid(engine):
    with engine.connect() as connection:
        return connection.execute(
            text("SELECT indexrelid, indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"),
            {"name": LOGIN_INDEX},
        ).one()


@pytest.fixture
def postgresql(tmp_path):
    with version_1("postgresql", tmp_path) as (_, engine):
        yield engine


def create_concurrently(engine):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(steps("postgresql")[0].replace("INDEX", "INDEX CONCURRENTLY", 1)))


def test_postgresql_keeps_an_index_that_was_created_beforehand(postgresql):
    create_concurrently(postgresql)
    before = oid(postgresql)

    SQLStore(postgresql).upgrade_schema()

    assert oid(postgresql) == before


def test_postgresql_leaves_an_index_alone_that_is_being_created(postgresql):
    waits = text(
        "SELECT count(*) FROM pg_locks JOIN pg_index ON pid <> pg_backend_pid() "
        "WHERE indexrelid = to_regclass(:name) AND NOT granted AND locktype = 'virtualxid'"
    )
    with ThreadPoolExecutor(1) as threads, postgresql.connect() as writer, postgresql.connect() as watcher:
        writer.execute(text("UPDATE gatepass_families SET rotated_at = rotated_at"))
        index = threads.submit(create_concurrently, postgresql)
        wait_until(lambda: watcher.execute(waits, {"name": LOGIN_INDEX}).scalar_one())
        watcher.rollback()
        before = oid(postgresql)
        with pytest.raises(ConfigurationError, match="may still be created by another process: run the upgrade again"):
            SQLStore(postgresql).upgrade_schema()
        writer.commit()
        index.result()

    assert SQLStore(postgresql).upgrade_schema() == 1
    assert (before.indisvalid, tuple(oid(postgresql))) == (False, (before.indexrelid, True))


def test_postgresql_replaces_an_invalid_index(postgresql):
    with postgresql.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        duplicates = f"CREATE UNIQUE INDEX CONCURRENTLY {LOGIN_INDEX} ON gatepass_families (subject_hash)"
        with pytest.raises(DBAPIError):
            connection.execute(text(duplicates))
    assert not oid(postgresql).indisvalid

    assert SQLStore(postgresql).upgrade_schema() == 1

    assert oid(postgresql).indisvalid
    assert ("gatepass_families", LOGIN_INDEX, ("subject_hash", "created_at", "family_id")) in structure(postgresql)[1]


def test_postgresql_makes_the_index_before_it_locks_out_readers(postgresql):
    locks = "SELECT mode FROM pg_locks WHERE granted AND relation = 'gatepass_families'::regclass AND pid = pg_backend_pid()"
    held = []

    def see(connection, cursor, statement, *_):
        if statement.startswith("CREATE INDEX"):
            held.extend(mode for (mode,) in connection.connection.driver_connection.execute(locks))

    event.listen(postgresql, "after_cursor_execute", see)
    SQLStore(postgresql).upgrade_schema()

    assert "ShareRowExclusiveLock" in held
    assert "AccessExclusiveLock" not in held


@pytest.mark.parametrize("level", ["AUTOCOMMIT", "SERIALIZABLE"])
def test_an_engine_of_any_isolation_level_can_upgrade(kind, place_and_engine, level):
    place, engine = place_and_engine
    other = connect(kind, place, isolation_level=level)

    assert SQLStore(other).upgrade_schema() == 1

    assert version(engine) == 2
    other.dispose()


def upgrade(store, run, number):
    return store.upgrade_schema()


def test_processes_may_upgrade_concurrently(kind, tmp_path):
    for number in range(min(2, rounds())):
        folder = tmp_path / str(number)
        folder.mkdir(mode=0o700)
        with version_1(kind, folder) as (place, engine):
            before = rows(engine)
            [outcomes] = in_processes(4, 1, partial(open_store, kind, place), upgrade)

            assert 1 in outcomes
            assert set(outcomes) <= {1, 2}
            assert (version(engine), rows(engine)) == (2, before)


def test_processes_of_version_1_refresh_during_the_upgrade(kind, place_and_engine):
    place, engine = place_and_engine
    other = connect(kind, place)
    done, written, failures = threading.Event(), [], []

    def write():
        """Create and rotate a family, as the code of version 1 does."""
        names = [column.name for column in families.c if column.name not in NEW]
        template = dict(zip(names, rows(other)[0], strict=True))
        try:
            while not done.is_set() or len(written) < 2:
                name = f"family-{len(written)}"
                with other.begin() as connection:
                    connection.execute(families.insert(), template | {"family_id": name})
                with other.begin() as connection:
                    connection.execute(update(families).where(families.c.family_id == name).values(rotated_at=7))
                written.append(name)
        except BaseException as error:
            failures.append(error)
            raise

    thread = threading.Thread(target=write)
    thread.start()
    wait_until(lambda: written or failures)
    assert SQLStore(engine).upgrade_schema() == 1
    done.set()
    thread.join()
    other.dispose()

    assert failures == []
    store = SQLStore(engine)
    assert {store.get(name).rotated_at for name in written} == {7}
    assert all(getattr(store.get(name), column) is None for name in written for column in NEW)
