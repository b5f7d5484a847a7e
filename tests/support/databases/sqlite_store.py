"""The fixtures of a SQLite store in an empty folder."""

import pytest

from gatepass.stores.sqlite import SQLiteStore

PATIENCE = 60
"""Seconds that a writer waits for those before it; on a busy machine they may be late."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


@pytest.fixture
def store(path):
    with SQLiteStore(path, timeout=PATIENCE) as store:
        store.create_schema()
        yield store
