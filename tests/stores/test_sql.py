"""The SQL store fulfils the contracts of both protocols on PostgreSQL, MariaDB and SQLite."""

import os
from functools import partial

import pytest
from sqlalchemy import create_engine, text
from tests.support.databases.sql_databases import connect, empty_database, open_store
from tests.support.databases.sql_store import engine, kind, place, store
from tests.support.needs import reason_for

from gatepass import ConfigurationError
from gatepass.stores.sql import SQLStore
from gatepass.testing import RefreshStoreContract, RevocationStoreContract
from gatepass.testing.base import make_family

__all__ = ["engine", "kind", "place", "store"]


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
def test_a_missing_schema_raises_an_error_that_names_the_method(kind, tmp_path, ask):
    with empty_database(kind, tmp_path) as place:
        engine = connect(kind, place)
        store = SQLStore(engine)
        with pytest.raises(ConfigurationError, match=r"call create_schema\(\) once"):
            ask(store)
        store.create_schema()
        assert ask(store) is None
        engine.dispose()


@pytest.mark.parametrize("engine", [None, "postgresql://localhost/x"])
def test_an_invalid_engine_is_refused(engine):
    with pytest.raises(ConfigurationError, match="create_engine"):
        SQLStore(engine)


def test_an_unsupported_database_is_refused():
    engine = create_engine("sqlite://")
    engine.dialect.name = "oracle"
    with pytest.raises(ConfigurationError, match="PostgreSQL, MariaDB, MySQL or SQLite"):
        SQLStore(engine)


@pytest.mark.skipif(os.name != "posix", reason=reason_for("POSIX", "modes are looked at"))
@pytest.mark.parametrize("url", ["sqlite:///{}", "sqlite:///file:{}?uri=true"])
@pytest.mark.parametrize("which", ["the file", "its journal", "its directory", "a link on the way"])
def test_an_sqlite_file_that_others_can_change_is_refused(tmp_path, url, which):
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
        with pytest.raises(ConfigurationError, match=r"(others|other users) can"):
            ask(SQLStore(engine))
    engine.dispose()
