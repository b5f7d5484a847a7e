"""Revoking all families of a client takes small transactions, so that other requests do not wait for it."""

import importlib

import pytest
from sqlalchemy import event
from tests.support.databases.store_factories import store_factory

from gatepass.testing.base import make_family, seconds_from_now

MODULES = {"sqlite": "gatepass.stores.sqlite", "sql": "gatepass.stores.sql", "django": "gatepass_django.refresh.store"}


@pytest.fixture(
    params=["sqlite", "sql-postgresql", "sql-mariadb", "django-sqlite", "django-postgresql", "django-mariadb"]
)
def kind(request):
    return request.param


@pytest.fixture
def store(kind, tmp_path, monkeypatch):
    with store_factory(kind, tmp_path) as factory:
        module = importlib.import_module(MODULES[kind.partition("-")[0]])
        monkeypatch.setattr(module, "_BATCH", 3)
        monkeypatch.setattr(module, "_PAGE", 7, raising=False)
        yield factory.open_empty()


class Counting:
    def __init__(self, file):
        self.file, self.writes = file, 0

    def __getattr__(self, name):
        return getattr(self.file, name)

    def read(self, work):
        return self.file.read(work)

    def write(self, work):
        self.writes += 1
        return self.file.write(work)


def count_changes(kind, store, work):
    """Return the result of *work* and the number of its UPDATE statements, each of which is a transaction."""
    if kind == "sqlite":
        store._file = counting = Counting(store._file)
        return work(), counting.writes
    said = []
    if kind.startswith("sql-"):
        event.listen(store._engine, "before_cursor_execute", lambda _c, _k, statement, *_: said.append(statement))
        answer = work()
    else:
        from django.db import connections
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connections[store._using]) as queries:
            answer = work()
        said = [query["sql"] for query in queries]
    return answer, sum(statement.startswith("UPDATE") for statement in said)


@pytest.mark.parametrize("member", ["subject", "client_id"])
def test_all_of_many_families_are_revoked_in_batches(kind, store, member):
    theirs = [make_family(**{member: "anna"}) for _ in range(17)]
    others = [make_family() for _ in range(3)]
    for one in (*theirs, *others):
        store.create(one.family)
    store.revoke(theirs[0].family.family_id, at=seconds_from_now(-1))
    revoke = store.revoke_subject if member == "subject" else store.revoke_client

    ended, changes = count_changes(kind, store, lambda: revoke("anna", at=seconds_from_now(0)))

    assert ended == 16
    assert changes >= 6, "three at a time"
    assert all(store.get(one.family.family_id).revoked_at for one in theirs)
    assert [store.rotate(one.family.family_id, one.next()[1]) for one in others] == [True] * 3
    assert revoke("anna", at=seconds_from_now(0)) == 0
