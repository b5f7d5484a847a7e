"""The fixtures of an SQL store with empty tables, on each kind of database."""

import pytest
from sqlalchemy import text
from tests.support.databases.sql_databases import connect, empty_database

from gatepass.stores.sql import SQLStore

KINDS = ["postgresql", "mariadb", "sqlite"]


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def place(kind, tmp_path_factory):
    with empty_database(kind, tmp_path_factory.mktemp("sql")) as place:
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
