"""The SQLite store fulfils the contracts of both protocols; its statements, its schema, and a closed store."""

import sqlite3
from contextlib import closing
from functools import partial

import pytest
from tests.support.databases.sqlite_store import PATIENCE, path, store

from gatepass import ConfigurationError
from gatepass.refresh import Rotation
from gatepass.stores import sqlite
from gatepass.stores.rows import FIRST_PAGE
from gatepass.stores.sqlite import SQLiteStore
from gatepass.testing import RefreshStoreContract, RevocationStoreContract
from gatepass.testing.base import make_family, seconds_from_now

__all__ = ["path", "store"]


class TestSQLiteStore(RefreshStoreContract, RevocationStoreContract):
    @pytest.fixture
    def store(self, store):
        return store

    @pytest.fixture
    def reopen(self, path):
        return partial(SQLiteStore, path, timeout=PATIENCE)

    @pytest.fixture
    def dump(self, path):
        def files():
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(FULL)").fetchall()
            return [one.read_bytes() for one in path.parent.iterdir()]

        return files


def statements(path):
    """Return each statement of the store with its query plan, by the function that prepares it."""
    values = {"name": "x", "at": 1}
    cases = {
        "get": (sqlite._SELECT, ("x",)),
        "rotate": (sqlite._ROTATE, (b"", b"", b"", 1, 1, "x", b"")),
        "advance": (sqlite._ADVANCE_PURGE, (1, "x", 1)),
        "first page": (sqlite._LIVE, ("x", *FIRST_PAGE, 1, 1, 10)),
        "next page": (sqlite._LIVE, ("x", 1, "y", 1, 1, 10)),
        "due for purge": (sqlite._DUE_FOR_PURGE, (1, 1)),
        "delete a salt": (sqlite._DELETE_SALT, (1, 1)),
        "postpone": (sqlite._POSTPONE_PURGE, (1,)),
        "revocations": (sqlite._PURGE_REVOCATIONS, (1, 1)),
        "revoke": (sqlite._REVOKE, values),
        **{f"not revoked, by {column}": (statement, ("x",)) for column, statement in sqlite._NOT_REVOKED.items()},
    }
    with closing(sqlite3.connect(path)) as connection:
        return {
            name: [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            for name, (statement, parameters) in cases.items()
        }


def test_no_statement_scans_a_table(store, path):
    for name, plan in statements(path).items():
        assert plan, name
        assert all("SCAN" not in step for step in plan), (name, plan)


def test_purge_walks_an_index_in_order(store, path):
    assert statements(path)["due for purge"] == [
        "SEARCH gatepass_families USING INDEX gatepass_families_purge_at (purge_at<?)"
    ]


@pytest.mark.parametrize("page", ["first page", "next page"])
def test_a_page_of_families_is_one_range_of_an_index_in_its_order(store, path, page):
    assert statements(path)[page] == [
        "SEARCH gatepass_families USING INDEX gatepass_families_login (subject=? AND (created_at,family_id)<(?,?))"
    ]


def test_a_rotation_without_a_salt_writes_no_index(store, path):
    assert "purge_at" not in sqlite._ROTATE
    before = make_family()
    store.create(before.family)
    store.rotate(before.family.family_id, before.next(salt=b"")[1])
    assert purge_times(path) == [before.family.idle_expires_at]


def test_only_the_first_rotation_with_a_salt_writes_an_index(store, path):
    one = make_family()
    store.create(one.family)
    for at in (100, 200, 300):
        one, rotation = one.next(rotated_at=seconds_from_now(at))
        store.rotate(one.family.family_id, rotation)
        assert purge_times(path) == [seconds_from_now(100) + Rotation.MAX_GRACE]

    store.purge(before=seconds_from_now(250), limit=10)
    assert purge_times(path) == [seconds_from_now(300) + Rotation.MAX_GRACE]


def purge_times(path):
    with closing(sqlite3.connect(path)) as connection:
        return [moment for (moment,) in connection.execute("SELECT purge_at FROM gatepass_families")]


@pytest.mark.parametrize("ask", [lambda store: store.get("x"), lambda store: store.create(make_family().family)])
def test_a_missing_schema_raises_an_error_that_names_the_method(path, ask):
    with SQLiteStore(path) as store, pytest.raises(ConfigurationError, match=r"call create_schema\(\) once"):
        ask(store)
    assert not path.exists()

    sqlite3.connect(path).close()
    with SQLiteStore(path) as store, pytest.raises(ConfigurationError, match=r"call create_schema\(\) once"):
        ask(store)


def test_the_store_works_once_the_schema_is_created(path):
    with SQLiteStore(path) as store:
        with pytest.raises(ConfigurationError):
            store.get("x")
        store.create_schema()
        assert store.get("x") is None


def test_tables_of_a_newer_version_are_refused(store, path):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE gatepass_schema SET version = 3")
    with SQLiteStore(path) as other:
        with pytest.raises(ConfigurationError, match="by a newer version of gatepass: upgrade gatepass"):
            other.get("x")
        with pytest.raises(ConfigurationError, match="by a newer version of gatepass: upgrade gatepass"):
            other.create_schema()


def test_creating_the_schema_again_keeps_existing_rows(store, path):
    one = make_family().family
    store.create(one)
    store.create_schema()

    assert store.get(one.family_id) == one


def test_a_closed_store_raises(store):
    store.close()
    store.close()

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        store.get("x")
