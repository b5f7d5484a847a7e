"""The fixtures of a SQLite store in an empty folder."""

import pytest

from gatepass.stores.sqlite import SQLiteStore

PATIENCE = 60
"""The seconds that a writer waits for those before it. On a busy machine they may be slow."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


@pytest.fixture
def store(path):
    with SQLiteStore(path, timeout=PATIENCE) as store:
        store.create_schema()
        yield store
